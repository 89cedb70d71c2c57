"""Scanner drift: slow cosines over the run, each with its own smooth pattern over the head."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from voxtempo.simulate.shading import smooth_field

COSINES = 3


def cosines(volumes: int, count: int = COSINES) -> NDArray[np.float64]:
    """Return the first ``count`` discrete cosines (t, count) after the constant, each within -1 and 1."""
    time = (np.arange(volumes) + 0.5) / volumes
    return np.cos(np.pi * np.outer(time, np.arange(1, count + 1)))


def random_drift(rng: np.random.Generator, volumes: int, shape: Sequence[int], percent: float) -> NDArray[np.float32]:
    """Return the relative change (t, x, y, z) of the signal by drift, at most ``percent`` of it; slower is stronger."""
    drift = np.zeros((volumes, *shape), np.float32)
    weights = 1 / np.arange(1, COSINES + 1)
    for course, weight in zip(cosines(volumes).T, weights / weights.sum(), strict=True):
        pattern = 0.5 * rng.uniform(-1, 1) + 0.5 * smooth_field(rng, shape)
        drift += np.float32(weight * percent / 100) * course.astype(np.float32)[:, None, None, None] * pattern
    return drift
