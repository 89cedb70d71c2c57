"""A real resting-state series from file to windows: each stage's time, beside nilearn's and SimpleITK's for the same work.

The series is rest4d/philips_rest_bold.nii.gz of the data folder (VOXTEMPO_DATA, else ../shared/data). Stages run one after
the other on one thread; each is timed in turns with its rival. SimpleITK registers a few volumes only, and its time is
scaled to all of them. At the end the whole runs as a study does: ``prepare_cohort`` from file to cache, then windows drawn
from the cache.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK as sitk
from motion import SETTINGS, theirs
from nilearn.image import clean_img
from nilearn.masking import compute_epi_mask
from stopwatch import Call, heading, median_seconds, row, seconds
from threadpoolctl import threadpool_limits

from voxtempo.cohort import Case
from voxtempo.cohort.study import Window
from voxtempo.feed import FeedCase, Voxels, WindowSampler
from voxtempo.prepare import PreparedCase, build_steps, prepare_cohort, run_steps
from voxtempo.scans import Scan, read_scan

DATA = Path(os.environ.get("VOXTEMPO_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
SERIES = DATA / "rest4d" / "philips_rest_bold.nii.gz"
STEPS = (
    "motion",
    "brain_mask",
    {"temporal_filter": {"detrend": 1}},
    {"normalise": {"method": "zscore", "axis": "time", "within": "mask"}},
)
REPEATS = 3
REGISTERED = 3  # volumes that SimpleITK registers
LENGTH, WINDOWS = 8, 200
WIDTHS = (46, 12, 20)


def stage(scan: Scan, item: object) -> Scan:
    """Return the series after one step."""
    return run_steps(scan, build_steps([item]))[0]


def show(calls: Mapping[str, Call]) -> None:
    """Print the time of a stage and of what does the same, which takes turns with it."""
    times = median_seconds(calls, REPEATS)
    first = next(iter(times.values()))
    for name, taken in times.items():
        row(name, f"{1e3 * taken:.0f}", f"{taken / first:.1f}", widths=WIDTHS)


def stages() -> None:
    """Print the time of every stage."""
    scan = read_scan(SERIES)
    show({
        "read": lambda: read_scan(SERIES),
        "  nibabel, float32": lambda: np.asanyarray(nibabel.load(SERIES).dataobj).astype(np.float32),
    })  # fmt: skip
    setting = next(s for s in SETTINGS if s.share < 0.1)
    rival = theirs(scan, setting)
    volumes = [scan.volume(t).astype(np.float32) for t in range(1, REGISTERED + 1)]
    taken = [seconds(lambda v=volume: rival.run(v, np.zeros(6))) for volume in volumes]
    show({"motion": lambda: stage(scan, "motion")})
    row(
        f"  {setting.name}, {REGISTERED} scaled",
        f"{1e3 * statistics.median(taken) * scan.volumes:.0f}",
        "",
        widths=WIDTHS,
    )
    moved = stage(scan, "motion")
    image = nibabel.Nifti1Image(moved.data[..., 0].transpose(1, 2, 3, 0), moved.geometry.affine)
    show({
        "brain mask, the rest blanked": lambda: stage(moved, "brain_mask"),
        "  nilearn compute_epi_mask": lambda: compute_epi_mask(image),
    })  # fmt: skip
    masked, mask = stage(moved, "brain_mask"), compute_epi_mask(image)
    options = {"detrend": True, "standardize": "zscore_sample", "t_r": scan.repetition_time}
    show({
        "line and z over time": lambda: stage(stage(masked, STEPS[2]), STEPS[3]),
        "  nilearn clean_img": lambda: clean_img(image, **options),
        "  nilearn clean_img, in its mask only": lambda: clean_img(image, mask_img=mask, **options),
    })  # fmt: skip


def whole(folder: Path) -> PreparedCase:
    """Print the time from file to cache, and return the prepared series."""
    steps, case = build_steps(STEPS), Case("rest", "rest", {"bold": SERIES})
    found: list[PreparedCase] = []

    def prepare() -> None:
        cache = folder / str(len(found))
        found.append(prepare_cohort([case], steps, cache_dir=cache)["rest"])

    show({"everything, from file to cache": prepare})
    show({"everything, found in the cache": lambda: prepare_cohort([case], steps, cache_dir=folder / "0")})
    return found[-1]


def windows(prepared: PreparedCase) -> None:
    """Print the time of a random window from the cache."""
    image = prepared.image
    voxels = Voxels(image.array, image.scale, image.offset)
    case = FeedCase("rest", voxels, image.geometry.spacing, target=0, repetition_time=image.repetition_time)
    sampler = WindowSampler(Window(length=LENGTH), image.geometry.shape)
    rng = np.random.default_rng(0)
    positions = [sampler.draw(case, 0, rng) for _ in range(WINDOWS)]
    times = [seconds(lambda p=position: sampler.read(case, p)) for position in positions]
    row(f"a window of {LENGTH} volumes", f"{1e3 * statistics.median(times):.1f}", "", widths=WIDTHS)
    displacement = np.array(prepared.confounds["framewise_displacement"])
    print(
        f"framewise displacement {displacement[1:].mean():.3f} mm on average, {displacement.max():.3f} mm at most; "
        f"{image.volumes} volumes as {image.array.dtype}, {prepared.bytes / 2**20:.0f} MiB in the cache"
    )


def main() -> None:
    """Print a table of times in milliseconds."""
    if not SERIES.is_file():
        print(f"rest: skipped, there is no {SERIES} (set VOXTEMPO_DATA)")
        return
    heading("A resting-state series", "nilearn", "nibabel", "SimpleITK", "numba")
    scan = read_scan(SERIES)
    row(f"{' x '.join(map(str, scan.geometry.shape))} x {scan.volumes}", "ms", "times VoxTempo", widths=WIDTHS)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    with threadpool_limits(1), warnings.catch_warnings(action="ignore"), tempfile.TemporaryDirectory() as folder:
        stages()
        windows(whole(Path(folder)))
    print(f"medians of {REPEATS} (windows: {WINDOWS}), taken in turns; one thread")


if __name__ == "__main__":
    main()
