"""Answers against truths: one row a case (or event), never dropped, and the figures over all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from voxtempo.assess import (
    aggregate_by_subject,
    classification_baseline,
    classification_metrics,
    regression_baseline,
    regression_metrics,
    segmentation_metrics,
    subgroup_metrics,
)
from voxtempo.cohort.case import Case
from voxtempo.cohort.study import Study
from voxtempo.errors import VoxTempoError
from voxtempo.inference.answer import Answer
from voxtempo.inference.native import native_label_map
from voxtempo.inference.predictor import Predictor
from voxtempo.inference.structures import fail_structures, judge_structures
from voxtempo.learning.cases import event_unit, feed_case
from voxtempo.learning.tasks import ClassifyTask, LearningTask, RegressTask, SegmentTask
from voxtempo.prepare import PreparedCase
from voxtempo.scans import Scan, read_scan

Row = dict[str, Any]
Look = Callable[[Case, Answer, "Scan | None"], None]


@dataclass(frozen=True)
class Judged:
    """Rows of ``predictions.csv`` for some cases and, for segmentation, each row's figures by label (or region)."""

    rows: tuple[Row, ...]
    by_label: tuple[dict[str, dict[str, float]], ...] = field(default=())

    def __add__(self, other: Judged) -> Judged:
        return Judged(self.rows + other.rows, self.by_label + other.by_label)


def judge(
    predictor: Predictor,
    cases: Sequence[Case],
    prepared: Mapping[str, PreparedCase],
    role: str,
    look: Look | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Judged:
    """Predict every case and compare it with its truth.

    Parameters
    ----------
    predictor : the network(s).
    cases : with truth.
    prepared : by id; a case that could not be prepared is missing here and counts as failed.
    role : "train", "validation" or "test", for the rows.
    look : called with each case, its answer and (segment) its native label map, to keep or draw it.
    progress : called with (done, total).
    """
    task = predictor.task
    judged = Judged(())
    for number, case in enumerate(cases):
        try:
            answer = predictor.answer(feed_case(case, prepared[case.id], task))
            judged += (
                _segment(case, answer, prepared[case.id], predictor, task, role, look)
                if isinstance(task, SegmentTask)
                else _tell(case, answer, task, role)
            )
            if look is not None and not isinstance(task, SegmentTask):
                look(case, answer, None)
        except VoxTempoError as error:
            judged += _failed(case, task, role, str(error))
        if progress is not None:
            progress(number + 1, len(cases))
    return judged


def _truths(case: Case) -> Iterator[tuple[str, Any]]:
    """Yield (row id, truth) for the case, or for each of its events."""
    if case.events:
        yield from ((event_unit(case.id, event.onset), event.label) for event in case.events)
    else:
        yield case.id, case.target


def _row(unit: str, case: Case, role: str, truth: Any, status: str = "ok") -> Row:
    return {"id": unit, "subject": case.subject, "group": case.group, "role": role, "truth": truth, "status": status}


def _tell(case: Case, answer: Answer, task: LearningTask, role: str) -> Judged:
    rows = []
    for unit, truth in _truths(case):
        said = answer.units[unit]
        row = _row(unit, case, role, truth)
        if isinstance(task, ClassifyTask):
            row["predicted"] = task.classes[int(said.argmax())]
            row |= {f"p_{name}": float(p) for name, p in zip(task.classes, said, strict=True)}
        else:
            row["predicted"] = float(said[0])
        rows.append(row)
    return Judged(tuple(rows))


def _segment(
    case: Case,
    answer: Answer,
    prepared: PreparedCase,
    predictor: Predictor,
    task: SegmentTask,
    role: str,
    look: Look | None,
) -> Judged:
    assert answer.probabilities is not None
    assert case.mask is not None
    labels = native_label_map(
        answer.probabilities, prepared.image.geometry, prepared.native, task, case.id, predictor.operations
    )
    truth = read_scan(case.mask, kind="label").volume()
    figures = judge_structures(
        labels.volume(), truth, task, prepared.native.spacing, predictor.study.evaluate.tolerance
    )
    if look is not None:
        look(case, answer, labels)
    return Judged((_row(case.id, case, role, str(case.mask)) | _flat(figures),), (figures,))


def _flat(figures: Mapping[str, Mapping[str, float]]) -> Row:
    return {f"{metric}_{label}": value for label, each in figures.items() for metric, value in each.items()}


def _failed(case: Case, task: LearningTask, role: str, why: str) -> Judged:
    """Return the rows of a case that gave no answer: the worst one."""
    if isinstance(task, SegmentTask):
        assert case.mask is not None
        figures = fail_structures(read_scan(case.mask, kind="label"), task)
        return Judged((_row(case.id, case, role, str(case.mask), why) | _flat(figures),), (figures,))
    rows = []
    for unit, truth_value in _truths(case):
        row = _row(unit, case, role, truth_value, why)
        row["predicted"] = "" if isinstance(task, ClassifyTask) else math.nan
        if isinstance(task, ClassifyTask):
            row |= {f"p_{name}": math.nan for name in task.classes}
        rows.append(row)
    return Judged(tuple(rows))


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
    answers = _answers(rows, task)
    truth: Any = [row["truth"] for row in rows]
    if by == "subject":
        merged = aggregate_by_subject(answers, truth, [row["subject"] for row in rows])
        group_of = {row["subject"]: row["group"] for row in rows}
        answers, truth = merged.probabilities, merged.truth
        groups = [group_of[str(subject)] for subject in merged.subjects]
    if isinstance(task, ClassifyTask):
        return classification_metrics(answers, truth, task.classes, groups, **settings)
    return regression_metrics(answers[:, 0], np.asarray(truth, dtype=np.float64), groups, **settings)


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
    """
    task = tasks[0]
    if isinstance(task, SegmentTask):
        return {}
    settings: dict[str, Any] = {"resamples": study.evaluate.intervals, "seed": study.split.seed}
    kept = {row["subject"] if by == "subject" else row["id"]: row for row in judged.rows}.values()
    truth = [row["truth"] for row in kept]
    groups = [row["group"] for row in kept]
    if isinstance(task, ClassifyTask):
        return classification_baseline(truth, task.classes, groups, training_truth, **settings)
    mean = float(np.mean([each.mean for each in tasks if isinstance(each, RegressTask)]))
    return regression_baseline([float(value) for value in truth], mean, groups, **settings)


def subgroups_of(judged: Judged, task: LearningTask, study: Study, cases: Sequence[Case]) -> dict[str, Any]:
    """Return the figures of every subgroup of the columns the study names."""
    columns = {case.id: case.row for case in cases}
    found = {}
    for column in study.evaluate.subgroups:
        values = [columns[row["id"].split("@")[0]].get(column, "") for row in judged.rows]
        found[column] = subgroup_metrics(
            values, lambda chosen: metrics_of(_only(judged, chosen), task, study, study.evaluate.by)
        )
    return found


def _only(judged: Judged, chosen: Sequence[int] | np.ndarray) -> Judged:
    return Judged(
        tuple(judged.rows[int(i)] for i in chosen),
        tuple(judged.by_label[int(i)] for i in chosen) if judged.by_label else (),
    )
