"""The interval of a figure from the jackknife over subjects, made on a scale on which figures of its kind are symmetric.

Each subject is left out in turn with all its cases; the spread, on that scale, of what remains is the standard error (the
delete-one jackknife: Efron 1982, The Jackknife, the Bootstrap and Other Resampling Plans, chapter 3). The t interval there,
taken back, stays within the figure's bounds. For smooth figures of small cohorts it holds the truth more often than any
bootstrap interval tried, and more often than a jackknife taken to the scale by the delta method (docs/intervals.md). Written by
hand because ``scipy`` has no jackknife, and ``astropy``'s knows neither clusters nor scales.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from voxtempo.assess.percentiles import LEVEL, Ends
from voxtempo.metrics import Scale

Values = NDArray[np.float64]
Change = Callable[[Values], Values]

FAR = 4.0
"""Times its value beyond which the upper end of a size is held by that on a logarithm (benchmarks/far_ends.py)."""

_SCALES: dict[Scale | Literal["log"], tuple[Change, Change, Callable[[float], float]]] = {
    "plain": (lambda x: x, np.ones_like, lambda x: x),
    "share": (
        lambda x: np.log(x / (1 - x)),
        lambda x: 1 / (x * (1 - x)),
        lambda x: 1 / (1 + math.exp(-min(max(x, -700.0), 700.0))),
    ),
    "coefficient": (np.arctanh, lambda x: 1 / (1 - x * x), math.tanh),
    # The tangent of the angle whose sine it is: under long tails the usual arctanh holds correlations too tight.
    "correlation": (lambda x: x / np.sqrt(1 - x * x), lambda x: (1 - x * x) ** -1.5, lambda x: x / math.hypot(1, x)),
    # Means of errors have long upper tails, and those of squares longer ones: a logarithm does not make them even.
    "size": (lambda x: -1 / np.sqrt(x), lambda x: 0.5 / x**1.5, lambda x: 1 / x**2),
    "spread": (lambda x: -1 / x**2, lambda x: 2 / x**3, lambda x: 1 / math.sqrt(-x)),
    "log": (np.log, lambda x: 1 / x, lambda x: math.exp(min(x, 700.0))),
    "skill": (lambda x: -np.log(1 - x), lambda x: 1 / (1 - x), lambda x: 1 - math.exp(min(-x, 700.0))),
}
"""To the scale, its slope, and back."""


def jackknife_interval(value: float, left_out: NDArray[np.float64], scale: Scale) -> Ends | None:
    """Return the t interval, or None where nothing varies, at a bound of the scale, or where a value is undefined.

    Parameters
    ----------
    value : on all cases.
    left_out : (n,) with each unit left out in turn.
    scale : on which the interval is made.
    """
    # Powers of very large and very small numbers overflow.
    unit = abs(value) if scale in ("size", "spread") and value else 1.0
    ends = _interval(value / unit, left_out / unit, scale)
    if scale in ("size", "spread") and (ends is None or ends[1] > FAR):
        # So far up these scales end nowhere, or beyond all that the metric can be.
        held = _interval(value / unit, left_out / unit, "log")
        ends = held if ends is None or held is None else (ends[0], min(ends[1], max(FAR, held[1])))
    return None if ends is None else (ends[0] * unit, ends[1] * unit)


def _interval(value: float, left_out: Values, scale: Scale | Literal["log"]) -> Ends | None:
    there, slope, back = _SCALES[scale]
    error = jackknife_error(left_out)
    if not math.isfinite(error) or error <= 1e-12 * abs(value) or error == 0:
        return None
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        centre, steep = (float(each(np.array([value]))[0]) for each in (there, slope))
        moved = jackknife_error(there(left_out))
    if not (math.isfinite(centre) and math.isfinite(steep)):
        return None
    # Without one of the subjects a figure may lie at a bound, which is nowhere on the scale: then by the delta method.
    spread = moved if math.isfinite(moved) else error * steep
    low, high = (centre + side * stats.t.ppf((1 + LEVEL) / 2, left_out.size - 1) * spread for side in (-1, 1))
    return None if scale in ("size", "spread") and high >= 0 else (back(low), back(high))


def jackknife_error(left_out: Values) -> float:
    """Return the standard error of a figure from its values with each unit left out in turn (n,); NaN where one is undefined.

    Of a mean it is the usual one:

    >>> round(jackknife_error(np.array([5.0, 4.0, 3.0]) / 2), 12) == round(1 / 3**0.5, 12)
    True
    """
    n = left_out.size
    return math.sqrt((n - 1) / n * float(((left_out - left_out.mean()) ** 2).sum())) if n > 1 else math.nan
