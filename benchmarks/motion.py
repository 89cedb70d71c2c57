"""Rigid realignment: error and time a volume of VoxTempo's step ``motion`` beside SimpleITK's registration, one core each.

The simulated series has 64 x 64 x 36 voxels on an oblique grid, motion that wanders through several mm and degrees, and
noise, drift, coil shading and activation. The real one (where VOXTEMPO_DATA is set) has no known motion: there what is
left between neighbouring volumes tells. Every method starts each volume from what it found for the one before, with the
first volume as reference, and reads the moved volume once by cubic B-splines at the end; this counts as its time.

Times are those of the processor core, and what one had to wait, which depends on what else the machine does. SimpleITK
gets both volumes smoothed as VoxTempo smooths them, two scales, and settings from careful to quick.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from stopwatch import heading, row, seconds

from voxtempo.prepare import build_steps, run_steps
from voxtempo.prepare.realign import Level, levels_of, realign
from voxtempo.prepare.realign_series import at_rest, brain_of, dvars
from voxtempo.prepare.rigid import HEAD_RADIUS, framewise_displacement, rigid_matrix, rigid_parameters
from voxtempo.scans import Geometry, Scan, read_scan
from voxtempo.simulate.anatomy import INTENSITY, mni_anatomy, sample
from voxtempo.simulate.noise import rician
from voxtempo.simulate.shading import smooth_field

SHAPE, SPACING = (64, 64, 36), (3.0, 3.0, 3.5)
VOLUMES, REAL_VOLUMES = 16, 6
LARGEST_MM, LARGEST_DEGREES = 4.0, 3.0
NOISE, DRIFT, EFFECT, SHADING = 1.5, 3.0, 3.0, 0.2
WIDTHS = (54, 10, 11, 10, 12, 10, 13)
REAL_WIDTHS = (54, 10, 11, 12, 14, 14)
GOAL = 50.0  # ms

Parameters = NDArray[np.float64]
Volume = NDArray[np.float32]


@dataclass
class Method:
    """A way to realign: from a volume and the motion of the one before to its motion and the volume at rest."""

    name: str
    run: Callable[[Volume, Parameters], tuple[Parameters, Volume]]
    times: list[float] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    found: list[Parameters] = field(default_factory=list)
    rest: list[Volume] = field(default_factory=list)


@dataclass(frozen=True)
class Setting:
    """One way to use SimpleITK's registration."""

    metric: str
    optimiser: str
    share: float
    cubic: bool = False
    masked: bool = False

    @property
    def name(self) -> str:
        """What stands in the table."""
        sampled = "all voxels" if self.share == 1 else f"{self.share:.0%} of voxels"
        return f"SimpleITK, {self.metric}, {self.optimiser}, {sampled}{', cubic' * self.cubic}{', head only' * self.masked}"


SETTINGS = (
    Setting("squares", "steps", 1.0),
    Setting("squares", "steps", 0.2),
    Setting("squares", "steps", 0.2, cubic=True),
    Setting("squares", "steps", 0.2, masked=True),
    Setting("squares", "steps", 0.05),
    Setting("squares", "L-BFGS", 0.05),
    Setting("correlation", "steps", 0.2),
)


def simulated() -> tuple[Scan, Parameters]:
    """Return a series of a moving head and its motion (t, 6) about the middle of the grid."""
    rng = np.random.default_rng(0)
    affine = np.eye(4)
    affine[:3, :3] = rigid_matrix([0, 0, 0, 0.1, 0.05, -0.1])[:3, :3] @ np.diag(np.array(SPACING) * (-1, 1, 1))
    affine[:3, 3] = np.array([0, -18, 10]) - affine[:3, :3] @ ((np.array(SHAPE) - 1) / 2)
    grid = Geometry(SHAPE, affine)
    walk = np.cumsum(rng.standard_normal((VOLUMES, 6)), axis=0)
    walk -= walk[0]
    motion = walk / np.abs(walk).max(axis=0) * np.array([LARGEST_MM] * 3 + [np.deg2rad(LARGEST_DEGREES)] * 3)
    anatomy, middle = mni_anatomy(min(SPACING)), np.eye(4)
    middle[:3, 3] = (0, -18, 10)
    shading, drift = np.exp(SHADING * smooth_field(rng, SHAPE)), smooth_field(rng, SHAPE)
    data = np.empty((VOLUMES, *SHAPE, 1), np.float32)
    for t in range(VOLUMES):
        place = middle @ rigid_matrix(motion[t]) @ np.linalg.inv(middle)
        signal = sample(anatomy.baseline, anatomy.geometry, grid, place)
        for region in anatomy.regions.values():
            strength = EFFECT / 100 * INTENSITY["grey"] * (t % 8 >= 4)
            signal += np.float32(strength) * sample(region, anatomy.geometry, grid, place)
        signal *= shading * (1 + np.float32(DRIFT / 100 * t / VOLUMES) * drift)
        data[t, ..., 0] = rician(rng, signal, NOISE / 100 * INTENSITY["grey"])
    return Scan(np.rint(data).astype(np.int16), grid, 2.0), motion


