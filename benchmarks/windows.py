"""Reading a random window of 20 volumes from a series of 64 x 64 x 36 x 200: VoxTempo's cache against other ways.

Everybody reads the same windows in turns into float32 with time first, and their sums are compared. Files and cache have
just been read, so they lie in the page cache of the system: what is timed is finding, unpacking and converting, not the
disk. The cache holds int16 as the file does; a prepared series (z-scored, say) is stored as float16, so that is timed too.

TorchIO and indexed_gzip need an environment of their own, since the one installs PyTorch and the other changes what nibabel
does. Make it once, and name it:

    python -m venv peers && peers/bin/pip install torch==2.13.0 torchio indexed_gzip nibabel
    VOXTEMPO_PEERS=peers python benchmarks/windows.py
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray
from stopwatch import heading, median_seconds, row
from stopwatch.peers import start_peers

from voxtempo.cohort.study import Window
from voxtempo.feed import FeedCase, Voxels, WindowSampler
from voxtempo.scans import CachedScan, Geometry, Scan, cache_series, write_cache

SHAPE = (64, 64, 36, 200)
WINDOW = 20
REPEATS = 15
WIDTHS = (38, 12, 18)
GOAL = 3.0  # ms
Read = Callable[[int], float]


def write_files(folder: Path) -> nibabel.Nifti1Image:
    """Write a series as .nii, as .nii.gz and as a .nii.gz a volume; return it."""
    rng = np.random.default_rng(0)
    head = rng.uniform(400, 1200, SHAPE[:3]) * (rng.random(SHAPE[:3]) < 0.5)
    values = (head[..., None] * rng.normal(1, 0.02, SHAPE)).astype(np.int16)
    affine = np.diag((3.0, 3.0, 3.5, 1.0))
    image = nibabel.Nifti1Image(values, affine)
    for name in ("series.nii", "series.nii.gz"):
        nibabel.save(image, folder / name)
    (folder / "volumes").mkdir()
    for number in range(SHAPE[3]):
        nibabel.save(nibabel.Nifti1Image(values[..., number], affine), folder / "volumes" / f"{number:04d}.nii.gz")
    return image


def cached(scan: CachedScan) -> Callable[[int], NDArray[np.float32]]:
    """Return what training does: a position of the sampler, read by the feed."""
    case = FeedCase("s", Voxels(scan.array, scan.scale, scan.offset), scan.geometry.spacing, target=0)
    sampler = WindowSampler(Window(length=WINDOW, stride=1), scan.geometry.shape)
    places = sampler.cover(case)
    return lambda start: sampler.read(case, places[start])[0][..., 0]


def proxied(image: nibabel.Nifti1Image) -> Callable[[int], NDArray[np.float32]]:
    """Return nibabel's way: slices of an array proxy."""
    return lambda start: np.asarray(image.dataobj[..., start : start + WINDOW], np.float32).transpose(3, 0, 1, 2)


def one_file_a_volume(folder: Path) -> Callable[[int], NDArray[np.float32]]:
    """Return the usual way around long files."""

    def read(start: int) -> NDArray[np.float32]:
        files = [folder / "volumes" / f"{number:04d}.nii.gz" for number in range(start, start + WINDOW)]
        return np.stack([np.asarray(nibabel.load(file).dataobj, np.float32) for file in files])

    return read


def summed(read: Callable[[int], NDArray[np.float32]]) -> Read:
    """Return a reader that answers with the sum of a few voxels of its window, so that it cannot be lazy."""
    return lambda start: float(read(start)[:, ::8, ::8, ::8].sum(dtype=np.float64))


def main() -> None:
    """Print a table of times and ratios."""
    heading(f"A random window of {WINDOW} volumes of {' x '.join(map(str, SHAPE))} int16, page cache warm", "nibabel")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        image = write_files(folder)
        stored = cache_series(folder / "series.nii.gz", folder / "cache")
        values = np.asarray(image.dataobj).transpose(3, 0, 1, 2)[..., None]
        scores = ((values - values.mean()) / values.std()).astype(np.float32)
        prepared = write_cache(Scan(scores, Geometry.from_spacing(SHAPE[:3]), 2.0), folder / "prepared")
        assert (stored.array.dtype, prepared.array.dtype) == (np.int16, np.float16)
        ways = {
            f"VoxTempo cache, {stored.array.dtype}": cached(stored),
            "VoxTempo cache, float16 (prepared)": cached(prepared),
            "nibabel, .nii": proxied(nibabel.load(folder / "series.nii")),
            "nibabel, .nii.gz": proxied(nibabel.load(folder / "series.nii.gz")),
            "nibabel, one .nii.gz a volume": one_file_a_volume(folder),
        }
        first, half, *others = (way(17) for way in ways.values())
        assert all(np.array_equal(first, other) for other in others), "the windows differ"
        assert np.allclose(half, scores[17 : 17 + WINDOW, ..., 0], atol=2e-3), "the prepared window differs"
        readers: dict[str, Read] = {name: summed(way) for name, way in ways.items()}
        peers = start_peers("read_windows", folder, WINDOW, libraries=("torchio", "indexed_gzip"))
        for name, what in peers.names.items() if peers is not None else ():
            assert peers is not None
            assert peers.ask(name, 17) == float(first.sum(dtype=np.float64)), f"the windows of {name} differ"
            readers[name] = lambda start, name=name: peers.ask(name, start)  # type: ignore[misc]
            print(f"{name}: {what}")
        starts = {
            name: iter(np.random.default_rng(1).integers(0, SHAPE[3] - WINDOW + 1, REPEATS + 1)) for name in readers
        }
        times = median_seconds({name: lambda n=name: readers[n](int(next(starts[n]))) for name in readers}, REPEATS)  # type: ignore[misc]
        if peers is not None:
            peers.close()
    row(f"median of {REPEATS}, taken in turns", "ms", "times the cache", widths=WIDTHS)
    fastest = next(iter(times.values()))
    for name, taken in times.items():
        row(name, f"{1e3 * taken:.2f}", f"{taken / fastest:.1f}", widths=WIDTHS)
    slowest = 1e3 * max(list(times.values())[:2])
    print(f"goal for the cache: {GOAL:g} ms, {'reached' if slowest <= GOAL else 'missed'}")


if __name__ == "__main__":
    main()
