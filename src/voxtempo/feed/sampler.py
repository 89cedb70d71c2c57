"""The contract of a sampler: where the samples of a case lie, and how one is read.

A sampler answers three questions about a case: which fixed positions cover it (prediction), how many samples one
training pass takes from it, and where the k-th of them lies. Reading is the same for all. Positions hold plain
numbers, so that a sample is a function of (seed, epoch, index) and nothing else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from voxtempo.feed.plane import Plane
from voxtempo.feed.source import FeedCase, read_box, read_labels

Box = tuple[int, int, int]
T = TypeVar("T")


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

    @property
    def plane(self) -> Plane | None:
        """How samples of one slice lie in the scan; None where samples have the axes of the scan."""
        return None

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
        self, case: FeedCase, position: Position, margin: Box = (0, 0, 0), spare: int = 0
    ) -> tuple[NDArray[np.float32], NDArray[np.int32] | None]:
        """Return image (t, x, y, z, c) and label map (x, y, z) or None, both larger than the position where asked for.

        Samples of one slice have the slice's axes: (a, b, 1), with the slices beside it in place of volumes.

        Parameters
        ----------
        case, position : what is read.
        margin : voxels added on each side along the sample's axes; 0 outside the scan.
        spare : frames added before and after those of the position, so that a change in time finds what lies there.
        """
        plane = self.plane
        margin = margin if plane is None else plane.turned_back(margin)
        start = [s - m for s, m in zip(position.start, margin, strict=True)]
        size = [n + 2 * m for n, m in zip(position.size, margin, strict=True)]
        label = None if case.mask is None else read_labels(case.mask, start, size)
        if plane is None:
            return read_box(case.image, self.with_spare(case, position, spare), start, size), label
        return plane.read(case.image, start, size), None if label is None else plane.to_slice(label)

    def turned(self, values: tuple[T, T, T]) -> tuple[T, T, T]:
        """Return what belongs to the axes of the scan (a size, a spacing) in the order of a sample's axes."""
        return values if self.plane is None else self.plane.turned(values)

    def with_spare(self, case: FeedCase, position: Position, spare: int) -> tuple[int, ...]:
        """Return the frames of a position with ``spare`` more before and after: the first and the last again."""
        frames = position.frames
        return (frames[0],) * spare + frames + (frames[-1],) * spare

    def finish(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a sample as the network sees it: what is computed from it after it was changed at random."""
        return image if self.plane is None else self.plane.as_channels(image)
