"""Windows of a series as other libraries read them, in an environment of their own: a server on stdin and stdout.

Started by ``benchmarks/windows.py``. A reader is asked for the window that begins at a volume: it reads it into
(t, x, y, z) float32 and answers with the sum of its values.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from serving import installed, serve

Reader = Callable[[int], np.ndarray]


def readers(folder: Path, length: int) -> dict[str, tuple[Reader, str]]:
    """Return name -> (reader from the first volume, library and version) for what is installed here."""
    found: dict[str, tuple[Reader, str]] = {}
    if (indexed_gzip := installed("indexed_gzip")) and installed("nibabel"):
        import nibabel

        indexed = nibabel.load(folder / "series.nii.gz")  # nibabel takes indexed_gzip by itself, and keeps its index

        def with_index(start: int) -> np.ndarray:
            return np.asarray(indexed.dataobj[..., start : start + length], np.float32).transpose(3, 0, 1, 2)

        found["nibabel + indexed_gzip, .nii.gz"] = with_index, indexed_gzip
    if torchio_version := installed("torchio"):
        import torchio

        def whole(start: int) -> np.ndarray:
            # An image is read as a whole: time is the axis of channels.
            return torchio.ScalarImage(folder / "series.nii.gz").data[start : start + length].numpy().astype(np.float32)

        def files(start: int) -> np.ndarray:
            paths = [folder / "volumes" / f"{number:04d}.nii.gz" for number in range(start, start + length)]
            return torchio.ScalarImage(paths).data.numpy().astype(np.float32)

        found["TorchIO, .nii.gz"] = whole, torchio_version
        found["TorchIO, one file a volume"] = files, torchio_version
    return found


def main() -> None:
    """Serve sums of windows."""
    there = readers(Path(sys.argv[1]), int(sys.argv[2]))
    serve({name: (_summed(read), what) for name, (read, what) in there.items()})


def _summed(read: Reader) -> Callable[[int], float]:
    return lambda start: float(read(start).sum(dtype=np.float64))


if __name__ == "__main__":
    main()
