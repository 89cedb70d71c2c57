"""From the rows of judged cases to figures over all of them, with intervals over subjects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from voxtempo.assess import (
    aggregate_by_subject,
    class_codes,
    classification_baseline,
    classification_metrics,
    corrected_metrics,
    mean_figures,
    regression_baseline,
    regression_metrics,
    segmentation_metrics,
)
from voxtempo.assess.classification import predicted_codes
from voxtempo.assess.regression import with_failures
from voxtempo.cohort.study import Study
from voxtempo.inference.judged import Judged, Row
from voxtempo.learning.tasks import ClassifyTask, LearningTask, RegressTask, SegmentTask


def metrics_of(judged: Judged, task: LearningTask, study: Study, by: str = "case") -> dict[str, Any]:
    """Return every figure over some judged cases, with intervals over subjects.

    Parameters
    ----------
    judged : rows of one role.
    task : decides which figures.
    study : number of resamples and the seed.
    by : "case", or "subject" to average each subject's answers first.
    """
    rows = judged.rows
    settings = {"resamples": study.evaluate.intervals, "seed": study.split.seed}
    groups = [row["group"] for row in rows]
    if isinstance(task, SegmentTask):
        failed = [row["status"] != "ok" for row in rows]
        return segmentation_metrics(judged.by_label, groups, failed=failed, averaged=task.averaged, **settings)
    answers, truth, groups = judged_units(rows, task, by)
    if isinstance(task, ClassifyTask):
        thresholds = fitted_beside(rows, "threshold", by)
        prevalence = study.evaluate.prevalence
        return classification_metrics(
            answers, truth, task.classes, groups, **settings, thresholds=thresholds, prevalence=prevalence
        )
    predicted, true = answers[:, 0], np.asarray(truth, dtype=np.float64)
    metrics = regression_metrics(predicted, true, groups, **settings)
    expected = fitted_beside(rows, "expected", by)
    if expected is not None:
        metrics["corrected"] = corrected_metrics(predicted, true, expected, groups, **settings)
    return metrics


def fitted_beside(rows: Sequence[Row], column: str, by: str) -> np.ndarray | None:
    """Return a column that was fitted on other cases, of cases or (the mean) of subjects; None where a row has none."""
    if not rows or any(column not in row for row in rows):
        return None
    values = np.array([float(row[column]) for row in rows])
    if by == "case":
        return values
    merged = aggregate_by_subject(values[:, None], [row["truth"] for row in rows], [row["subject"] for row in rows])
    return merged.probabilities[:, 0]


def judged_units(rows: Sequence[Row], task: LearningTask, by: str) -> tuple[np.ndarray, Any, list[str]]:
    """Return answers, truths and groups of cases, or of subjects with their answers averaged."""
    answers, truth = _answers(rows, task), [row["truth"] for row in rows]
    if by == "case":
        return answers, truth, [row["group"] for row in rows]
    merged = aggregate_by_subject(answers, truth, [row["subject"] for row in rows])
    group_of = {row["subject"]: row["group"] for row in rows}
    return merged.probabilities, merged.truth, [group_of[str(subject)] for subject in merged.subjects]


def _answers(rows: Sequence[Row], task: LearningTask) -> np.ndarray:
    if isinstance(task, ClassifyTask):
        return np.array([[row[f"p_{name}"] for name in task.classes] for row in rows], dtype=np.float64)
    return np.array([[row["predicted"]] for row in rows], dtype=np.float64)


def baseline_of(
    judged: Judged, tasks: Sequence[LearningTask], study: Study, training_truth: Sequence[Any] | None, by: str
) -> dict[str, Any]:
    """Return what an answer that ignores the scan would reach on the same cases (nothing for segmentation).

    Parameters
    ----------
    judged : the test cases.
    tasks : of every network that answered; a regression's baseline is the mean of their training means.
    study : number of resamples and the seed.
    training_truth : classes of the training cases (classify); None takes the commonest class of the cases themselves.
    by : "case" or "subject".

    Returns
    -------
    The baseline's figures, and "gain": by how much the network is better on the same cases ("accuracy", "mae"), paired.
    """
    task = tasks[0]
    if isinstance(task, SegmentTask):
        return {}
    settings: dict[str, Any] = {"resamples": study.evaluate.intervals, "seed": study.split.seed}
    kept = {row["subject"] if by == "subject" else row["id"]: row for row in judged.rows}.values()
    truth = [row["truth"] for row in kept]
    groups = [row["group"] for row in kept]
    answers, own, by_group = judged_units(judged.rows, task, by)
    if isinstance(task, ClassifyTask):
        baseline = classification_baseline(truth, task.classes, groups, training_truth, **settings)
        seen = class_codes(truth if training_truth is None else training_truth, task.classes)
        true = class_codes(own, task.classes)
        thresholds = fitted_beside(judged.rows, "threshold", by) if len(task.classes) == 2 else None
        right = predicted_codes(answers, thresholds) == true
        gain = {"accuracy": right.astype(np.float64) - (true == np.bincount(seen).argmax())}
    else:
        mean = float(np.mean([each.mean for each in tasks if isinstance(each, RegressTask)]))
        baseline = regression_baseline([float(value) for value in truth], mean, groups, **settings)
        values = np.asarray(own, np.float64)
        gain = {"mae": np.abs(values - mean) - np.abs(values - with_failures(answers[:, 0], values))}
    return baseline | {"gain": mean_figures(gain, by_group, **settings, scale="plain")}
