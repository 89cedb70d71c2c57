"""Samplers of single volumes, and the choice among all: a whole volume, a patch, a slice or a window of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxtempo.cohort.sections.sample import Sample
from voxtempo.errors import StudyError
from voxtempo.feed.plane import Plane
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
    overlap : overlap of neighbouring patches in prediction; along an axis of one voxel each slice comes once.
    plane : for patches of one slice: across which axis, and with how many beside it.
    """

    def __init__(self, patch: Box, foreground: float = 0.5, overlap: float = 0.5, plane: Plane | None = None) -> None:
        self.patch = patch
        self.foreground = foreground
        self.overlap = overlap
        self._plane = plane
        self._places: dict[str, list[NDArray[np.int16]]] = {}

    @property
    def plane(self) -> Plane | None:
        """How patches of one slice lie in the scan."""
        return self._plane

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
            mask = case.mask.read()
            self._places[case.id] = [_evenly(mask, value, most) for value in np.unique(mask) if value > 0]
        return self._places[case.id]


def _evenly(mask: NDArray[Any], value: int, most: int) -> NDArray[np.int16]:
    """Return where a volume has a value, (n, 3): at most ``most`` places, taken at even steps, a slab at a time."""
    counts = [int(np.count_nonzero(slab == value)) for slab in mask]
    step = -(-sum(counts) // most)
    found, before = [], 0
    for x, (slab, count) in enumerate(zip(mask, counts, strict=True)):
        places = np.argwhere(slab == value)[-before % step :: step]
        found.append(np.column_stack([np.full(len(places), x), places]).astype(np.int16))
        before += count
    return np.concatenate(found)


@dataclass(frozen=True)
class SliceSampler(Sampler):
    """Whole slices across one axis, given to the network as (a, b): the sliced axis becomes z = 1.

    Slices of all cases must have one shape. ``beside`` of them on each side are shown too, as channels.
    """

    axis: int
    shape: tuple[int, int]
    beside: int = 0

    @property
    def plane(self) -> Plane:
        """How the slices lie in the scan."""
        return Plane(self.axis, self.beside)

    def cover(self, case: FeedCase) -> list[Position]:
        """Return every slice."""
        shape = case.image.shape[1:4]
        found = self.plane.turned(shape)[:2]
        if found != self.shape:
            raise StudyError(
                f"{case.id}: slices are {found} voxels after preparation, but the network takes {self.shape}. "
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


def make_sampler(sample: Sample, shape: Box, *, foreground: float = 0.5, overlap: float = 0.5) -> Sampler:
    """Return the sampler a study asks for; ``shape`` is (x, y, z) of the prepared cases."""
    plane = Plane(sample.across, sample.beside) if sample.across is not None else None
    if sample.patch is not None:
        return PatchSampler(sample.patch, foreground, overlap, plane)
    if plane is not None:
        return SliceSampler(plane.axis, plane.turned(shape)[:2], plane.beside)
    if sample.window is not None:
        return WindowSampler(sample.window, shape)
    return VolumeSampler(shape)
