"""Reading a random window of 20 volumes from a series of 64 x 64 x 36 x 200: VoxTempo's cache against nibabel.

All three give the same float32 values, which is checked. Files and cache have just been read, so they lie in the page
cache of the system: what is timed is finding, unpacking and converting, not the disk. nibabel unpacks a .nii.gz from the
start each time; it does so faster with the package indexed_gzip, which is not installed here.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray
from stopwatch import heading, median_seconds, row

from voxtempo.scans import cache_series

SHAPE = (64, 64, 36, 200)
WINDOW = 20
REPEATS = 15
WIDTHS = (34, 10, 18)
GOAL = 3.0  # ms


def main() -> None:
    """Print a table of times and ratios."""
    rng = np.random.default_rng(0)
    heading(f"A random window of {WINDOW} volumes of {' x '.join(map(str, SHAPE))} int16, page cache warm", "nibabel")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        head = rng.uniform(400, 1200, SHAPE[:3]) * (rng.random(SHAPE[:3]) < 0.5)
        values = (head[..., None] * rng.normal(1, 0.02, SHAPE)).astype(np.int16)
        image = nibabel.Nifti1Image(values, np.diag((3.0, 3.0, 3.5, 1.0)))
        for name in ("series.nii", "series.nii.gz"):
            nibabel.save(image, folder / name)
        cached = cache_series(folder / "series.nii.gz", folder / "cache")
        plain, packed = nibabel.load(folder / "series.nii"), nibabel.load(folder / "series.nii.gz")
        starts = {name: np.random.default_rng(1) for name in ("VoxTempo cache", "nibabel, .nii", "nibabel, .nii.gz")}

        def start(name: str) -> int:
            return int(starts[name].integers(0, SHAPE[3] - WINDOW + 1))

        def ours() -> NDArray[np.float32]:
            begin = start("VoxTempo cache")
            return cached.read(begin, begin + WINDOW)[..., 0]

        def theirs(name: str, image: nibabel.Nifti1Image) -> NDArray[np.float32]:
            begin = start(name)
            window = np.asarray(image.dataobj[..., begin : begin + WINDOW], dtype=np.float32)
            return window.transpose(3, 0, 1, 2)

        calls = {
            "VoxTempo cache": ours,
            "nibabel, .nii": lambda: theirs("nibabel, .nii", plain),
            "nibabel, .nii.gz": lambda: theirs("nibabel, .nii.gz", packed),
        }
        found = [call() for call in calls.values()]
        assert all(np.array_equal(found[0], other) for other in found[1:]), "the windows differ"
        times = median_seconds(calls, REPEATS)
    row(f"median of {REPEATS}, taken in turns", "ms", "times the cache", widths=WIDTHS)
    fastest = times["VoxTempo cache"]
    for name, taken in times.items():
        row(name, f"{1e3 * taken:.2f}", f"{taken / fastest:.1f}", widths=WIDTHS)
    print(f"goal for the cache: {GOAL:g} ms, {'reached' if 1e3 * fastest <= GOAL else 'missed'}")


if __name__ == "__main__":
    main()
