"""The figures of a classifier that have intervals of their own: proportions (Wilson) and areas under curves (DeLong)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxtempo.assess.areas import Scores, area_figure, areas_of
from voxtempo.assess.figure import Figure
from voxtempo.assess.proportions import Mask, mean_of_proportions, proportion_figure
from voxtempo.assess.resampling import Units, units_of
from voxtempo.assess.roc import failure_scores

Named = dict[tuple[str, int | None], Figure]


AVERAGED = ("balanced_accuracy", "precision", "recall", "specificity", "f1", "auc", "average_precision")
"""What is averaged over the classes."""
RARE = 5
"""A class of fewer subjects makes intervals of averages over classes approximate."""


def answer_figures(
    scores: Scores, codes: NDArray[np.intp], predicted: NDArray[np.intp], subjects: ArrayLike | Sequence[Any]
) -> Named:
    """Return accuracy, recall, specificity, precision and AUC with their intervals, by (name, class or None).

    Recall, specificity and precision are of each class; the mean recall ("recall" and "balanced_accuracy") stands under None
    where every subject is of one class. Precision is left out for classes that are never predicted or never true.

    Parameters
    ----------
    scores : (n, k) probabilities, a row of NaN for a failed case.
    codes, predicted : (n,) positions of the true and the predicted class; k where a case failed.
    subjects : (n,) whom each case comes from.
    """
    units = units_of(subjects)
    if codes.size == 0:
        return {}
    k = scores.shape[1]
    right, failed = predicted == codes, predicted == k
    figures: Named = {("accuracy", None): proportion_figure(right, np.ones_like(right), units)}
    for i in range(k):
        of_class, as_class = codes == i, predicted == i
        figures["recall", i] = proportion_figure(of_class & right, of_class, units)
        figures["specificity", i] = proportion_figure(~of_class & ~as_class & ~failed, ~of_class, units)
        if of_class.any() and as_class.any():
            figures["precision", i] = proportion_figure(as_class & right, as_class, units)
    if _one_class_a_unit(codes, units):
        mean = mean_of_proportions([figures["recall", i] for i in range(k) if (codes == i).any()])
        if mean is not None:
            figures["recall", None] = figures["balanced_accuracy", None] = mean
    for i in range(k):  # a class of three subjects says what three subjects can
        for name, counted in (("recall", codes == i), ("specificity", codes != i), ("precision", predicted == i)):
            if (name, i) in figures and counted.any():
                figures[name, i] = replace(figures[name, i], n=len(np.unique(units.codes[counted])))
    return figures | _area_figures(scores, codes, failed, units)


def of_rare_classes(
    figures: Named, codes: NDArray[np.intp], predicted: NDArray[np.intp], subjects: ArrayLike | Sequence[Any]
) -> Named:
    """Return the averages over classes whose intervals claim too much where a class is rare, corrected.

    A class that is never predicted has precision and F1 of 0 in every resample, so an interval of their average would leave
    out how uncertain that is: there is none. Where a class has few subjects, intervals of averages are approximate.

    Parameters
    ----------
    figures : by (name, class or None).
    codes, predicted, subjects : as in ``answer_figures``.
    """
    present = np.unique(codes)
    unseen = [i for i in present if not ((predicted == i) & (codes == i)).any()]
    names = np.asarray(subjects).astype(str)
    fewest = min((len(np.unique(names[codes == i])) for i in present), default=0)
    found: Named = {}
    for name in AVERAGED:
        figure = figures.get((name, None))
        if figure is None:
            continue
        if unseen and name in ("precision", "f1"):
            figure = replace(figure, low=None, high=None)
        if fewest < RARE:
            figure = replace(figure, claimed_from=max(figure.claimed_from, figure.n + 1))
        found[name, None] = figure
    return found


def _area_figures(scores: Scores, codes: NDArray[np.intp], failed: Mask, units: Units) -> Named:
    sides = {i: codes == i for i in range(scores.shape[1]) if 0 < np.count_nonzero(codes == i) < codes.size}
    if not sides:
        return {}
    ranked = {i: failure_scores(scores[:, i], side, failed) for i, side in sides.items()}
    figures: Named = {("auc", i): area_figure(areas_of([ranked[i]], [sides[i]], units), units) for i in sides}
    every = areas_of(list(ranked.values()), list(sides.values()), units)
    figures["auc", None] = figures["auc", 1] if scores.shape[1] == 2 else area_figure(every, units)
    return figures


def _one_class_a_unit(codes: NDArray[np.intp], units: Units) -> bool:
    first = np.zeros(units.n, np.intp)
    first[units.codes] = codes
    return bool((first[units.codes] == codes).all())
