"""Preparation against well-known libraries: a volume onto a turned grid, and the drift taken out of a series.

Same input, same answer: how far the results lie apart is printed (for grids, where both grids overlap, since scipy
leaves out the outer half voxel). VoxTempo prepares several cases side by side, each on one thread, so one thread is what
everybody gets here; SimpleITK, which would take all cores, is shown with them too.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping

import nilearn.signal
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.ndimage import affine_transform
from stopwatch import Call, heading, median_seconds, row
from threadpoolctl import threadpool_limits

from voxtempo.prepare import build_steps, regrid
from voxtempo.scans import Geometry, Scan

GRID = (120, 120, 90)
SERIES = (200, 64, 64, 36)
REPEATS = 5
WIDTHS = (34, 10, 16, 26)


def turned(geometry: Geometry, degrees: float) -> Geometry:
    """Return the grid turned about z through its middle."""
    angle = np.deg2rad(degrees)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    middle = np.eye(4)
    middle[:3, 3] = geometry.affine[:3, :3] @ ((np.array(geometry.shape) - 1) / 2) + geometry.affine[:3, 3]
    return Geometry(geometry.shape, middle @ turn @ np.linalg.inv(middle) @ geometry.affine)


def image_of(values: NDArray[np.float32], geometry: Geometry) -> sitk.Image:
    """Return a volume as SimpleITK holds it; both grids get one convention, so RAS or LPS does not matter."""
    image = sitk.GetImageFromArray(values.transpose(2, 1, 0))
    spacing = np.linalg.norm(geometry.affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(geometry.affine[:3, 3].tolist())
    image.SetDirection((geometry.affine[:3, :3] / spacing).ravel().tolist())
    return image


def show(calls: Mapping[str, Call], against: Mapping[str, float]) -> None:
    """Print a row for each call; the first is VoxTempo's."""
    times = median_seconds(calls, REPEATS)
    first = next(iter(times.values()))
    for name, taken in times.items():
        apart = "" if name not in against else f"{against[name]:.1e}"
        row(name, f"{1e3 * taken:.0f}", f"{taken / first:.1f}", apart, widths=WIDTHS)


def grids(rng: np.random.Generator) -> None:
    """Compare linear interpolation onto a grid turned by 10 degrees."""
    geometry = Geometry.from_spacing(GRID, (1.0, 1.0, 1.0))
    target = turned(geometry, 10.0)
    values = rng.standard_normal(GRID, dtype=np.float32)
    scan = Scan(values[None, ..., None], geometry)
    mapping = target.mapping_to(geometry)
    moving, reference = image_of(values, geometry), image_of(np.zeros(GRID, np.float32), target)

    def scipy() -> NDArray[np.float32]:
        return affine_transform(values, mapping, output_shape=GRID, order=1, output=np.float32)

    def simple_itk(threads: int) -> NDArray[np.float32]:
        mover = sitk.ResampleImageFilter()
        mover.SetReferenceImage(reference)
        mover.SetInterpolator(sitk.sitkLinear)
        mover.SetNumberOfThreads(threads)
        return sitk.GetArrayFromImage(mover.Execute(moving)).transpose(2, 1, 0)

    cores = os.cpu_count() or 1
    ours, inside = regrid(scan, target).data[0, ..., 0], (slice(25, -25), slice(25, -25), slice(1, -1))
    rivals: dict[str, Callable[[], NDArray[np.float32]]] = {
        "scipy.ndimage.affine_transform": scipy,
        "SimpleITK, 1 thread": lambda: simple_itk(1),
        f"SimpleITK, {cores} threads": lambda: simple_itk(cores),
    }
    calls: dict[str, Call] = {"VoxTempo regrid": lambda: regrid(scan, target), **rivals}
    show(calls, {name: float(np.abs(call() - ours)[inside].max()) for name, call in rivals.items()})


def drifts(rng: np.random.Generator) -> None:
    """Compare the removal of a line and of cosines slower than 0.01 Hz."""
    data = rng.normal(1000, 10, (*SERIES, 1)).astype(np.float32)
    scan = Scan(data, Geometry.from_spacing(SERIES[1:], (3.0, 3.0, 3.5)), 2.0)
    (step,) = build_steps([{"temporal_filter": {"detrend": 1, "high_pass": 0.01, "keep_mean": False}}])

    def ours() -> NDArray[np.float32]:
        return step.apply(scan, step.decide(scan)).data

    def theirs() -> NDArray[np.float32]:
        courses = data.reshape(SERIES[0], -1)
        with warnings.catch_warnings(action="ignore"):
            return nilearn.signal.clean(
                courses, detrend=True, standardize=None, filter="cosine", high_pass=0.01, t_r=2.0
            )

    apart = float(np.abs(theirs().reshape(data.shape) - ours()).max())
    show({"VoxTempo temporal_filter": ours, "nilearn.signal.clean": theirs}, {"nilearn.signal.clean": apart})


def main() -> None:
    """Print a table of times in milliseconds."""
    heading("Preparing", "scipy", "SimpleITK", "nilearn", "numba")
    rng = np.random.default_rng(0)
    header = ("times VoxTempo", "largest difference")
    row(f"volume {' x '.join(map(str, GRID))}, turned 10 deg", "ms", *header, widths=WIDTHS)
    grids(rng)
    row("series 64 x 64 x 36 x 200, drift", "ms", *header, widths=WIDTHS)
    with threadpool_limits(1):
        drifts(rng)
    print(f"medians of {REPEATS}, taken in turns")


if __name__ == "__main__":
    main()
