"""Judging classifiers: rates of the confusion matrix, ranking by probability and the probabilities, with intervals.

A failed case (any NaN among its probabilities) is wrong in every figure: it is no class's true positive, ranks last, and has
the worst score that a probability can have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxtempo.assess.answer_intervals import answer_figures, of_rare_classes
from voxtempo.assess.confusion_rates import Rates, confusion_rates, confusion_tables, macro
from voxtempo.assess.intervals import check_lengths, weighted_figures
from voxtempo.assess.precision_recall import average_precision
from voxtempo.assess.probability_scores import probability_columns, probability_scores
from voxtempo.assess.resampling import Weights
from voxtempo.assess.roc import area_under_roc, failure_scores
from voxtempo.assess.thresholds import HALF, rates_of_calls
from voxtempo.errors import VoxTempoError, did_you_mean

Thresholds = float | NDArray[np.float64] | None


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
    thresholds: Thresholds = None,
    prevalence: float | None = None,
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
    thresholds : as in ``predicted_codes``, of two classes.
    prevalence : share of the second of two classes where the test is to be used, for its predictive values there.

    Returns
    -------
    Figures "accuracy", "balanced_accuracy" (mean recall), "mcc", "kappa", "precision", "recall", "specificity", "f1" (macro
    averages), "auc" and "average_precision" (of the second class if there are two, else the macro average of one against the
    rest), "brier", "log_loss", "top_2_accuracy" and "top_3_accuracy", see ``probability_columns``;
    "per_class": class -> precision, recall, specificity, F1, AUC, average precision and its number of "cases";
    "at_threshold" of two classes: "positive" (the second class), "threshold" (of several, their mean), "prevalence", and the
    figures of ``rates_of_calls``;
    "confusion": {"classes", "counts" (rows truth, columns predicted), "failed" (by true class)};
    "cases", "subjects", "failed": counts.
    """
    scores = np.asarray(probabilities, np.float64).reshape(-1, len(classes))
    codes = class_codes(truth, classes)
    names = np.asarray(subjects).astype(str)
    check_lengths(probabilities=scores, truth=codes, subjects=names)
    failed = np.asarray(np.isnan(scores).any(axis=1))
    predicted = predicted_codes(scores, thresholds)
    figures = weighted_figures(classification_statistic(scores, codes, thresholds), names, resamples, seed)
    figures |= answer_figures(scores, codes, predicted, names)
    if len(classes) > 2:
        figures |= of_rare_classes(figures, codes, predicted, names)
    table = confusion_tables(np.ones((1, codes.size)), codes, predicted, len(classes))[0].astype(int)
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
    if len(classes) == 2:
        positive = codes == 1
        called = np.where(failed, ~positive, predicted == 1)
        result["at_threshold"] = {
            "positive": classes[1],
            "threshold": HALF if thresholds is None else float(np.mean(thresholds)),
            "prevalence": prevalence,
            **rates_of_calls(called, positive, names, prevalence, resamples, seed),
        }
    result.update(cases=codes.size, subjects=len(np.unique(names)), failed=int(failed.sum()))
    return result


def classification_statistic(
    scores: NDArray[np.float64], codes: NDArray[np.intp], thresholds: Thresholds = None
) -> Callable[[Weights], Rates]:
    """Return the function from weights (r, n) to every figure of these answers, (name, class or None) -> (r,).

    Parameters
    ----------
    scores : (n, k) probabilities, a row of NaN for a failed case.
    codes : (n,) positions of the true classes.
    thresholds : as in ``predicted_codes``.
    """
    failed = np.asarray(np.isnan(scores).any(axis=1))
    predicted = predicted_codes(scores, thresholds)
    columns = probability_columns(scores, codes)

    def statistic(weights: Weights) -> Rates:
        rates = confusion_rates(confusion_tables(weights, codes, predicted, scores.shape[1]))
        rates.update(_ranking(weights, scores, codes, failed))
        rates.update(probability_scores(weights, columns))
        return rates

    return statistic


def predicted_codes(scores: NDArray[np.float64], thresholds: Thresholds = None) -> NDArray[np.intp]:
    """Return the position of the predicted class of every case (n,); k for a failed one.

    Parameters
    ----------
    scores : (n, k) probabilities, a row of NaN for a failed case.
    thresholds : probability from which the second of two classes is predicted, one for all or (n,); None takes the likeliest
        class.
    """
    failed = np.isnan(scores).any(axis=1)
    if thresholds is None:
        said = np.argmax(np.nan_to_num(scores, nan=-np.inf), axis=1)
    else:
        said = (scores[:, 1] >= np.asarray(thresholds)).astype(np.intp)
    return np.where(failed, scores.shape[1], said)


def _ranking(
    weights: Weights, scores: NDArray[np.float64], codes: NDArray[np.intp], failed: NDArray[np.bool_]
) -> Rates:
    """Return "auc" and "average_precision": of every class, of the second if there are two, else as macro averages."""
    k = scores.shape[1]
    sides = [codes == i for i in range(k)]
    ranked = [failure_scores(scores[:, i], sides[i], failed) for i in range(k)]
    rates: Rates = {}
    for name, ranking in (("auc", area_under_roc), ("average_precision", average_precision)):
        values = np.stack([ranking(ranked[i], sides[i], weights) for i in range(k)], axis=1)
        rates[name, None] = values[:, 1] if k == 2 else macro(values, np.isfinite(values))
        rates.update({(name, i): values[:, i] for i in range(k)})
    return rates


def classification_baseline(
    truth: ArrayLike | Sequence[Any],
    classes: Sequence[str],
    subjects: ArrayLike | Sequence[Any],
    training_truth: ArrayLike | Sequence[Any] | None = None,
    resamples: int = 2000,
    seed: int | np.random.Generator = 0,
) -> dict[str, Any]:
    """Return what always answering the shares of the classes in training reaches: the chance to beat.

    The commonest class is then always the answer, and Brier score and log-loss are those of someone who knows how common each
    class is and nothing else.

    Parameters
    ----------
    truth, classes, subjects, resamples, seed : as in ``classification_metrics``.
    training_truth : (m,) truth of the training cases; without it, the commonest class of ``truth`` itself.

    Returns
    -------
    Figures "accuracy", "balanced_accuracy", "auc", "average_precision", "brier" and "log_loss", and "method", a phrase that
    says what was predicted.
    """
    codes = class_codes(truth, classes)
    seen = codes if training_truth is None else class_codes(training_truth, classes)
    counts = np.bincount(seen, minlength=len(classes))
    common = int(np.argmax(counts))
    constant = np.tile(counts / max(seen.size, 1), (codes.size, 1))
    metrics = classification_metrics(constant, codes, classes, subjects, resamples, seed)
    where = "these cases" if training_truth is None else "training"
    names = ("accuracy", "balanced_accuracy", "auc", "average_precision", "brier", "log_loss")
    kept = {name: metrics[name] for name in names}
    return {"method": f"always '{classes[common]}', the commonest class in {where}", **kept}
