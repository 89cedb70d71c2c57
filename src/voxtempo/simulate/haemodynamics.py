"""From neural events to the BOLD response: the canonical double-gamma function and its convolution with a design."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import fftconvolve
from scipy.stats import gamma

STEP = 0.1
"""Seconds between the points at which a design is convolved."""

LENGTH = 32.0
"""Seconds after which the response to an impulse is over."""


def double_gamma(
    seconds: ArrayLike, peak: float = 6.0, undershoot: float = 16.0, dispersion: float = 1.0, ratio: float = 1 / 6
) -> NDArray[np.float64]:
    """Return the haemodynamic response to an impulse at 0 s, with an integral of 1.

    Parameters
    ----------
    seconds : times after the impulse, any shape.
    peak, undershoot : seconds of the two gamma densities' shape times ``dispersion`` (SPM's 6 and 16).
    ratio : size of the undershoot against the peak.

    Notes
    -----
    Friston et al., NeuroImage 7:30 (1998); the defaults are SPM's canonical function.

    Examples
    --------
    >>> float(np.argmax(double_gamma(np.arange(0, 32, 0.1))) / 10)
    5.0
    """
    times = np.asarray(seconds, dtype=np.float64)
    response = gamma.pdf(times, peak / dispersion, scale=dispersion)
    response = response - ratio * gamma.pdf(times, undershoot / dispersion, scale=dispersion)
    return np.asarray(response / (1 - ratio))


def block_response(
    onsets: Sequence[float], durations: Sequence[float], frame_times: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the response (t,) at ``frame_times`` (s) to blocks of activity; one that never ends would settle at 1."""
    end = float(frame_times[-1]) + STEP
    neural = np.zeros(int(np.ceil(end / STEP)) + 1)
    for onset, duration in zip(onsets, durations, strict=True):
        first, last = round(onset / STEP), round((onset + duration) / STEP)
        neural[max(first, 0) : max(last, 0)] += 1.0
    kernel = double_gamma(np.arange(0, LENGTH, STEP)) * STEP
    response = fftconvolve(neural, kernel)[: len(neural)]
    return np.interp(frame_times, np.arange(len(neural)) * STEP, response)
