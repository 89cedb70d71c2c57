"""The header guard: what a file claims is held against the bytes it has, before anything is allocated.

A compressed file's size after decompression is never believed. DEFLATE cannot expand a byte into more than about 1032,
so a larger claim is refused at once; the rest is decompressed in small pieces into memory that the system provides only
as real bytes arrive, and a stream that ends early is refused where it ends.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from voxtempo.errors import ScanError

LARGEST_EXPANSION = 1032
"""Bytes that one byte of a DEFLATE stream (gzip, PNG) can become at most."""
CHUNK = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"


def existing_file(path: Path) -> Path:
    """Return ``path`` if it is a readable, non-empty file.

    Raises
    ------
    ScanError : there is no such file, it is a folder, or it is empty.
    """
    try:
        if path.is_dir():
            raise ScanError(f"{path}: is a folder, expected a file")
        if not path.exists():
            raise ScanError(f"{path}: no such file")
        if path.stat().st_size == 0:
            raise ScanError(f"{path}: the file is empty (0 bytes)")
    except (OSError, ValueError) as error:
        raise ScanError(f"{path}: cannot be opened ({error})") from error
    return path


def refuse_overclaim(path: Path, claimed: int, compressed: bool, what: str) -> None:
    """Refuse a file that cannot hold ``claimed`` bytes.

    Parameters
    ----------
    path : the file.
    claimed : bytes that the header promises, the header included.
    compressed : whether the file is a DEFLATE stream, which may hold up to 1032 times its size.
    what : which header fields make the claim, for the message.

    Raises
    ------
    ScanError : the claim is larger than the file can hold.
    """
    size = path.stat().st_size
    if compressed and claimed > size * LARGEST_EXPANSION:
        raise ScanError(
            f"{path}: {what} claims {claimed:,} bytes, but {size:,} compressed bytes can hold at most "
            f"{size * LARGEST_EXPANSION:,}: the header lies or the file is cut off"
        )
    if not compressed and claimed > size:
        raise ScanError(
            f"{path}: {what} claims {claimed:,} bytes, but the file has {size:,}: "
            "the header lies or the file is cut off"
        )


def room_for(path: Path, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return an uninitialised array; more than the machine can address is a ``ScanError`` instead of a crash."""
    try:
        return np.empty(shape, dtype=dtype)
    except (MemoryError, ValueError) as error:
        raise ScanError(f"{path}: an array of {shape} {np.dtype(dtype)} does not fit into memory") from error


class GuardedStream:
    """Bytes of a plain or gzip file in order, read in bounded pieces; an early end is a ``ScanError``."""

    def __init__(self, path: Path, stream: IO[bytes] | gzip.GzipFile, compressed: bool) -> None:
        self.path = path
        self.compressed = compressed
        self._stream = stream
        self._position = 0

    def head(self, size: int) -> bytes:
        """Return up to ``size`` bytes: fewer if the file is shorter."""
        parts = []
        while size > 0:
            part = self._read(min(size, CHUNK))
            if not part:
                break
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def skip_to(self, position: int) -> None:
        """Go forward to a byte position."""
        while self._position < position:
            if not self._read(min(position - self._position, CHUNK)):
                self._refuse_end(position)

    def fill(self, array: NDArray[Any]) -> None:
        """Fill a contiguous array with the next bytes."""
        view = array.reshape(-1).view(np.uint8).data
        done = 0
        while done < len(view):
            part = self._read(min(len(view) - done, CHUNK))
            if not part:
                self._refuse_end(self._position + len(view) - done)
            view[done : done + len(part)] = part
            done += len(part)

    def finish(self) -> None:
        """Read a little past the voxels, so that a compressed stream's checksum is reached and verified."""
        if self.compressed:
            self.head(CHUNK)

    def _read(self, size: int) -> bytes:
        try:
            part = self._stream.read(size)
        except EOFError as error:
            raise ScanError(
                f"{self.path}: the gzip stream is truncated after {self._position:,} bytes: copy the file again"
            ) from error
        except (OSError, zlib.error) as error:
            raise ScanError(
                f"{self.path}: the gzip stream is damaged after {self._position:,} bytes ({error}): copy the file again"
                if self.compressed
                else f"{self.path}: cannot be read ({error})"
            ) from error
        self._position += len(part)
        return part

    def _refuse_end(self, wanted: int) -> None:
        raise ScanError(
            f"{self.path}: ends after {self._position:,} bytes, but its header claims {wanted:,}: "
            "the file is truncated or the header lies"
        )


@contextmanager
def guarded(path: Path) -> Iterator[GuardedStream]:
    """Open a plain or gzip file (recognised by content, not name) for guarded reading."""
    existing_file(path)
    try:
        raw = path.open("rb")
    except OSError as error:
        raise ScanError(f"{path}: cannot be opened ({error.strerror})") from error
    with raw:
        compressed = raw.read(2) == GZIP_MAGIC
        raw.seek(0)
        if not compressed:
            yield GuardedStream(path, raw, False)
            return
        with gzip.GzipFile(fileobj=raw, mode="rb") as unpacked:
            yield GuardedStream(path, unpacked, True)
