"""Thresholds of two-class problems: how one is chosen from scores, and what calls at a threshold are worth.

A case is called positive if its score reaches the threshold. A failed case (score NaN) is called wrongly at every threshold.
The functions choose from whatever scores they are given: give them scores of cases that neither trained nor will judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxtempo.assess.figure import Figure
from voxtempo.assess.intervals import check_lengths, weighted_figures
from voxtempo.assess.proportions import proportion_figure
from voxtempo.assess.resampling import Weights, units_of
from voxtempo.assess.roc import failure_scores
from voxtempo.errors import VoxTempoError

HALF = 0.5
"""Where both classes are equally likely."""


def operating_points(
    scores: NDArray[np.float64], positive: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return (threshold, sensitivity, specificity) of every distinct way to call the cases, each (m,), thresholds rising.

    Thresholds lie half way between two neighbouring scores, so that they belong to no single case; the outer ones half way to
    0 and to 1, or just beyond a score that lies there.

    Parameters
    ----------
    scores : (n,) probabilities of the positive class; NaN for a failed case.
    positive : (n,) whether each case is of it.

    Raises
    ------
    VoxTempoError : there are no positives, no negatives, or no score at all.
    """
    failed = np.isnan(scores)
    if not positive.any() or positive.all() or failed.all():
        raise VoxTempoError(
            "A threshold is chosen from scores of positive and of negative cases, and one kind is missing."
        )
    known = np.unique(scores[~failed])
    low, high = min(0.0, float(known[0])), max(1.0, float(known[-1]))
    lowest = (low + known[0]) / 2
    highest = (high + known[-1]) / 2 if high > known[-1] else np.nextafter(known[-1], np.inf)
    thresholds = np.concatenate([[lowest], (known[:-1] + known[1:]) / 2, [highest]])
    ranked = failure_scores(scores, positive, failed)
    called_positives = positive.sum() - np.searchsorted(np.sort(ranked[positive]), thresholds, side="left")
    spared_negatives = np.searchsorted(np.sort(ranked[~positive]), thresholds, side="left")
    return thresholds, called_positives / positive.sum(), spared_negatives / (~positive).sum()


def youden_threshold(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Return the threshold with the largest sensitivity + specificity - 1 (Youden 1950, Cancer 3:32-35).

    Of equally good ones it is that nearest to one half, the threshold that needs no choice.

    >>> round(youden_threshold(np.array([0.1, 0.2, 0.4, 0.9]), np.array([False, False, True, True])), 6)
    0.3
    """
    thresholds, sensitivity, specificity = operating_points(scores, positive)
    index = sensitivity + specificity
    best = thresholds[index >= index.max() - 1e-12]
    return float(best[np.argmin(np.abs(best - HALF))])


def sensitivity_threshold(scores: NDArray[np.float64], positive: NDArray[np.bool_], target: float) -> float:
    """Return the highest threshold whose sensitivity reaches ``target``: of all that do, it spares the most negatives.

    Where failed cases keep every threshold below the target, it is the lowest threshold.

    >>> round(sensitivity_threshold(np.array([0.1, 0.3, 0.4, 0.9]), np.array([False, True, False, True]), 0.9), 6)
    0.2
    """
    thresholds, sensitivity, _ = operating_points(scores, positive)
    reached = np.flatnonzero(sensitivity >= target - 1e-12)
    return float(thresholds[reached[-1] if reached.size else 0])


def specificity_threshold(scores: NDArray[np.float64], positive: NDArray[np.bool_], target: float) -> float:
    """Return the lowest threshold whose specificity reaches ``target``: of all that do, it finds the most positives.

    Where failed cases keep every threshold below the target, it is the highest threshold.
    """
    thresholds, _, specificity = operating_points(scores, positive)
    reached = np.flatnonzero(specificity >= target - 1e-12)
    return float(thresholds[reached[0] if reached.size else -1])


def rates_of_calls(
    called: ArrayLike,
    positive: ArrayLike,
    subjects: ArrayLike | Sequence[Any],
    prevalence: float | None = None,
    resamples: int = 2000,
    seed: int | np.random.Generator = 0,
) -> dict[str, Figure]:
    """Judge calls of two classes.

    Parameters
    ----------
    called : (n,) whether each case was called positive; of a failed case, the wrong call.
    positive : (n,) whether it is.
    subjects : (n,) whom each case comes from.
    prevalence : share of positives, above 0 and below 1, where the calls are to be made; a case-control cohort has another.
    resamples, seed : of the bootstrap over subjects.

    Returns
    -------
    "sensitivity", "specificity", "youden" (their sum minus 1), "positive_predictive_value" and "negative_predictive_value"
    (undefined where nobody was called so). With ``prevalence`` both values there, by Bayes' rule from sensitivity and
    specificity: "positive_predictive_value_at_prevalence", "negative_predictive_value_at_prevalence".

    Raises
    ------
    VoxTempoError : the prevalence is not between 0 and 1.
    """
    calls, truth = np.asarray(called, bool), np.asarray(positive, bool)
    names = np.asarray(subjects).astype(str)
    check_lengths(called=calls, positive=truth, subjects=names)
    if prevalence is not None and not 0 < prevalence < 1:
        raise VoxTempoError(f"A prevalence lies between 0 and 1, found {prevalence}.")
    cells = np.stack([calls & truth, calls & ~truth, ~calls & truth, ~calls & ~truth], axis=1).astype(np.float64)

    def statistic(weights: Weights) -> dict[str, NDArray[np.float64]]:
        hits, alarms, missed, spared = (weights @ cells).T
        sensitivity, specificity = _share(hits, hits + missed), _share(spared, spared + alarms)
        both = np.isfinite(sensitivity + specificity)
        rates = {
            "sensitivity": sensitivity,
            "specificity": specificity,
            "youden": sensitivity + specificity - 1.0,
            "positive_predictive_value": np.where(hits + missed > 0, _share(hits, hits + alarms), np.nan),
            "negative_predictive_value": np.where(spared + alarms > 0, _share(spared, spared + missed), np.nan),
        }
        if prevalence is not None:
            found, false = sensitivity * prevalence, (1.0 - specificity) * (1.0 - prevalence)
            right, lost = specificity * (1.0 - prevalence), (1.0 - sensitivity) * prevalence
            for name, share in (
                ("positive", _share(found, found + false)),
                ("negative", _share(right, right + lost)),
            ):
                rates[f"{name}_predictive_value_at_prevalence"] = np.where(both, share, np.nan)
        return rates

    figures = weighted_figures(statistic, names, resamples, seed)
    units = units_of(names)
    for name, hits, counted in (
        ("sensitivity", calls & truth, truth),
        ("specificity", ~calls & ~truth, ~truth),
        ("positive_predictive_value", calls & truth, calls),
        ("negative_predictive_value", ~calls & ~truth, ~calls),
    ):
        if counted.any() and figures[name].value is not None:
            share = proportion_figure(hits, counted, units)
            figures[name] = replace(share, n=len(np.unique(units.codes[counted])))
    return figures


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), np.nan)