def ours(scan: Scan) -> Method:
    """Return VoxTempo's way."""
    levels: tuple[Level, ...] = levels_of(scan.volume(0), scan.geometry)

    def run(volume: Volume, start: Parameters) -> tuple[Parameters, Volume]:
        found = realign(volume, levels, start)
        one = Scan(volume[None, ..., None], scan.geometry)
        return found, at_rest(one, 0, found, 0, "spline")

    return Method("VoxTempo", run)


def image_of(volume: NDArray, geometry: Geometry) -> sitk.Image:
    """Return a volume as SimpleITK holds it; all grids get one convention, so RAS or LPS does not matter."""
    image = sitk.GetImageFromArray(np.asarray(volume, np.float32).transpose(2, 1, 0))
    spacing = np.linalg.norm(geometry.affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(geometry.affine[:3, 3].tolist())
    image.SetDirection((geometry.affine[:3, :3] / spacing).ravel().tolist())
    return image


def theirs(scan: Scan, setting: Setting) -> Method:
    """Return SimpleITK's rigid registration with one setting."""
    geometry = scan.geometry
    centre = geometry.to_world([(np.array(geometry.shape) - 1) / 2])[0]
    fixed = image_of(scan.volume(0), geometry)
    narrow = 5 / np.sqrt(8 * np.log(2))
    head = sitk.BinaryDilate(sitk.OtsuThreshold(fixed, 0, 1), (2, 2, 2))
    smooth_fixed = sitk.SmoothingRecursiveGaussian(fixed, narrow)

    def run(volume: Volume, start: Parameters) -> tuple[Parameters, Volume]:
        moving = image_of(volume, geometry)
        first = sitk.Euler3DTransform()
        first.SetComputeZYX(True)
        first.SetCenter(centre.tolist())
        first.SetRotation(*start[3:].tolist())
        first.SetTranslation(start[:3].tolist())
        method = _registration(setting)
        if setting.masked:
            method.SetMetricFixedMask(head)
        method.SetInitialTransform(first, inPlace=True)
        method.Execute(smooth_fixed, sitk.SmoothingRecursiveGaussian(moving, narrow))
        matrix = np.eye(4)
        matrix[:3, :3] = np.reshape(first.GetMatrix(), (3, 3))
        matrix[:3, 3] = first.GetTranslation()
        back = sitk.Resample(moving, fixed, first, sitk.sitkBSpline, 0.0)
        return rigid_parameters(matrix), sitk.GetArrayFromImage(back).transpose(2, 1, 0)

    return Method(setting.name, run)


def _registration(setting: Setting) -> sitk.ImageRegistrationMethod:
    method = sitk.ImageRegistrationMethod()
    if setting.metric == "squares":
        method.SetMetricAsMeanSquares()
    else:
        method.SetMetricAsCorrelation()
    if setting.share < 1:
        method.SetMetricSamplingStrategy(method.REGULAR)
        method.SetMetricSamplingPercentage(setting.share, seed=1)
    if setting.optimiser == "steps":
        method.SetOptimizerAsRegularStepGradientDescent(
            learningRate=1.0,
            minStep=1e-3,
            numberOfIterations=200,
            relaxationFactor=0.6,
            gradientMagnitudeTolerance=1e-8,
        )
    else:
        method.SetOptimizerAsLBFGS2(solutionAccuracy=1e-6, numberOfIterations=60)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([4.0, 0.0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInterpolator(sitk.sitkBSpline if setting.cubic else sitk.sitkLinear)
    return method


def race(scan: Scan, methods: Iterable[Method], volumes: int) -> None:
    """Give every volume to every method in turn."""
    methods = list(methods)
    for method in methods:  # compiled, and caches filled
        method.run(scan.volume(1).astype(np.float32), np.zeros(6))
        method.found.append(np.zeros(6))
        method.rest.append(scan.volume(0).astype(np.float32))
    for t in range(1, volumes):
        volume = scan.volume(t).astype(np.float32)
        for method in methods:
            answer: list[tuple[Parameters, Volume]] = []
            begin = time.process_time()
            method.waited.append(seconds(lambda m=method, v=volume, a=answer: a.append(m.run(v, m.found[-1]))))
            method.times.append(time.process_time() - begin)
            method.found.append(answer[0][0])
            method.rest.append(answer[0][1])


def milliseconds(times: list[float]) -> str:
    """Return the median time a volume."""
    return f"{1e3 * statistics.median(times):.0f}"


def show_simulated() -> None:
    """Print errors and times where the motion is known."""
    scan, truth = simulated()
    methods = [ours(scan), *(theirs(scan, setting) for setting in SETTINGS)]
    race(scan, methods, VOLUMES)
    print(
        f"\nsimulated: {' x '.join(map(str, SHAPE))} x {VOLUMES}, motion to {LARGEST_MM:g} mm and {LARGEST_DEGREES:g} degrees, "
        f"noise {NOISE:g} %, drift {DRIFT:g} %, response {EFFECT:g} %"
    )
    row("", "core ms", "waited ms", "rms mm", "largest mm", "rms deg", "largest deg", widths=WIDTHS)
    for method in methods:
        error = np.array(method.found) - truth
        error[:, 3:] = np.rad2deg(error[:, 3:])
        figures = [
            f"{value:.3f}"
            for part in (error[:, :3], error[:, 3:])
            for value in (np.sqrt((part**2).mean()), np.abs(part).max())
        ]
        row(method.name, milliseconds(method.times), milliseconds(method.waited), *figures, widths=WIDTHS)
    step = build_steps([{"motion": {"reference": "first"}}])
    run_steps(scan, step)
    begin = time.process_time()
    waited = seconds(lambda: run_steps(scan, step))
    whole = 1e3 * (time.process_time() - begin) / VOLUMES
    row(
        "VoxTempo, the step with its measures",
        f"{whole:.0f}",
        f"{1e3 * waited / VOLUMES:.0f}",
        *[""] * 4,
        widths=WIDTHS,
    )
    taken = 1e3 * statistics.median(methods[0].times)
    print(f"goal for VoxTempo: {GOAL:g} ms a volume, {'reached' if taken <= GOAL else 'missed'}")


def show_real(path: Path) -> None:
    """Print what is left between neighbouring volumes of a real series, and how far each method is from VoxTempo."""
    scan = read_scan(path)
    volumes = min(REAL_VOLUMES, scan.volumes)
    methods = [ours(scan), *(theirs(scan, setting) for setting in SETTINGS)]
    race(scan, methods, volumes)
    brain = brain_of(scan.volume(0))
    left = dvars(iter(scan.data[:volumes, ..., 0]), brain)[1:].mean()
    print(
        f"\nreal: {path.name}, {' x '.join(map(str, scan.geometry.shape))}, {volumes} volumes; DVARS as it came {left:.3f} %"
    )
    row("", "core ms", "waited ms", "mean FD mm", "DVARS left %", "from ours mm", widths=REAL_WIDTHS)
    for method in methods:
        found = np.array(method.found)
        apart = np.abs(found - methods[0].found)
        row(
            method.name,
            milliseconds(method.times),
            milliseconds(method.waited),
            f"{framewise_displacement(found)[1:].mean():.3f}",
            f"{dvars(iter(method.rest), brain)[1:].mean():.3f}",
            f"{(apart[1:, :3].sum(axis=1) + HEAD_RADIUS * apart[1:, 3:].sum(axis=1)).mean():.3f}",
            widths=REAL_WIDTHS,
        )


def main() -> None:
    """Print the tables."""
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    heading("Rigid realignment, one core", "SimpleITK", "numba")
    show_simulated()
    data = os.environ.get("VOXTEMPO_DATA")
    series = None if data is None else Path(data) / "rest4d" / "philips_rest_bold.nii.gz"
    if series is not None and series.is_file():
        show_real(series)
    print("medians over volumes; the methods take turns on each volume")


if __name__ == "__main__":
    main()
