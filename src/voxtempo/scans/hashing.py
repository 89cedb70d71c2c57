"""Fingerprints: of a file's bytes, and of the voxels that come out of it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from voxtempo.errors import ScanError
from voxtempo.scans.scan import Scan

CHUNK = 1 << 20


def content_hash(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, or of a folder's files with their names in order, as 64 hex digits.

    Raises
    ------
    ScanError : there is nothing at ``path``, or it cannot be read.
    """
    path = Path(path)
    digest = hashlib.sha256()
    try:
        if not path.is_dir():
            _add_file(digest, path)
            return digest.hexdigest()
        for file in sorted(p for p in path.rglob("*") if p.is_file()):
            name = file.relative_to(path).as_posix().encode()
            digest.update(len(name).to_bytes(8, "little") + name + file.stat().st_size.to_bytes(8, "little"))
            _add_file(digest, file)
    except OSError as error:
        raise ScanError(f"{path}: cannot be read ({error.strerror})") from error
    return digest.hexdigest()


def pixel_hash(scan: Scan) -> str:
    """Return the SHA-256 of a scan's shape and values, whatever type they are stored in, as 64 hex digits.

    Two files with identical decoded images agree, however they were encoded; where the image lies in the world does not
    count. Values are compared as 64-bit floats, one volume at a time.
    """
    digest = hashlib.sha256(np.array(scan.data.shape, dtype="<i8").tobytes())
    for volume in scan.data:
        values = np.ascontiguousarray(volume, dtype="<f8") + 0.0  # -0.0 and 0.0 are one value
        values[np.isnan(values)] = np.nan
        digest.update(values.data)
    return digest.hexdigest()


def _add_file(digest: hashlib._Hash, path: Path) -> None:
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
