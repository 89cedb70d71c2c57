"""Windows of a series as other libraries read them, in an environment of their own: a server on stdin and stdout.

Started by ``benchmarks/windows.py``. The first line it prints is JSON: name of a reader -> libraries and versions. Then it
takes lines "start<TAB>reader": it reads that window into (t, x, y, z) float32 and answers with the sum of its values.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

Reader = Callable[[int], np.ndarray]


def readers(folder: Path, length: int) -> dict[str, tuple[Reader, str]]:
    """Return name -> (reader from the first volume, library and version) for what is installed here."""
    found: dict[str, tuple[Reader, str]] = {}
    if _has("indexed_gzip") and _has("nibabel"):
        import nibabel

        indexed = nibabel.load(folder / "series.nii.gz")  # nibabel takes indexed_gzip by itself, and keeps its index

        def with_index(start: int) -> np.ndarray:
            return np.asarray(indexed.dataobj[..., start : start + length], np.float32).transpose(3, 0, 1, 2)

        found["nibabel + indexed_gzip, .nii.gz"] = with_index, f"indexed_gzip {version('indexed_gzip')}"
    if _has("torchio"):
        import torchio

        def whole(start: int) -> np.ndarray:
            # An image is read as a whole: time is the axis of channels.
            return torchio.ScalarImage(folder / "series.nii.gz").data[start : start + length].numpy().astype(np.float32)

        def files(start: int) -> np.ndarray:
            paths = [folder / "volumes" / f"{number:04d}.nii.gz" for number in range(start, start + length)]
            return torchio.ScalarImage(paths).data.numpy().astype(np.float32)

        found["TorchIO, .nii.gz"] = whole, f"torchio {version('torchio')}"
        found["TorchIO, one file a volume"] = files, f"torchio {version('torchio')}"
    return found


def _has(library: str) -> bool:
    try:
        return bool(version(library))
    except PackageNotFoundError:
        return False


def main() -> None:
    """Serve until stdin ends."""
    there = readers(Path(sys.argv[1]), int(sys.argv[2]))
    print(json.dumps({name: what for name, (_, what) in there.items()}), flush=True)
    for line in sys.stdin:
        start, name = line.rstrip("\n").split("\t")
        print(repr(float(there[name][0](int(start)).sum(dtype=np.float64))), flush=True)


if __name__ == "__main__":
    main()
