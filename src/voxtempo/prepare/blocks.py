"""A long series piece by piece: blocks of voxels with their whole courses, so that work needs little beside the result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxtempo.scans.room import room

VALUES = 1 << 21
"""Values worked on together: 8 MiB as float32, so that a few temporaries stay in the processor's reach and below 64 MiB."""


def courses_of(data: NDArray[Any]) -> NDArray[Any]:
    """Return ``data`` (t, x, y, z, c) as (t, x * y * z * c): a view, or a copy with room of its own if its axes are turned.

    >>> courses_of(np.zeros((5, 2, 3, 4, 1))).shape
    (5, 24)
    """
    if not data.flags.c_contiguous:
        whole = room(data.shape, data.dtype)
        for volume, source in zip(whole, data, strict=True):
            volume[...] = source
        data = whole
    return data.reshape(data.shape[0], -1)


def voxel_blocks(courses: NDArray[Any], values: int = VALUES) -> Iterator[slice]:
    """Yield slices of the second axis of ``courses`` (t, n) that hold about ``values`` values each.

    >>> [(part.start, part.stop) for part in voxel_blocks(np.zeros((4, 10)), values=16)]
    [(0, 4), (4, 8), (8, 10)]
    """
    volumes, voxels = courses.shape
    width = max(1, values // volumes)
    for begin in range(0, voxels, width):
        yield slice(begin, min(begin + width, voxels))


def as_float32(block: NDArray[Any], about: NDArray[np.float64] | None = None) -> NDArray[np.float32]:
    """Return a copy of ``block`` (t, n) as float32, less ``about`` (n,).

    What float32 cannot hold exactly is subtracted from in double precision, so that small changes about a large level
    are not rounded away.
    """
    if about is None:
        return block.astype(np.float32)
    exact = block.dtype == np.float32 or (block.dtype.kind in "iub" and block.dtype.itemsize <= 2)
    if exact:
        result = block.astype(np.float32)
        result -= about.astype(np.float32)
        return result
    return np.asarray((block - about).astype(np.float32))
