"""What preparation will make of a cohort's scans, from their headers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voxtempo.cohort.sections.base import Named
from voxtempo.prepare import build_steps
from voxtempo.scans import Geometry


@dataclass(frozen=True)
class Foreseen:
    """What preparation will give, known from headers alone.

    ``shapes`` holds each case's (x, y, z) after preparation (an upper bound where a step depends on the voxels),
    ``spacings`` its mm along x, y, z, ``volumes`` its number of time points, ``repetition_times`` the seconds between
    them (None: unknown), ``channels`` the number of contrasts, ``bounded`` whether a shape is an upper bound only.
    """

    shapes: tuple[tuple[int, int, int], ...]
    volumes: tuple[int, ...]
    channels: int
    repetition_times: tuple[float | None, ...] = ()
    spacings: tuple[tuple[float, float, float], ...] = ()
    bounded: bool = False

    @property
    def largest(self) -> tuple[int, int, int]:
        """The largest size along each axis."""
        x, y, z = np.max(self.shapes, axis=0)
        return int(x), int(y), int(z)

    @property
    def median(self) -> tuple[int, int, int]:
        """The median size along each axis."""
        x, y, z = np.median(self.shapes, axis=0)
        return int(x), int(y), int(z)

    @property
    def median_spacing(self) -> tuple[float, float, float]:
        """The median mm along each axis."""
        x, y, z = np.median(self.spacings, axis=0)
        return float(x), float(y), float(z)

    @property
    def one_shape(self) -> bool:
        """Whether it is known that all cases will have the same shape."""
        return len(set(self.shapes)) == 1 and not self.bounded

    @property
    def series(self) -> bool:
        """Whether time is an axis of this cohort."""
        return max(self.volumes) > 1

    @property
    def flat(self) -> bool:
        """Whether every case is a single slice."""
        return self.largest[2] == 1


def foresee(
    named: Sequence[Named],
    geometries: Sequence[Geometry],
    volumes: Sequence[int],
    channels: int,
    repetition_times: Sequence[float | None] | None = None,
) -> Foreseen:
    """Return the shapes, and the time points, that the preparation steps will give."""
    steps = build_steps(named)
    shapes, times, spacings = [], [], []
    bounded = False
    for geometry, count, seconds in zip(geometries, volumes, repetition_times or [None] * len(volumes), strict=True):
        smallest = geometry
        for step in steps:
            geometry, smallest = step.foresee(geometry), step.foresee(smallest)
            if step.uneven:
                smallest = smallest.shifted((0, 0, 0), (1, 1, 1))
            count, seconds = step.foresee_time(count, seconds)
        bounded = bounded or geometry.shape != smallest.shape
        shapes.append(geometry.shape)
        spacings.append(geometry.spacing)
        times.append((count, seconds))
    counts, seconds_each = tuple(count for count, _ in times), tuple(seconds for _, seconds in times)
    return Foreseen(tuple(shapes), counts, channels, seconds_each, tuple(spacings), bounded)
