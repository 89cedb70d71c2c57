"""The metrics of a run's answers as functions of weights, so that all runs can be resampled together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxtempo.assess import Figure, aggregate_by_subject, class_codes, weighted_figures
from voxtempo.assess.answer_intervals import answer_figures
from voxtempo.assess.classification import classification_statistic, predicted_codes
from voxtempo.assess.intervals import mean_statistic
from voxtempo.assess.regression import regression_statistic, with_failures
from voxtempo.assess.resampling import Weights
from voxtempo.assess.roc import failure_scores
from voxtempo.assess.segmentation import structure_columns
from voxtempo.workflow.comparing.answers import Answers

Metric = tuple[str, str]
"""Name, and label or region (segment); "" where there is none."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """A run as metrics of weights.

    Parameters
    ----------
    statistic : from weights (r, units) to metric -> (r,).
    groups : (units,) whom each unit comes from.
    own : figures whose intervals are not those of a statistic (Wilson, DeLong).
    right : (units,) whether the answer is right (classify).
    ranked : (units,) score of the second of two classes, and which units are of it.
    losses : metric -> (units,) of which the metric is the mean (mean absolute error, Dice).
    """

    statistic: Callable[[Weights], Mapping[Metric, Values]]
    groups: tuple[str, ...]
    own: Mapping[Metric, Figure]
    right: NDArray[np.bool_] | None = None
    ranked: tuple[Values, NDArray[np.bool_]] | None = None
    losses: Mapping[Metric, Values] | None = None


def measure(answers: Answers, groups: Sequence[str], by: str) -> Measured:
    """Return the metrics of a run.

    Parameters
    ----------
    answers : of the cases.
    groups : (cases,) whom each case comes from.
    by : "case", or "subject" to average each subject's answers first (not of label maps).
    """
    if answers.run.task == "segment":
        return _segment(answers, groups)
    scores = (
        answers.probabilities(answers.classes)
        if answers.run.task == "classify"
        else answers.column("predicted")[:, None]
    )
    truth: Any = [row["truth"] for row in answers.rows] if answers.run.task == "classify" else answers.column("truth")
    threshold = answers.column("threshold")
    if by == "subject":
        subjects = [row.get("subject") or row["id"] for row in answers.rows]
        joined = aggregate_by_subject(scores, truth, subjects)
        threshold = aggregate_by_subject(threshold[:, None], truth, subjects).probabilities[:, 0]
        group_of = dict(zip(subjects, groups, strict=True))
        scores, truth, groups = joined.probabilities, joined.truth, [group_of[str(name)] for name in joined.subjects]
    if answers.run.task == "classify":
        chosen = threshold if len(answers.classes) == 2 and np.isfinite(threshold).all() else None
        return _classify(scores, class_codes(truth, answers.classes), chosen, groups)
    return _regress(scores[:, 0], np.asarray(truth, np.float64), groups)


def _classify(scores: Values, codes: NDArray[np.intp], threshold: Values | None, groups: Sequence[str]) -> Measured:
    every = classification_statistic(scores, codes, threshold)
    predicted = predicted_codes(scores, threshold)

    def statistic(weights: Weights) -> dict[Metric, Values]:
        return {(name, ""): values for (name, code), values in every(weights).items() if code is None}

    own = answer_figures(scores, codes, predicted, groups)
    failed = np.asarray(np.isnan(scores).any(axis=1))
    positive = codes == 1
    ranked = failure_scores(scores[:, -1], positive, failed)
    two = scores.shape[1] == 2 and 0 < positive.sum() < positive.size
    return Measured(
        statistic,
        tuple(groups),
        {(name, ""): figure for (name, code), figure in own.items() if code is None},
        right=predicted == codes,
        ranked=(ranked, positive) if two else None,
    )


def _regress(predicted: Values, truth: Values, groups: Sequence[str]) -> Measured:
    every = regression_statistic(predicted, truth)

    def statistic(weights: Weights) -> dict[Metric, Values]:
        return {(name, ""): values for name, values in every(weights).items()}

    errors = np.abs(with_failures(predicted, truth) - truth)
    return Measured(statistic, tuple(groups), {}, losses={("mae", ""): errors})


def _segment(answers: Answers, groups: Sequence[str]) -> Measured:
    labels = answers.run.labels
    names = [name for name in answers.rows[0] if any(name.endswith(f"_{label}") for label in labels)]
    columns = {name: answers.column(name) for name in names}
    rows = [
        {
            label: {
                name.removesuffix(f"_{label}"): float(column[i])
                for name, column in columns.items()
                if name.endswith(f"_{label}")
            }
            for label in labels
        }
        for i in range(len(answers.rows))
    ]
    written = {name.removesuffix(f"_{label}") for label in labels for name in names if name.endswith(f"_{label}")}
    written |= {"absolute_volume_error"} if "volume_error" in written else set()
    known = {
        (metric, label): column
        for (metric, label), column in structure_columns(rows, answers.run.averaged).items()
        if metric in written and np.isfinite(column).all()
    }
    return Measured(mean_statistic(known), tuple(groups), {}, losses=known)


def figures_of(measured: Sequence[Measured]) -> dict[Metric, Figure]:
    """Return every figure of a run, or the mean over runs that differ in their seed alone, with its interval."""

    def mean(weights: Weights) -> dict[Metric, Values]:
        parts = [each.statistic(weights) for each in measured]
        return {key: np.mean([part[key] for part in parts], axis=0) for key in parts[0]}

    figures = weighted_figures(mean, measured[0].groups)
    return figures | dict(measured[0].own) if len(measured) == 1 else figures
