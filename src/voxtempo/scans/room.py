"""Room for arrays that may be larger than memory should be asked for: long series while they are being prepared."""

from __future__ import annotations

import math
import os
import tempfile
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from voxtempo.errors import ScanError

IN_MEMORY = 64 * 2**20
"""Bytes up to which an array lives in memory."""


def room(shape: tuple[int, ...], dtype: DTypeLike, in_memory: int = IN_MEMORY) -> NDArray[Any]:
    """Return a new array whose values are yet to be written: in memory if it is small, else mapped on a scratch file.

    The scratch file has no name and goes away with the array. Its pages can leave memory at any time, so steps that work
    on a long series block by block need the memory of a few blocks.

    Parameters
    ----------
    shape, dtype : of the array.
    in_memory : bytes up to which memory is taken.

    Raises
    ------
    ScanError : neither memory nor the disk for temporary files has the room.

    >>> room((2, 3), "float32").shape, type(room((2, 3), "float32", in_memory=0)).__name__
    ((2, 3), 'memmap')
    """
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    try:
        if size <= in_memory:
            return np.empty(shape, dtype)
        with tempfile.TemporaryFile(prefix="voxtempo-") as file:
            _reserve(file.fileno(), size)
            return np.memmap(file, dtype, "r+", shape=shape)
    except (MemoryError, ValueError, OSError) as error:
        raise ScanError(
            f"an array of {' x '.join(map(str, shape))} {dtype} ({size / 2**30:.1f} GiB) has room neither in memory nor in "
            f"{tempfile.gettempdir()} ({error}): free some, or point TMPDIR to a larger disk."
        ) from error


def _reserve(descriptor: int, size: int) -> None:
    """Take the disk space now: a full disk would otherwise end the process when the mapped pages are written."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.truncate(descriptor, size)
