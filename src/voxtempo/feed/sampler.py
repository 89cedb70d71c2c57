"""The contract of a sampler: where the samples of a case lie, and how one is read.

A sampler answers three questions about a case: which fixed positions cover it (prediction), how many samples one
training pass takes from it, and where the k-th of them lies. Reading is the same for all. Positions hold plain
numbers, so that a sample is a function of (seed, epoch, index) and nothing else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxtempo.feed.source import FeedCase, read_box, read_labels

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
        self, case: FeedCase, position: Position, margin: Box = (0, 0, 0), spare: int = 0
    ) -> tuple[NDArray[np.float32], NDArray[np.int32] | None]:
        """Return image (t, x, y, z, c) and label map (x, y, z) or None, both larger than the position where asked for.

        Parameters
        ----------
        case, position : what is read.
        margin : voxels added on each side along x, y, z; 0 outside the scan.
        spare : frames added before and after those of the position, so that a change in time finds what lies there.
        """
        start = [s - m for s, m in zip(position.start, margin, strict=True)]
        size = [n + 2 * m for n, m in zip(position.size, margin, strict=True)]
        image = read_box(case.image, self.with_spare(case, position, spare), start, size)
        if case.mask is None:
            return image, None
        return image, read_labels(case.mask, start, size)

    def with_spare(self, case: FeedCase, position: Position, spare: int) -> tuple[int, ...]:
        """Return the frames of a position with ``spare`` more before and after: the first and the last again."""
        frames = position.frames
        return (frames[0],) * spare + frames + (frames[-1],) * spare

    def finish(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a sample as the network sees it: what is computed from it after it was changed at random."""
        return image
