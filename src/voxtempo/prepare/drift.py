"""Courses of the scanner's drift, and of everything else outside a band of frequencies."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray
from pydantic import Field

from voxtempo.errors import StudyError

Order = Annotated[int, Field(ge=0, le=10)] | None
"""Highest order of a polynomial in time."""

Hertz = Annotated[float, Field(gt=0, allow_inf_nan=False)] | None
"""A limit of frequency in Hz."""

ROUNDING = 1e-9  # half periods: a limit that falls on a cosine takes it, whatever the last digit of the repetition time


def refuse_crossed(step: str, high_pass: float | None, low_pass: float | None) -> None:
    """Raise ``StudyError`` if nothing lies between the two limits."""
    if high_pass is not None and low_pass is not None and not high_pass < low_pass:
        raise StudyError(
            f"preparation step '{step}': 'high_pass' ({high_pass:g} Hz) must be below 'low_pass' ({low_pass:g} Hz): what "
            "lies between them is kept."
        )


def drift_columns(
    volumes: int,
    repetition_time: float,
    detrend: int | None,
    high_pass: float | None = None,
    low_pass: float | None = None,
) -> NDArray[np.float64]:
    """Return the courses (t, k) that are to be removed, the first of them constant.

    The cosines are those of the discrete cosine transform (DCT-II), of which the one with n half periods in the series
    has n / (2 t repetition_time) Hz; together with the constant they span every course. The high-pass is SPM's and
    nilearn's; the low-pass takes the others in the same way.

    Parameters
    ----------
    volumes : t.
    repetition_time : seconds.
    detrend : highest order of the polynomial, or None for the mean only.
    high_pass : Hz; cosines up to ``floor(2 * t * repetition_time * high_pass)`` half periods are removed.
    low_pass : Hz; cosines of more than ``floor(2 * t * repetition_time * low_pass)`` half periods are removed.

    Examples
    --------
    >>> drift_columns(100, 2.0, 1, 0.01).shape  # mean, line, 4 cosines
    (100, 6)
    >>> drift_columns(100, 2.0, 1, 0.01, 0.1).shape  # and cosines 41 to 99
    (100, 65)
    """
    polynomials: NDArray[np.float64] = legendre.legvander(np.linspace(-1, 1, volumes), detrend or 0).astype(np.float64)
    slow = 0 if high_pass is None else _half_periods(volumes, repetition_time, high_pass)
    fast = volumes if low_pass is None else _half_periods(volumes, repetition_time, low_pass) + 1
    periods = np.concatenate([np.arange(1, slow + 1), np.arange(max(fast, slow + 1), volumes)])
    phase = np.pi * (np.arange(volumes) + 0.5) / volumes
    return np.hstack([polynomials, np.cos(phase[:, None] * periods)])


def _half_periods(volumes: int, repetition_time: float, frequency: float) -> int:
    return min(volumes - 1, int(np.floor(2 * volumes * repetition_time * frequency + ROUNDING)))
