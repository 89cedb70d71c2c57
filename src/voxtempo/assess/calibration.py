"""Whether probabilities mean what they say: of the cases told 80 % sure, 80 % should be right.

Cases are put into bins of equal mass, and in each the mean confidence is held against the share that was right (a
reliability diagram). The expected calibration error (ECE) is the mean size of the gaps. Chance alone opens gaps, so the ECE
of few cases is above 0 however well calibrated they are; it is therefore given beside what chance alone would make of it, and
without an interval, which resampling would move up once more.

The calibration error is the root of the mean squared gap, from which what chance adds is taken off: its square is unbiased
(Kumar, Liang, Ma 2019, "Verified uncertainty calibration", NeurIPS, arXiv:1909.10155). In the place of their binomial
variance stands that of a bin's gap between subjects. Its interval lies between percentiles of the resampled squares, moved
so that their mean is the unbiased square. Written by hand because scikit-learn's ``calibration_curve`` has two classes, no
intervals and no subjects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxtempo.assess.figure import Figure
from voxtempo.assess.intervals import check_lengths, weighted_figures
from voxtempo.assess.percentiles import percentile_interval
from voxtempo.assess.probability_scores import probability_columns, probability_scores
from voxtempo.assess.proportions import proportion_figure
from voxtempo.assess.resampling import Units, Weights, draw_weights, units_of

MOST_BINS = 15
SUBJECTS_A_BIN = 10
"""Fewer subjects than this say nothing about a bin, so few subjects make few bins."""

Floats = NDArray[np.float64]


def calibration_metrics(
    probabilities: ArrayLike,
    codes: NDArray[np.intp],
    classes: Sequence[str],
    subjects: ArrayLike | Sequence[Any],
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Judge how well calibrated probabilities are.

    Parameters
    ----------
    probabilities : (n, k), a row of NaN for a failed case, which counts as sure and wrong.
    codes : (n,) positions of the true classes.
    classes : k names.
    subjects : (n,) whom each case comes from.
    resamples, seed : of the intervals.

    Returns
    -------
    Figures "calibration_error" of the likeliest class and "class_wise_calibration_error" (root of the mean square over
    classes), debiased; "ece", "class_wise_ece" and "maximum_calibration_error", without intervals; "ece_by_chance": the ECE
    that perfect calibration would have shown on so many cases, a number; "brier", "log_loss"; "bins": their number;
    "reliability": "likeliest" and each class -> a list of bins with "confidence", "frequency" (a figure) and "cases".
    """
    scores = np.asarray(probabilities, np.float64).reshape(-1, len(classes))
    names = np.asarray(subjects).astype(str)
    check_lengths(probabilities=scores, truth=codes, subjects=names)
    told = told_of(scores, codes)
    people = len(np.unique(names))
    bins = {name: equal_mass_bins(confidence, people) for name, (confidence, _) in told.items()}
    labels = {str(k): name for k, name in enumerate(classes)} | {LIKELIEST: LIKELIEST}
    result: dict[str, Any] = {}
    if codes.size:
        gaps = {name: _Gaps(right - confidence, bins[name]) for name, (confidence, right) in told.items()}
        result = _figures(gaps, units_of(names), resamples, seed)
        columns = probability_columns(scores, codes)
        proper = weighted_figures(lambda weights: probability_scores(weights, columns), names, resamples, seed)
        result |= {name: figure for (name, _), figure in proper.items() if name in ("brier", "log_loss")}
    result["bins"] = int(bins[LIKELIEST].max(initial=-1)) + 1
    result["reliability"] = {labels[name]: reliability(*told[name], bins[name], names) for name in told}
    return result


LIKELIEST = "likeliest"


def calibration_error(
    confidence: Floats, right: Floats, subjects: ArrayLike | Sequence[Any], resamples: int = 2000, seed: int = 0
) -> Figure:
    """Return the debiased calibration error of one thing that was told of every case.

    Parameters
    ----------
    confidence : (n,) what was told.
    right : (n,) 1 where it was so, else 0.
    subjects : (n,) whom each case comes from.
    resamples, seed : of the interval.
    """
    people = len(np.unique(np.asarray(subjects).astype(str)))
    gaps = _Gaps(np.asarray(right, np.float64) - confidence, equal_mass_bins(confidence, people))
    return _debiased([gaps], units_of(subjects), resamples, seed)


def told_of(scores: Floats, codes: NDArray[np.intp]) -> dict[str, tuple[Floats, Floats]]:
    """Return what is told and what is so, each (n,): of the likeliest class, and of each class "0", "1", ...

    Parameters
    ----------
    scores : (n, k) probabilities, a row of NaN for a failed case: it is sure of what is not so.
    codes : (n,) positions of the true classes.
    """
    n, k = scores.shape
    failed = np.asarray(np.isnan(scores).any(axis=1))
    true = np.zeros((n, k))
    true[np.arange(n), codes] = 1.0
    known = np.where(failed[:, None], 1.0 - true, scores)
    top = known.max(axis=1, initial=0.0)
    right = np.where(failed, 0.0, np.argmax(known, axis=1) == codes)
    return {LIKELIEST: (top, right), **{str(i): (known[:, i], true[:, i]) for i in range(k)}}


