"""A case as the feed sees it: voxels that may lie on disk, and a truth already turned into numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Voxels:
    """An array (t, x, y, z, c), usually memory-mapped, whose true values are ``array * scale + offset``."""

    array: NDArray[Any]
    scale: float = 1.0
    offset: float = 0.0

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """(t, x, y, z, c)."""
        return self.array.shape

    def read(self, frames: Sequence[int], box: tuple[slice, slice, slice]) -> NDArray[np.float32]:
        """Return the values of some volumes, inside the array's bounds, as float32, touching only what is asked for."""
        first, last = frames[0], frames[-1]
        evenly = len(frames) == 1 or (
            frames[1] > first and tuple(frames) == tuple(range(first, last + 1, frames[1] - first))
        )
        time = slice(first, last + 1, frames[1] - first if len(frames) > 1 else 1) if evenly else list(frames)
        piece = self.array[time][(slice(None), *box)].astype(np.float32)
        if self.scale != 1.0:
            piece *= np.float32(self.scale)
        if self.offset != 0.0:
            piece += np.float32(self.offset)
        return piece


@dataclass(frozen=True)
class FeedEvent:
    """An event with its truth as a number; ``unit`` names its row in the predictions."""

    unit: str
    onset: float
    target: float | int


@dataclass(frozen=True)
class FeedCase:
    """What the samplers need of one prepared case.

    Parameters
    ----------
    id : the case.
    image : voxels (t, x, y, z, c).
    spacing : mm along x, y, z.
    mask : label map (1, x, y, z, 1), or None.
    target : class index or (standardised) number of the whole case, or None.
    events : truths in time, for windows aligned to events.
    repetition_time : seconds between volumes, or None.
    """

    id: str
    image: Voxels
    spacing: tuple[float, float, float]
    mask: Voxels | None = None
    target: float | int | None = None
    events: tuple[FeedEvent, ...] = ()
    repetition_time: float | None = None


def read_box(
    voxels: Voxels, frames: Sequence[int], start: Sequence[int], size: Sequence[int], fill: float = 0.0
) -> NDArray[np.float32]:
    """Return the box (t, x, y, z, c) of ``size`` whose corner is ``start``; outside the array is ``fill``.

    Parameters
    ----------
    voxels : the source.
    frames : volumes in order; must lie inside the series, and may repeat.
    start : corner voxel along x, y, z; may be negative.
    size : voxels along x, y, z.

    Raises
    ------
    IndexError : a volume is not in the series.
    """
    if not frames or min(frames) < 0 or max(frames) >= voxels.shape[0]:
        raise IndexError(f"volumes {list(frames)} of a series of {voxels.shape[0]}")
    inside, placed = [], []
    for begin, length, limit in zip(start, size, voxels.shape[1:4], strict=True):
        low, high = max(begin, 0), min(begin + length, limit)
        inside.append(slice(low, max(low, high)))
        placed.append(slice(low - begin, max(low, high) - begin))
    piece = voxels.read(frames, (inside[0], inside[1], inside[2]))
    if piece.shape[1:4] == tuple(size):
        return piece
    whole = np.full((len(frames), *size, voxels.shape[4]), fill, dtype=np.float32)
    whole[(slice(None), *placed)] = piece
    return whole
