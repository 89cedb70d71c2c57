"""A case as the feed sees it: voxels that may lie on disk, and a truth already turned into numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxtempo.scans.half import as_float32


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
        step = even_step(frames)
        if step > 0:
            stored = self.array[(slice(frames[0], frames[-1] + 1, step), *box)]
        else:
            stored = np.stack([self.array[(frame, *box)] for frame in frames])
        piece = as_float32(stored)
        if self.scale != 1.0:
            piece *= np.float32(self.scale)
        if self.offset != 0.0:
            piece += np.float32(self.offset)
        return piece


@dataclass(frozen=True)
class LabelMap:
    """Stored values (1, x, y, z, 1), usually memory-mapped, and the label that each of them counts as.

    Parameters
    ----------
    array : of whole numbers.
    table : label of every stored value from ``lowest`` on; None where the stored values are the labels.
    lowest : stored value.
    """

    array: NDArray[Any]
    table: NDArray[Any] | None = None
    lowest: int = 0

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """(1, x, y, z, 1)."""
        return self.array.shape

    def read(self, box: tuple[slice, slice, slice] = (slice(None), slice(None), slice(None))) -> NDArray[Any]:
        """Return the labels (x, y, z) in a box inside the array's bounds, touching only what is asked for."""
        stored = self.array[(0, *box, 0)]
        if self.table is None:
            return np.asarray(stored)
        return np.asarray(self.table[stored - np.int64(self.lowest) if self.lowest else stored])


@dataclass(frozen=True)
class FeedEvent:
    """An event with its truth as a number; ``unit`` names its row in the predictions; onset and duration are seconds."""

    unit: str
    onset: float
    target: float | int
    duration: float = 0.0


@dataclass(frozen=True)
class FeedCase:
    """What the samplers need of one prepared case.

    Parameters
    ----------
    id : the case.
    image : voxels (t, x, y, z, c).
    spacing : mm along x, y, z.
    mask : labels, or None.
    target : class index or (standardised) number of the whole case, or None.
    events : truths in time, for windows that belong to events.
    repetition_time : seconds between volumes, or None.
    row : every column of the case's row in the table, for windows whose volumes a column names, and for harmonisers.
    site : scanner or hospital, or None.
    """

    id: str
    image: Voxels
    spacing: tuple[float, float, float]
    mask: LabelMap | None = None
    target: float | int | None = None
    events: tuple[FeedEvent, ...] = ()
    repetition_time: float | None = None
    row: Mapping[str, str] = field(default_factory=dict)
    site: str | None = None


def even_step(frames: Sequence[int]) -> int:
    """Return the number of volumes from one frame to the next if it is always the same and above 0, else 0.

    >>> even_step((3, 5, 7)), even_step((3,)), even_step((0, 0, 1)), even_step((9, 0))
    (2, 1, 0, 0)
    """
    if len(frames) == 1:
        return 1
    step = frames[1] - frames[0]
    return step if step > 0 and tuple(frames) == tuple(range(frames[0], frames[-1] + 1, step)) else 0


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
    inside, placed = _clipped(start, size, voxels.shape[1:4])
    piece = voxels.read(frames, inside)
    if piece.shape[1:4] == tuple(size):
        return piece
    whole = np.full((len(frames), *size, voxels.shape[4]), fill, dtype=np.float32)
    whole[(slice(None), *placed)] = piece
    return whole


def read_labels(labels: LabelMap, start: Sequence[int], size: Sequence[int]) -> NDArray[np.int32]:
    """Return the box (x, y, z) of a label map as int32; outside the array is 0."""
    inside, placed = _clipped(start, size, labels.shape[1:4])
    piece = labels.read(inside)
    if piece.shape == tuple(size):
        return piece.astype(np.int32)
    whole = np.zeros(size, np.int32)
    whole[placed] = piece
    return whole


def _clipped(
    start: Sequence[int], size: Sequence[int], limits: Sequence[int]
) -> tuple[tuple[slice, slice, slice], tuple[slice, slice, slice]]:
    """Return the part of an array that a box covers, and where in the box it belongs."""
    inside, placed = [], []
    for begin, length, limit in zip(start, size, limits, strict=True):
        low, high = max(begin, 0), min(begin + length, limit)
        inside.append(slice(low, max(low, high)))
        placed.append(slice(low - begin, max(low, high) - begin))
    return (inside[0], inside[1], inside[2]), (placed[0], placed[1], placed[2])
