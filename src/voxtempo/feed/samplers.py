"""What one sample is: a whole volume, a patch, a slice or a window of time.

A sampler answers three questions about a case: which fixed positions cover it (prediction), how many samples one
training pass takes from it, and where the k-th of them lies. Reading is the same for all. Positions hold plain
numbers, so that a sample is a function of (seed, epoch, index) and nothing else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from voxtempo.cohort.study import Sample
from voxtempo.errors import StudyError
from voxtempo.feed.source import FeedCase, read_box

Box = tuple[int, int, int]


@dataclass(frozen=True)
class Position:
    """Where a sample lies in its case (volumes in order, a box of voxels), and which row of the predictions it speaks for."""

    unit: str
    frames: tuple[int, ...]
    start: Box
    size: Box
    target: float | int | None = None


class Sampler(ABC):
    """Turns cases into positions and positions into arrays (t, x, y, z, c)."""

    @abstractmethod
    def cover(self, case: FeedCase) -> list[Position]:
        """Return the fixed positions that together show the whole case."""

    def per_pass(self, case: FeedCase) -> int:
        """Return how many samples one training pass takes from the case."""
        return len(self.cover(case))

    def draw(self, case: FeedCase, index: int, rng: np.random.Generator) -> Position:
        """Return the position of the ``index``-th training sample of a pass."""
        return self.cover(case)[index]

    def read(
        self, case: FeedCase, position: Position, margin: Box = (0, 0, 0)
    ) -> tuple[NDArray[np.float32], NDArray[np.int32] | None]:
        """Return image (t, x, y, z, c) and label map (x, y, z) or None, enlarged by ``margin`` voxels on each side."""
        start = [s - m for s, m in zip(position.start, margin, strict=True)]
        size = [n + 2 * m for n, m in zip(position.size, margin, strict=True)]
        image = read_box(case.image, position.frames, start, size)
        if case.mask is None:
            return image, None
        return image, read_box(case.mask, (0,), start, size)[0, ..., 0].astype(np.int32)


def _static(case: FeedCase) -> tuple[int, ...]:
    if case.image.shape[0] != 1:
        raise StudyError(
            f"{case.id} is a series of {case.image.shape[0]} volumes, but the study's samples have no time. "
            "Use 'sample: {window: {length: ...}}'."
        )
    return (0,)


@dataclass(frozen=True)
class VolumeSampler(Sampler):
    """The whole volume; all cases have the shape the network was built for."""

    shape: Box

    def cover(self, case: FeedCase) -> list[Position]:
        """Return the one position that is the case."""
        found = case.image.shape[1:4]
        if found != self.shape:
            raise StudyError(
                f"{case.id} is {found} voxels after preparation, but the network takes whole volumes of {self.shape}. "
                "Give every case one shape in 'prepare' (crop_pad: {shape: [...]}, resample or resize)."
            )
        return [Position(case.id, _static(case), (0, 0, 0), self.shape, case.target)]


def patch_starts(length: int, patch: int, overlap: float) -> list[int]:
    """Return evenly spread patch corners that cover ``length`` voxels with at least ``overlap`` between neighbours.

    >>> patch_starts(10, 4, 0.5)
    [0, 2, 4, 6]
    >>> patch_starts(3, 4, 0.5)
    [0]
    >>> patch_starts(2, 6, 0.5)
    [-2]
    """
    if length <= patch:
        return [-((patch - length) // 2)]
    step = max(1, int(patch * (1 - overlap)))
    count = -(-(length - patch) // step) + 1
    return [round(float(s)) for s in np.linspace(0, length - patch, count)]


class PatchSampler(Sampler):
    """Boxes of one size; in training a share of them is centred on a labelled voxel, every label equally often.

    Parameters
    ----------
    patch : voxels along x, y, z.
    foreground : share of training patches centred on a label.
    overlap : overlap of neighbouring patches in prediction.
    """

    def __init__(self, patch: Box, foreground: float = 0.5, overlap: float = 0.5) -> None:
        self.patch = patch
        self.foreground = foreground
        self.overlap = overlap
        self._places: dict[str, list[NDArray[np.int16]]] = {}

    def cover(self, case: FeedCase) -> list[Position]:
        """Return overlapping patches over the whole grid; patches larger than the grid are centred on it."""
        axes = [patch_starts(n, p, self.overlap) for n, p in zip(case.image.shape[1:4], self.patch, strict=True)]
        time = _static(case)
        return [Position(case.id, time, start, self.patch, case.target) for start in product(*axes)]  # type: ignore[arg-type]

    def per_pass(self, case: FeedCase) -> int:
        """Return the number of patches that hold as many voxels as the case does, at least one."""
        return max(1, round(float(np.prod(case.image.shape[1:4]) / np.prod(self.patch))))

    def draw(self, case: FeedCase, index: int, rng: np.random.Generator) -> Position:
        """Return a random patch, centred on a random label's random voxel for a share of draws."""
        shape = case.image.shape[1:4]
        centre: Sequence[float] | None = None
        if case.mask is not None and rng.random() < self.foreground:
            places = self._labelled(case)
            if places:
                voxels = places[rng.integers(len(places))]
                centre = voxels[rng.integers(len(voxels))]
        start = []
        for axis, (n, p) in enumerate(zip(shape, self.patch, strict=True)):
            low, high = min(0, n - p), max(0, n - p)
            if n <= p or centre is None:
                start.append(int(rng.integers(low, high + 1)))
            else:
                jitter = int(rng.integers(-(p // 4), p // 4 + 1))
                start.append(int(np.clip(int(centre[axis]) - p // 2 + jitter, low, high)))
        return Position(case.id, _static(case), (start[0], start[1], start[2]), self.patch, case.target)

    def _labelled(self, case: FeedCase, most: int = 5000) -> list[NDArray[np.int16]]:
        """Return, for every label present, at most ``most`` of its voxels (evenly taken, found once a case)."""
        if case.id not in self._places:
            assert case.mask is not None
            mask = np.asarray(case.mask.array[0, ..., 0])
            found = []
            for value in np.unique(mask):
                if value > 0:
                    voxels = np.argwhere(mask == value).astype(np.int16)
                    found.append(voxels[:: max(1, len(voxels) // most)])
            self._places[case.id] = found
        return self._places[case.id]


@dataclass(frozen=True)
class SliceSampler(Sampler):
    """Slices across one axis, given to the network as (a, b): the sliced axis becomes z = 1.

    Slices of all cases must have one shape.
    """

    axis: int
    shape: tuple[int, int]

    def cover(self, case: FeedCase) -> list[Position]:
        """Return every slice."""
        shape = case.image.shape[1:4]
        plane = tuple(n for axis, n in enumerate(shape) if axis != self.axis)
        if plane != self.shape:
            raise StudyError(
                f"{case.id}: slices are {plane} voxels after preparation, but the network takes {self.shape}. "
                "Give every case one shape in 'prepare' (crop_pad or resize)."
            )
        positions = []
        for index in range(shape[self.axis]):
            start, size = [0, 0, 0], list(shape)
            start[self.axis], size[self.axis] = index, 1
            positions.append(
                Position(
                    case.id, _static(case), (start[0], start[1], start[2]), (size[0], size[1], size[2]), case.target
                )
            )
        return positions

    def per_pass(self, case: FeedCase) -> int:
        """Return the number of slices."""
        return int(case.image.shape[1 + self.axis])

    def read(
        self, case: FeedCase, position: Position, margin: Box = (0, 0, 0)
    ) -> tuple[NDArray[np.float32], NDArray[np.int32] | None]:
        """Return the slice with the sliced axis moved to z."""
        image, label = super().read(case, position)
        image = np.ascontiguousarray(np.moveaxis(image, 1 + self.axis, 3))
        if label is not None:
            label = np.ascontiguousarray(np.moveaxis(label, self.axis, 2))
        return image, label


@dataclass(frozen=True)
class WindowSampler(Sampler):
    """Windows of consecutive volumes: tiled over the series, or one an event.

    Parameters
    ----------
    length : volumes in a window.
    shape : (x, y, z) of every series.
    stride : volumes between tiled windows.
    events : take one window an event, starting ``delay`` seconds after its onset.
    delay : seconds.
    """

    length: int
    shape: Box
    stride: int
    events: bool = False
    delay: float = 0.0

    def cover(self, case: FeedCase) -> list[Position]:
        """Return the windows of the case, in time's order."""
        self._check(case)
        if self.events:
            return [self._at(case, self._start(case, e.onset), e.unit, e.target) for e in case.events]
        last = case.image.shape[0] - self.length
        starts = list(range(0, last + 1, self.stride))
        if starts[-1] != last:
            starts.append(last)
        return [self._at(case, start, case.id, case.target) for start in starts]

    def draw(self, case: FeedCase, index: int, rng: np.random.Generator) -> Position:
        """Return the ``index``-th event's window, or a window at a random time."""
        if self.events:
            return self.cover(case)[index]
        self._check(case)
        start = int(rng.integers(0, case.image.shape[0] - self.length + 1))
        return self._at(case, start, case.id, case.target)

    def track(self, case: FeedCase, stride: int = 1) -> list[Position]:
        """Return windows at every ``stride`` volumes whatever the events, for a time course of the decision."""
        self._check(case)
        return [
            self._at(case, start, case.id, None) for start in range(0, case.image.shape[0] - self.length + 1, stride)
        ]

    def _at(self, case: FeedCase, start: int, unit: str, target: float | int | None) -> Position:
        return Position(unit, tuple(range(start, start + self.length)), (0, 0, 0), self.shape, target)

    def _start(self, case: FeedCase, onset: float) -> int:
        if case.repetition_time is None:
            raise StudyError(f"{case.id} has no repetition time, so events in seconds cannot be placed")
        start = round((onset + self.delay) / case.repetition_time)
        last = case.image.shape[0] - self.length
        if start - last > self.length // 2:
            raise StudyError(
                f"{case.id}: the event at {onset:g} s with {self.delay:g} s delay starts {start - last} volumes after the "
                f"last window of {self.length} volumes that fits. Shorten the window or remove the event."
            )
        return int(np.clip(start, 0, last))

    def _check(self, case: FeedCase) -> None:
        if case.image.shape[1:4] != self.shape:
            raise StudyError(
                f"{case.id} is {case.image.shape[1:4]} voxels after preparation, but the network takes volumes of "
                f"{self.shape}. Give every series one shape in 'prepare' (crop_pad, resample or resize)."
            )
        if case.image.shape[0] < self.length:
            raise StudyError(
                f"{case.id} has {case.image.shape[0]} volumes, fewer than the window's {self.length}. "
                "Shorten 'sample.window.length' or leave this series out."
            )


def make_sampler(sample: Sample, shape: Box, *, foreground: float = 0.5, overlap: float = 0.5) -> Sampler:
    """Return the sampler a study asks for; ``shape`` is (x, y, z) of the prepared cases."""
    if sample.patch is not None:
        return PatchSampler(sample.patch, foreground, overlap)
    if sample.slices is not None:
        axis = "xyz".index(sample.slices.axis)
        plane = [n for i, n in enumerate(shape) if i != axis]
        return SliceSampler(axis, (plane[0], plane[1]))
    if sample.window is not None:
        window = sample.window
        return WindowSampler(
            window.length, shape, window.stride or window.length, window.align == "events", window.delay
        )
    return VolumeSampler(shape)
