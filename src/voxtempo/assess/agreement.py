"""Agreement of two measurements of one quantity over a cohort: limits of agreement and concordance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from voxtempo.assess.figure import Figure
from voxtempo.assess.intervals import check_lengths, weighted_figures
from voxtempo.assess.percentiles import LEVEL
from voxtempo.assess.resampling import Units, Weights, leave_out_weights, units_of
from voxtempo.assess.scales import jackknife_error

Z = float(stats.norm.ppf((1 + LEVEL) / 2))
METHOD = "noncentral t"

CLAIMED_FROM = 100
"""Fewest subjects of whom limits and concordance of volumes claim 95 %: errors that grow with the volume need so many."""


def limits_of_agreement(differences: ArrayLike, subjects: ArrayLike | Sequence[Any]) -> dict[str, Figure]:
    """Return the limits between which 95 % of differences lie if they are normal (Bland and Altman 1986, Lancet 327:307-310).

    A limit is the mean ± 1.96 standard deviations. Its interval is the exact one for normal differences, from the noncentral t
    distribution (Carkeet 2015, Optometry and Vision Science 92:e71-e80), with as many differences as the cases are worth
    (``effective_size``). Differences with longer tails than normal ones, such as those that grow with the volume, leave a limit
    less certain: where the jackknife's t interval is wider than a normal one would be, the exact one is stretched as much.
    docs/intervals.md has how often it holds the truth.

    Parameters
    ----------
    differences : (n,) one measurement minus the other, finite.
    subjects : (n,) whom each case comes from.

    Returns
    -------
    "lower_limit" and "upper_limit"; undefined for fewer than two differences.
    """
    values = np.asarray(differences, np.float64)
    names = np.asarray(subjects).astype(str)
    check_lengths(differences=values, subjects=names)
    units = units_of(names)
    if values.size < 2:
        undefined = Figure(None, None, None, values.size, units.over)
        return {"lower_limit": undefined, "upper_limit": undefined}
    mean, deviation, size = float(values.mean()), float(values.std(ddof=1)), effective_size(values, units)
    tails, root = ((1 - LEVEL) / 2, (1 + LEVEL) / 2), math.sqrt(size)
    near, far = (float(stats.nct.ppf(tail, size - 1, Z * root)) / root * deviation for tail in tails)
    reach = Z * deviation
    below, above = (_stretch(values, units, size, side) for side in (-1, 1))
    lower = (mean - reach - below * (far - reach), mean - reach + below * (reach - near))
    upper = (mean + reach - above * (reach - near), mean + reach + above * (far - reach))
    return {
        "lower_limit": Figure(mean - reach, *lower, units.n, units.over, METHOD, CLAIMED_FROM),
        "upper_limit": Figure(mean + reach, *upper, units.n, units.over, METHOD, CLAIMED_FROM),
    }


def _stretch(values: NDArray[np.float64], units: Units, size: float, side: int) -> float:
    """Return how much wider than a normal one the interval of a limit must be; 1 where the differences could be normal."""
    centred = values - values.mean()
    columns = np.stack([np.ones_like(values), centred, centred**2], axis=1)
    count, total, squares = np.concatenate([weights @ columns for weights in leave_out_weights(units)]).T
    if count.min() < 2:
        return 1.0
    variance = np.maximum(squares - total**2 / count, 0.0) / (count - 1)
    spread = jackknife_error(total / count + side * Z * np.sqrt(variance))
    normal = math.sqrt(float(centred @ centred) / (values.size - 1) * (1 / size + Z**2 / (2 * (size - 1))))
    widening = stats.t.ppf((1 + LEVEL) / 2, units.n - 1) / Z
    return max(1.0, float(widening * spread / normal)) if normal > 0 else 1.0


def effective_size(values: NDArray[np.float64], units: Units) -> float:
    """Return how many independent values say as much as these, of which several may come from one unit; two at least.

    It is their number over Kish's design effect, 1 + (m - 1) r, where m is the size of a value's unit on average over values
    and r the intraclass correlation from the analysis of variance (Donner and Koval 1980, Biometrics 36:19-25), taken to be
    0 to 1.

    Parameters
    ----------
    values : (n,).
    units : whom each value comes from; two or more.

    >>> effective_size(np.array([1.0, 1.0, 5.0, 5.0]), Units(np.array([0, 0, 1, 1]), 2, "subjects"))
    2.0
    """
    if units.alone:
        return float(values.size)
    sizes = np.bincount(units.codes, minlength=units.n)
    means = np.bincount(units.codes, weights=values, minlength=units.n) / sizes
    between = float((sizes * (means - values.mean()) ** 2).sum()) / (units.n - 1)
    within = float(((values - means[units.codes]) ** 2).sum()) / (values.size - units.n)
    typical = float((sizes**2).sum()) / values.size
    usual = (values.size - typical) / (units.n - 1)
    spread = between + (usual - 1) * within
    alike = min(max((between - within) / spread, 0.0), 1.0) if spread > 0 else 1.0
    return max(2.0, values.size / (1 + (typical - 1) * alike))


def concordance(
    first: ArrayLike,
    second: ArrayLike,
    subjects: ArrayLike | Sequence[Any],
    resamples: int = 2000,
    seed: int | np.random.Generator = 0,
) -> Figure:
    """Return Lin's concordance correlation coefficient: 1 only where both measurements are equal, not merely proportional.

    It is twice the covariance over the sum of both variances and the squared difference of the means, with moments over n (Lin
    1989, Biometrics 45:255-268). Undefined where neither measurement varies.

    Parameters
    ----------
    first, second : (n,) finite.
    subjects : (n,) whom each case comes from.
    resamples, seed : of the bootstrap over subjects.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    names = np.asarray(subjects).astype(str)
    check_lengths(first=a, second=b, subjects=names)
    centre = float(b.mean()) if b.size else 0.0
    a, b = a - centre, b - centre
    columns = np.stack([np.ones_like(a), a, b, a * a, b * b, a * b], axis=1)

    def statistic(weights: Weights) -> dict[str, NDArray[np.float64]]:
        with np.errstate(invalid="ignore", divide="ignore"):
            sums = weights @ columns
            ma, mb, maa, mbb, mab = (sums[:, i] / sums[:, 0] for i in range(1, 6))
            spread = np.maximum(maa - ma**2, 0.0) + np.maximum(mbb - mb**2, 0.0)
            flat = spread <= 1e-12 * (maa + mbb)
            return {"concordance": np.where(flat, np.nan, 2 * (mab - ma * mb) / (spread + (ma - mb) ** 2))}

    figure = weighted_figures(statistic, names, resamples, seed, scale="coefficient")["concordance"]
    return replace(figure, claimed_from=CLAIMED_FROM)


def volume_agreement(
    found: ArrayLike,
    real: ArrayLike,
    subjects: ArrayLike | Sequence[Any],
    resamples: int = 2000,
    seed: int | np.random.Generator = 0,
) -> dict[str, Figure]:
    """Return how predicted and true volumes agree, over the cases whose volumes are both known.

    Parameters
    ----------
    found, real : (n,) ml; NaN where unknown.
    subjects : (n,) whom each case comes from.
    resamples, seed : of the bootstrap over subjects.

    Returns
    -------
    "volume_lower_limit", "volume_upper_limit" (ml, of predicted minus true) and "volume_concordance".
    """
    ours, theirs, names = np.asarray(found, np.float64), np.asarray(real, np.float64), np.asarray(subjects).astype(str)
    check_lengths(found=ours, real=theirs, subjects=names)
    known = np.isfinite(ours) & np.isfinite(theirs)
    limits = limits_of_agreement((ours - theirs)[known], names[known])
    return {
        "volume_lower_limit": limits["lower_limit"],
        "volume_upper_limit": limits["upper_limit"],
        "volume_concordance": concordance(ours[known], theirs[known], names[known], resamples, seed),
    }
