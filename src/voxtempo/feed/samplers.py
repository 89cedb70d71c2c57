"""Samplers of single volumes, and the choice among all: a whole volume, a patch, a slice or a window of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from voxtempo.cohort.study import Sample
from voxtempo.errors import StudyError
from voxtempo.feed.sampler import Box, Position, Sampler
from voxtempo.feed.source import FeedCase
from voxtempo.feed.windows import WindowSampler


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
        self, case: FeedCase, position: Position, margin: Box = (0, 0, 0), spare: int = 0
    ) -> tuple[NDArray[np.float32], NDArray[np.int32] | None]:
        """Return the slice with the sliced axis moved to z."""
        image, label = super().read(case, position)
        image = np.ascontiguousarray(np.moveaxis(image, 1 + self.axis, 3))
        if label is not None:
            label = np.ascontiguousarray(np.moveaxis(label, self.axis, 2))
        return image, label


def make_sampler(sample: Sample, shape: Box, *, foreground: float = 0.5, overlap: float = 0.5) -> Sampler:
    """Return the sampler a study asks for; ``shape`` is (x, y, z) of the prepared cases."""
    if sample.patch is not None:
        return PatchSampler(sample.patch, foreground, overlap)
    if sample.slices is not None:
        axis = "xyz".index(sample.slices.axis)
        plane = [n for i, n in enumerate(shape) if i != axis]
        return SliceSampler(axis, (plane[0], plane[1]))
    if sample.window is not None:
        return WindowSampler(sample.window, shape)
    return VolumeSampler(shape)
