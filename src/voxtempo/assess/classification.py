"""Judging classifiers: rates from the confusion matrix and ranking by probability, with intervals over subjects.

Conventions, the same in the whole sample and in every resample:

- A failed case (any NaN among its probabilities) is wrong: it is no class's true positive and ranks last.
- A class that was never predicted has precision 0.
- Averages over classes ("macro") are over the classes that occur in the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxtempo.assess.intervals import Weights, check_lengths, weighted_figures
from voxtempo.assess.roc import area_under_roc, failure_scores
from voxtempo.errors import VoxTempoError, did_you_mean

Rates = dict[tuple[str, int | None], NDArray[np.float64]]


def class_codes(truth: ArrayLike | Sequence[Any], classes: Sequence[str]) -> NDArray[np.intp]:
    """Return the truth as positions in ``classes``; takes integer positions or class names.

    >>> class_codes(["b", "a"], ["a", "b"]).tolist()
    [1, 0]

    Raises
    ------
    VoxTempoError : a case has a truth that is no class.
    """
    values = np.asarray(truth)
    if np.issubdtype(values.dtype, np.integer):
        outside = values[(values < 0) | (values >= len(classes))]
        if outside.size:
            raise VoxTempoError(f"A case has class number {outside[0]}, but there are {len(classes)} classes.")
        return values.astype(np.intp)
    positions = {name: i for i, name in enumerate(classes)}
    unknown = [str(value) for value in values if str(value) not in positions]
    if unknown:
        hint = did_you_mean(unknown[0], classes)
        raise VoxTempoError(f"A case has the truth '{unknown[0]}', which is no class. {hint}")
    return np.array([positions[str(value)] for value in values], dtype=np.intp)


def classification_metrics(
    probabilities: ArrayLike,
    truth: ArrayLike | Sequence[Any],
    classes: Sequence[str],
    subjects: ArrayLike | Sequence[Any],
    resamples: int = 2000,
    seed: int | np.random.Generator = 0,
) -> dict[str, Any]:
    """Judge predicted probabilities.

    Parameters
    ----------
    probabilities : (n, k), a row of NaN for a failed case.
    truth : (n,) class names, or their positions in ``classes``.
    classes : k names.
    subjects : (n,) whom each case comes from.
    resamples : bootstrap resamples of subjects.
    seed : seed or generator of the resampling.

    Returns
    -------
    Figures "accuracy", "balanced_accuracy" (mean recall), "precision", "recall", "specificity", "f1" (macro averages)
    and "auc" (of the second class if there are two, else the macro average of one against the rest);
    "per_class": class -> precision, recall, specificity, F1, AUC and its number of "cases";
    "confusion": {"classes", "counts" (rows truth, columns predicted), "failed" (by true class)};
    "cases", "subjects", "failed": counts.
    """
    scores = np.asarray(probabilities, np.float64).reshape(-1, len(classes))
    codes = class_codes(truth, classes)
    names = np.asarray(subjects).astype(str)
    check_lengths(probabilities=scores, truth=codes, subjects=names)
    failed = np.asarray(np.isnan(scores).any(axis=1))
    predicted = np.where(failed, len(classes), np.argmax(np.nan_to_num(scores, nan=-np.inf), axis=1))

    def statistic(weights: Weights) -> Rates:
        rates = _rates(_tables(weights, codes, predicted, len(classes)))
        rates.update(_areas(weights, scores, codes, failed))
        return rates

    figures = weighted_figures(statistic, names, resamples, seed)
    table = _tables(np.ones((1, codes.size)), codes, predicted, len(classes))[0].astype(int)
    result: dict[str, Any] = {name: figure for (name, code), figure in figures.items() if code is None}
    result["per_class"] = {
        label: {name: figure for (name, code), figure in figures.items() if code == i} | {"cases": int(table[i].sum())}
        for i, label in enumerate(classes)
    }
    result["confusion"] = {
        "classes": list(classes),
        "counts": table[:, :-1].tolist(),
        "failed": table[:, -1].tolist(),
    }
    result.update(cases=codes.size, subjects=len(np.unique(names)), failed=int(failed.sum()))
    return result


def _tables(weights: Weights, codes: NDArray[np.intp], predicted: NDArray[np.intp], k: int) -> NDArray[np.float64]:
    """Return confusion tables (r, k, k + 1): rows truth, columns predicted, the last column failed."""
    cells = np.zeros((codes.size, k * (k + 1)))
    cells[np.arange(codes.size), codes * (k + 1) + predicted] = 1.0
    return (weights @ cells).reshape(-1, k, k + 1)


def _rates(tables: NDArray[np.float64]) -> Rates:
    k = tables.shape[1]
    right = np.diagonal(tables, axis1=1, axis2=2)
    of_class = tables.sum(axis=2)
    as_class = tables[:, :, :k].sum(axis=1)
    total = of_class.sum(axis=1)
    present = of_class > 0
    # A failed case raises no alarm for another class, yet it must not be a true negative of any: it is wrong for all.
    failed = tables[:, :, k].sum(axis=1, keepdims=True) - tables[:, :, k]
    others = total[:, None] - of_class
    with np.errstate(invalid="ignore", divide="ignore"):
        per_class = {
            "precision": np.where(present, right / np.where(as_class > 0, as_class, 1.0), np.nan),
            "recall": right / of_class,
            "specificity": (others - (as_class - right) - failed) / others,
            "f1": np.where(present, 2 * right / (of_class + as_class), np.nan),
        }
        rates: Rates = {("accuracy", None): right.sum(axis=1) / total}
        rates["balanced_accuracy", None] = _macro(per_class["recall"], present)
    for name, values in per_class.items():
        rates[name, None] = _macro(values, present)
        rates.update({(name, i): values[:, i] for i in range(k)})
    return rates


def _areas(weights: Weights, scores: NDArray[np.float64], codes: NDArray[np.intp], failed: NDArray[np.bool_]) -> Rates:
    k = scores.shape[1]
    sides = [codes == i for i in range(k)]
    ranked = [failure_scores(scores[:, i], sides[i], failed) for i in range(k)]
    areas = np.stack([area_under_roc(ranked[i], sides[i], weights) for i in range(k)], axis=1)
    rates: Rates = {("auc", None): areas[:, 1] if k == 2 else _macro(areas, np.isfinite(areas))}
    rates.update({("auc", i): areas[:, i] for i in range(k)})
    return rates


def _macro(values: NDArray[np.float64], use: NDArray[np.bool_]) -> NDArray[np.float64]:
    use = use & np.isfinite(values)
    count = use.sum(axis=1)
    total = np.where(use, values, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def classification_baseline(
    truth: ArrayLike | Sequence[Any],
    classes: Sequence[str],
    subjects: ArrayLike | Sequence[Any],
    training_truth: ArrayLike | Sequence[Any] | None = None,
    resamples: int = 2000,
    seed: int | np.random.Generator = 0,
) -> dict[str, Any]:
    """Return what always answering the commonest class of the training cases reaches: the chance to beat.

    Parameters
    ----------
    truth, classes, subjects, resamples, seed : as in ``classification_metrics``.
    training_truth : (m,) truth of the training cases; without it, the commonest class of ``truth`` itself.

    Returns
    -------
    Figures "accuracy", "balanced_accuracy" and "auc", and "method", a phrase that says what was predicted.
    """
    codes = class_codes(truth, classes)
    seen = codes if training_truth is None else class_codes(training_truth, classes)
    common = int(np.argmax(np.bincount(seen, minlength=len(classes))))
    constant = np.tile(np.eye(len(classes))[common], (codes.size, 1))
    metrics = classification_metrics(constant, codes, classes, subjects, resamples, seed)
    where = "these cases" if training_truth is None else "training"
    kept = {name: metrics[name] for name in ("accuracy", "balanced_accuracy", "auc")}
    return {"method": f"always '{classes[common]}', the commonest class in {where}", **kept}
