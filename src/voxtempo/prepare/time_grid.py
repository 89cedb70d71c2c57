"""From one row of moments to another: which volumes a new volume is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from voxtempo.prepare.blocks import VALUES, courses_of, voxel_blocks
from voxtempo.prepare.time_spline import FURTHER, spline_coefficients, spline_weights
from voxtempo.scans.room import room

LOBES = 6  # of the sinc on each side that keeps what slower sampling would alias out of it


@dataclass(frozen=True)
class TimeGrid:
    """Volumes at new moments over the duration of the old ones.

    A volume stands for the time from its start to the next, so its value belongs to the middle. In a periodic series the
    last volume is followed by the first, and the first keeps its place.

    Parameters
    ----------
    volumes : how many there are.
    wanted : how many there shall be.
    step : old volumes from one new one to the next; ``wanted * step <= volumes``.
    periodic : whether the series closes into a circle.
    """

    volumes: int
    wanted: int
    step: float
    periodic: bool = False

    @property
    def positions(self) -> NDArray[np.float64]:
        """Where the new volumes lie, (wanted,) in old ones counted from 0: at most half a volume beyond the ends.

        >>> TimeGrid(4, 8, 0.5).positions[:3].tolist(), TimeGrid(4, 2, 2.0, periodic=True).positions.tolist()
        ([-0.25, 0.25, 0.75], [0.0, 2.0])
        """
        places = np.arange(self.wanted, dtype=np.float64)
        return places * self.step if self.periodic else (places + 0.5) * self.step - 0.5

    @property
    def slower(self) -> bool:
        """Whether there is less to see in the new volumes than in the old ones."""
        return self.step > 1 + 1e-9

    def resample(self, data: NDArray[Any], values: int = VALUES) -> NDArray[np.float32]:
        """Return a series (t, ...) at the new moments; float32, in ``room``.

        Cubic B-splines through the samples; where sampling gets slower, a sinc windowed by Hann over six new volumes on
        each side instead, so that what is too fast for it does not come back as something slow. Ends are mirrored.
        """
        courses = courses_of(data)
        weights, beyond = self._weights()
        result = room((self.wanted, courses.shape[1]), np.float32)
        for part in voxel_blocks(courses, values):
            block = np.pad(courses[:, part], ((beyond, beyond), (0, 0)), mode="wrap" if self.periodic else "symmetric")
            block = block.astype(np.float32, copy=False)
            if not self.slower:
                spline_coefficients(block)
            result[:, part] = weights @ block
        return result.reshape(self.wanted, *data.shape[1:])

    def resample_confounds(self, confounds: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
        """Return courses (t,) at the new moments.

        What is not defined stays so in the new volume nearest to it; marks (0 or 1) mark every new volume that overlaps
        with a marked one.
        """
        return {name: self._resampled(np.asarray(course, dtype=np.float64)) for name, course in confounds.items()}

    def _resampled(self, course: NDArray[np.float64]) -> NDArray[np.float64]:
        gone = ~np.isfinite(course)
        if gone.all():
            return np.full(self.wanted, np.nan)
        if np.isin(course[~gone], (0, 1)).all():
            reach = (1 + self.step) / 2 - 1e-9  # the middles of volumes that overlap are closer
            first = np.ceil(self.positions - reach).astype(int)
            around = first[:, None] + np.arange(int(2 * reach) + 1)
            near = np.abs(around - self.positions[:, None]) < reach
            return np.asarray((np.nan_to_num(course)[self._inside(around)] * near).max(axis=1))
        filled = np.interp(np.arange(self.volumes), np.flatnonzero(~gone), course[~gone])
        result = self.resample((filled - filled.mean())[:, None, None, None, None]).ravel() + filled.mean()
        result[gone[self._inside(np.floor(self.positions + 0.5).astype(int))]] = np.nan
        return result.astype(np.float64)

    def _inside(self, places: NDArray[np.int_]) -> NDArray[np.int_]:
        """Return the volumes at these places, which may lie beyond the ends."""
        return places % self.volumes if self.periodic else np.clip(places, 0, self.volumes - 1)

    def _weights(self) -> tuple[Any, int]:
        """Return the matrix to new volumes from old ones, or their spline coefficients, and how many are needed beyond."""
        reach = LOBES * self.step if self.slower else 2.0
        beyond = int(np.ceil(reach)) + (1 if self.slower else FURTHER)
        neighbours = np.ceil(self.positions - reach).astype(int)[:, None] + np.arange(int(np.floor(2 * reach)) + 1)
        distance = np.abs(neighbours - self.positions[:, None])
        if self.slower:
            share = distance / self.step
            weights = np.sinc(share) * np.where(share < LOBES, np.cos(np.pi * share / (2 * LOBES)) ** 2, 0)
        else:
            weights = spline_weights(distance)
        weights /= weights.sum(axis=1, keepdims=True)
        rows = np.repeat(np.arange(self.wanted), neighbours.shape[1])
        place = (rows, (neighbours + beyond).ravel())
        shape = (self.wanted, self.volumes + 2 * beyond)
        return csr_array((weights.ravel().astype(np.float32), place), shape=shape), beyond
