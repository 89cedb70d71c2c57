"""The variance of areas under receiver operating curves over subjects (DeLong), their intervals and their comparison.

Every positive case has a placement, the share of negatives it stands above, and every negative the share of positives that
stand above it; their means are the area and their spread is its variance (DeLong et al. 1988, Biometrics 44:837-845), found
from midranks (Sun and Xu 2014, IEEE Signal Processing Letters 21:1389-1393). Where subjects have several cases, placements
are added up over each subject first (Obuchowski 1997, Biometrics 53:567-578).

Intervals are made on the logit scale, where they stay within 0 and 1, with a t quantile for the number of subjects on each
side (Satterthwaite). An area of 0 or 1 has no spread: its interval holds what a score test with the variance of Newcombe's
fifth method (2006, Statistics in Medicine 25:559-573) does not refuse, counting subjects. Written by hand: neither
scipy, scikit-learn nor statsmodels has any of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from voxtempo.assess.figure import Figure
from voxtempo.assess.percentiles import LEVEL, Ends
from voxtempo.assess.resampling import Units

Scores = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Areas:
    """Areas under several curves of the same cases, and how they vary together.

    Parameters
    ----------
    values : (q,) areas.
    covariance : (q, q).
    parts : (q, 2) what positives and negatives each add to the variance.
    sides : (q, 2) units with positives, and with negatives.
    """

    values: Scores
    covariance: Scores
    parts: Scores
    sides: NDArray[np.intp]


def placements(scores: Scores, positive: Mask) -> Scores:
    """Return for each case (n,) the share of the other side's cases that stand on the right side of it; ties are half.

    >>> placements(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])).tolist()
    [1.0, 0.5, 0.5, 1.0]
    """
    among_all = stats.rankdata(scores)
    placed = np.empty(scores.size)
    for side in (positive, ~positive):
        below = among_all[side] - stats.rankdata(scores[side])
        placed[side] = below / max(int((~side).sum()), 1)
    return np.where(positive, placed, 1.0 - placed)


def areas_of(scores: Sequence[Scores], positive: Sequence[Mask], units: Units) -> Areas:
    """Return the areas under several curves with their covariance over units.

    Parameters
    ----------
    scores : q times (n,), of the same cases; infinities stand for failed cases.
    positive : q times (n,): the same for every curve where runs are compared, one class after the other where the areas of
        one against the rest are averaged. Each has positives and negatives.
    units : whom each case comes from.
    """
    values, sides = [], []
    sums = np.empty((2, units.n, len(scores)))
    for q, (score, of_class) in enumerate(zip(scores, positive, strict=True)):
        placed = placements(score, of_class)
        values.append(placed[of_class].mean())
        for side, mask in enumerate((of_class, ~of_class)):
            sums[side, :, q] = np.bincount(units.codes[mask], placed[mask] - values[-1], units.n) / mask.sum()
        sides.append([np.unique(units.codes[mask]).size for mask in (of_class, ~of_class)])
    counts = np.array(sides)
    factors = np.sqrt(counts / np.maximum(counts - 1.0, 1.0))
    both = units.n / max(units.n - 1, 1)
    within = [(sums[side].T @ sums[side]) * np.outer(factors[:, side], factors[:, side]) for side in (0, 1)]
    across = sums[0].T @ sums[1]
    covariance = within[0] + within[1] + both * (across + across.T)
    return Areas(np.array(values), covariance, np.stack([np.diag(each) for each in within], axis=1), counts)


def area_figure(areas: Areas, units: Units) -> Figure:
    """Return the mean of the areas, or the area if there is one, with its interval.

    There is none where fewer than two units stand on some side, or where scores tie so that nothing varies.
    """
    mean, q = float(areas.values.mean()), areas.values.size
    bare = Figure(mean, None, None, units.n, units.over)
    if (areas.sides < 2).any():
        return bare
    if mean in (0.0, 1.0):
        fewest = areas.sides[int(areas.sides.min(axis=1).argmin())]
        low, high = boundary_interval(mean, int(fewest[0]), int(fewest[1]))
    else:
        variance = max(float(areas.covariance.sum()), 0.0) / q**2
        if variance <= 1e-12:
            return bare
        freedom = areas.parts.sum() ** 2 / (areas.parts**2 / (areas.sides - 1)).sum()
        low, high = logit_interval(mean, variance, float(freedom))
    return Figure(mean, low, high, units.n, units.over, "delong")


def logit_interval(area: float, variance: float, freedom: float) -> Ends:
    """Return the t interval of the area's logit with ``freedom`` degrees of freedom, as areas."""
    centre = math.log(area / (1 - area))
    reach = stats.t.ppf((1 + LEVEL) / 2, freedom) * math.sqrt(variance) / (area * (1 - area))
    low, high = (1 / (1 + math.exp(-(centre + side * reach))) for side in (-1, 1))
    return low, high


def boundary_interval(area: float, positives: int, negatives: int) -> Ends:
    """Return the interval of an area of exactly 0 or 1 from the numbers of units on both sides.

    >>> [round(end, 3) for end in boundary_interval(1.0, 10, 10)]
    [0.8, 1.0]
    """

    def missing(theta: float) -> float:
        exponential = (1 - theta) / (2 - theta) + theta / (1 + theta)
        spread = theta * (1 - theta) * (1 + ((positives + negatives) / 2 - 1) * exponential) / (positives * negatives)
        return 1 - theta - stats.norm.ppf((1 + LEVEL) / 2) * math.sqrt(spread)

    low = float(optimize.brentq(missing, 1e-9, 1 - 1e-9))
    return (low, 1.0) if area == 1.0 else (0.0, 1.0 - low)


def delong_test(first: Scores, second: Scores, positive: Mask, units: Units) -> tuple[float, float, float]:
    """Compare the areas of two scores of the same cases.

    Returns
    -------
    The difference (first minus second), z, and the two-sided p-value. Undefined (NaN) with fewer than two units on a side, and
    where areas differ but nothing varies; scores that rank all cases alike have z 0 and p 1.
    """
    areas = areas_of([first, second], [positive, positive], units)
    contrast = np.array([1.0, -1.0])
    difference = float(contrast @ areas.values)
    if (areas.sides < 2).any():
        return difference, math.nan, math.nan
    variance = float(contrast @ areas.covariance @ contrast)
    if variance <= 1e-15:
        return (difference, 0.0, 1.0) if difference == 0 else (difference, math.nan, math.nan)
    z = difference / math.sqrt(variance)
    return difference, z, float(2 * stats.norm.sf(abs(z)))
