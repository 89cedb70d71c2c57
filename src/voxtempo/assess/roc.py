"""Receiver operating characteristic: how well scores rank the cases of a class above the rest, under any weights.

Written by hand because scikit-learn's function takes one weighting a call and a bootstrap has thousands; its values
are the reference in the tests.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def failure_scores(
    scores: NDArray[np.float64], positive: NDArray[np.bool_], failed: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return scores (n,) in which a failed case stands on the wrong end: a positive lowest, a negative highest."""
    return np.where(failed, np.where(positive, -np.inf, np.inf), scores)


def area_under_roc(
    scores: NDArray[np.float64], positive: NDArray[np.bool_], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the area under the curve for every row of weights: the chance that a positive ranks above a negative.

    Parameters
    ----------
    scores : (n,), may hold infinities; ties count one half.
    positive : (n,) whether each case is of the class.
    weights : (r, n), how often each case counts.

    Returns
    -------
    (r,), NaN where positives or negatives are missing.

    >>> area_under_roc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]), np.ones((1, 4)))
    array([0.75])
    """
    if scores.size == 0:
        return np.full(len(weights), np.nan)
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.r_[True, scores[order][1:] != scores[order][:-1]])
    weights = weights[:, order]
    positives = np.add.reduceat(weights * positive[order], starts, axis=1)
    negatives = np.add.reduceat(weights * ~positive[order], starts, axis=1)
    below = np.cumsum(negatives, axis=1) - negatives
    pairs = positives.sum(axis=1) * negatives.sum(axis=1)
    won = (positives * (below + 0.5 * negatives)).sum(axis=1)
    return np.where(pairs > 0, won / np.where(pairs > 0, pairs, 1.0), np.nan)


def roc_points(
    scores: NDArray[np.float64], positive: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (false positive rate, sensitivity) at every threshold, each (m,), from (0, 0) to (1, 1).

    >>> roc_points(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))[1]
    array([0. , 0.5, 0.5, 1. , 1. ])
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.r_[scores[order][1:] != scores[order][:-1], True]) if scores.size else np.empty(0, int)
    hits = np.cumsum(positive[order])[ends] / max(int(positive.sum()), 1)
    alarms = np.cumsum(~positive[order])[ends] / max(int((~positive).sum()), 1)
    return np.r_[0.0, alarms], np.r_[0.0, hits]