def equal_mass_bins(confidence: Floats, subjects: int) -> NDArray[np.intp]:
    """Return the bin of every case (n,), from 0 up: one for every ``SUBJECTS_A_BIN`` subjects, ``MOST_BINS`` at most.

    Equal confidences are in one bin.

    >>> np.bincount(equal_mass_bins(np.linspace(0, 1, 40), 40)).tolist()
    [10, 10, 10, 10]
    >>> np.bincount(equal_mass_bins(np.array([0.1] * 30 + [0.9] * 10), 40)).tolist()
    [30, 10]
    """
    n = confidence.size
    count = max(1, min(MOST_BINS, subjects // SUBJECTS_A_BIN))
    cuts = np.sort(confidence)[(np.arange(1, count) * n) // count] if n else np.empty(0)
    codes = np.searchsorted(np.unique(cuts), confidence, side="right")
    return np.unique(codes, return_inverse=True)[1].reshape(-1)


@dataclass(frozen=True)
class _Gaps:
    """By how much each case was right more than told, (n,), and its bin."""

    each: Floats
    bins: NDArray[np.intp]

    def means(self, weights: Weights) -> tuple[Floats, Floats]:
        """Return every bin's share of the cases and its mean gap, (r, bins), for every row of weights (r, n)."""
        member = np.eye(int(self.bins.max()) + 1)[self.bins]
        mass, total = weights @ member, weights @ (member * self.each[:, None])
        return mass / mass.sum(axis=1, keepdims=True), np.where(mass > 0, total / np.where(mass > 0, mass, 1), 0.0)

    def squares(self, weights: Weights) -> Floats:
        """Return the mean squared gap for every row of weights, (r,)."""
        share, gap = self.means(weights)
        return (share * gap**2).sum(axis=1)

    def variances(self, units: Units) -> Floats:
        """Return the variance of each bin's mean gap, as the scatter between the units in it tells, (bins,).

        A bin with one unit tells nothing; its gap is taken for chance altogether.
        """
        found = []
        for i in range(int(self.bins.max()) + 1):
            inside = self.bins == i
            mean = self.each[inside].mean()
            sums = np.bincount(units.codes[inside], self.each[inside] - mean, minlength=units.n)
            count = len(np.unique(units.codes[inside]))
            scatter = float((sums**2).sum()) / int(inside.sum()) ** 2
            found.append(scatter * count / (count - 1) if count > 1 else mean**2)
        return np.array(found)


def _figures(gaps: dict[str, _Gaps], units: Units, resamples: int, seed: int) -> dict[str, Any]:
    """Return the errors of the likeliest class and of all classes."""
    once = np.ones((1, units.codes.size))
    of_classes = [each for name, each in gaps.items() if name != LIKELIEST]
    share, gap = (part[0] for part in gaps[LIKELIEST].means(once))
    chance = np.sqrt(2 / np.pi) * np.sqrt(gaps[LIKELIEST].variances(units))
    parts = [each.means(once) for each in of_classes]
    plain = {
        "ece": float(share @ np.abs(gap)),
        "class_wise_ece": float(np.mean([(mass * np.abs(mean)).sum() for mass, mean in parts])),
        "maximum_calibration_error": float(np.abs(gap).max()),
    }
    return {
        "calibration_error": _debiased([gaps[LIKELIEST]], units, resamples, seed),
        "class_wise_calibration_error": _debiased(of_classes, units, resamples, seed),
        **{name: Figure(value, None, None, units.n, units.over) for name, value in plain.items()},
        "ece_by_chance": float(share @ chance),
    }


def _debiased(several: Sequence[_Gaps], units: Units, resamples: int, seed: int) -> Figure:
    """Return the root of the mean squared gap without what chance adds to it."""

    def mean_square(weights: Weights) -> Floats:
        return np.mean([each.squares(weights) for each in several], axis=0)

    once = np.ones((1, units.codes.size))
    chance = float(np.mean([each.means(once)[0][0] @ each.variances(units) for each in several]))
    square = float(mean_square(once)[0]) - chance
    value = float(np.sqrt(max(0.0, square)))
    if units.n < 2:
        return Figure(value, None, None, units.n, units.over)
    blocks = [mean_square(weights) for weights in draw_weights(units, resamples, np.random.default_rng(seed))]
    drawn = np.concatenate(blocks)
    ends = percentile_interval(drawn - drawn.mean() + square, units.n)
    low, high = (float(np.sqrt(max(0.0, end))) for end in ends)
    return Figure(value, low, max(high, value), units.n, units.over, "percentile")


def reliability(
    confidence: Floats, right: Floats, bins: NDArray[np.intp], subjects: NDArray[Any]
) -> list[dict[str, Any]]:
    """Return the bins of a reliability diagram in rising order.

    Parameters
    ----------
    confidence : (n,) what was told.
    right : (n,) 1 where it was so, else 0.
    bins : (n,) from ``equal_mass_bins``.
    subjects : (n,) of the cases.
    """
    units, so = units_of(subjects), np.asarray(right, bool)
    found = []
    for i in range(int(bins.max(initial=-1)) + 1):
        inside = bins == i
        frequency = proportion_figure(so & inside, inside, units)
        found.append(
            {"confidence": float(confidence[inside].mean()), "frequency": frequency, "cases": int(inside.sum())}
        )
    return found
