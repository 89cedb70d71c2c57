"""Cubic splines along the first axis, all voxels at once: scipy's filter gathers course by course, which is slow here."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

POLE = np.float32(np.sqrt(3) - 2)
FURTHER = 12
"""Samples away by which a coefficient forgets (to a millionth) how a course goes on; pad by so many at least."""


def spline_coefficients(courses: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn samples (t, ...) into the coefficients of the cubic B-spline through them, in place, and return them.

    Courses are taken to stay as they are before the first and after the last sample (Unser, IEEE Signal Processing
    Magazine 16:22, 1999, the recursive filter of box 2).

    >>> spline_coefficients(np.full((4, 1), 5, np.float32)).round(4).ravel().tolist()
    [5.0, 5.0, 5.0, 5.0]
    """
    courses[0] /= 1 - POLE
    for before, now in pairwise(courses):
        now += POLE * before
    courses[-1] *= POLE / (POLE - 1)
    for after, now in pairwise(courses[::-1]):
        np.subtract(after, now, out=now)
        now *= POLE
    courses *= 6
    return courses


def spline_weights(distance: NDArray[Any]) -> NDArray[np.float64]:
    """Return the cubic B-spline at some distances >= 0, in samples.

    >>> spline_weights(np.array([0.0, 0.5, 1.0, 2.0])).round(4).tolist()
    [0.6667, 0.4792, 0.1667, 0.0]
    """
    near = 2 / 3 - distance**2 + distance**3 / 2
    return np.asarray(np.where(distance < 1, near, np.maximum(2 - distance, 0) ** 3 / 6), dtype=np.float64)
