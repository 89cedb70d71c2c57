"""Decision curves: what acting on predictions is worth, in true positives, to someone who weighs them against false alarms.

Who acts from a probability t on says that one true positive is worth (1 - t) / t false alarms. The net benefit at t is the
share of true positives minus the share of false alarms times t / (1 - t) (Vickers and Elkin 2006, Medical Decision Making
26:565-574). Acting on everybody, and on nobody (0), are what a model has to beat at the thresholds that people would choose.
The probabilities are taken at their word: a model that ranks well and is badly calibrated does harm, and the curve shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxtempo.assess.figure import Figure
from voxtempo.assess.intervals import check_lengths, weighted_figures
from voxtempo.assess.proportions import proportion_figure
from voxtempo.assess.resampling import Weights, units_of
from voxtempo.assess.roc import failure_scores

CLAIMED_FROM = 100
"""Fewest subjects of whom a model's net benefit claims 95 %: at a threshold that few reach it rests on these few."""

THRESHOLDS = tuple(round(0.01 * step, 2) for step in range(1, 100))


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit at every threshold probability: of acting on the model, and on everybody; on nobody it is 0."""

    thresholds: tuple[float, ...]
    model: tuple[Figure, ...]
    treat_all: tuple[Figure, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the curve as lists of one length."""
        return {
            "thresholds": list(self.thresholds),
            "model": [figure.as_json() for figure in self.model],
            "treat_all": [figure.as_json() for figure in self.treat_all],
        }


def decision_curve(
    scores: ArrayLike,
    positive: ArrayLike,
    subjects: ArrayLike | Sequence[Any],
    thresholds: Sequence[float] = THRESHOLDS,
    resamples: int = 2000,
    seed: int | np.random.Generator = 0,
) -> DecisionCurve:
    """Return the net benefit of two-class predictions; each interval is that of its own threshold alone.

    Parameters
    ----------
    scores : (n,) probabilities of the positive class; NaN for a failed case, on which the wrong thing is done.
    positive : (n,) whether each case is of it.
    subjects : (n,) whom each case comes from.
    thresholds : probabilities above 0 and below 1 from which one would act.
    resamples, seed : of the bootstrap over subjects.
    """
    given, truth = np.asarray(scores, np.float64), np.asarray(positive, bool)
    names = np.asarray(subjects).astype(str)
    check_lengths(scores=given, positive=truth, subjects=names)
    limits = np.asarray(thresholds, np.float64)
    ranked = failure_scores(given, truth, np.isnan(given))
    odds = limits / (1.0 - limits)
    called = ranked[:, None] >= limits
    columns = np.where(truth[:, None], called, -odds * called)

    def statistic(weights: Weights) -> dict[int, NDArray[np.float64]]:
        with np.errstate(invalid="ignore", divide="ignore"):
            means = (weights @ columns) / weights.sum(axis=1, keepdims=True)
        return dict(enumerate(means.T))

    figures = list(weighted_figures(statistic, names, resamples, seed).values())
    share = proportion_figure(truth, np.ones_like(truth), units_of(names))
    everybody = [_of_everybody(share, odd) for odd in odds.tolist()]
    model = [replace(figure, claimed_from=CLAIMED_FROM) for figure in figures]
    return DecisionCurve(tuple(limits.tolist()), tuple(model), tuple(everybody))


def _of_everybody(share: Figure, odds: float) -> Figure:
    """Return the net benefit of acting on all, share - odds (1 - share), which rises with the share of positives."""
    value, low, high = (
        None if end is None else end * (1 + odds) - odds for end in (share.value, share.low, share.high)
    )
    return replace(share, value=value, low=low, high=high)
