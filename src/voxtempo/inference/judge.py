"""Answers against truths: one row a case (or event), never dropped."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxtempo.cohort.case import Case
from voxtempo.errors import VoxTempoError
from voxtempo.inference.answer import Answer
from voxtempo.inference.certainty import unit_certainty
from voxtempo.inference.judged import Judged, Row
from voxtempo.inference.native import native_label_map
from voxtempo.inference.predictor import Predictor
from voxtempo.inference.structures import fail_structures, judge_structures
from voxtempo.learning.cases import event_unit, feed_case
from voxtempo.learning.tasks import ClassifyTask, LearningTask, SegmentTask
from voxtempo.prepare import PreparedCase
from voxtempo.scans import Scan, read_scan

Look = Callable[[Case, Answer, "Scan | None"], None]


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
    judged: list[Judged] = []
    for number, case in enumerate(cases):
        try:
            answer = predictor.answer(feed_case(case, prepared[case.id], task))
            judged.append(
                _segment(case, answer, prepared[case.id], predictor, task, role, look)
                if isinstance(task, SegmentTask)
                else _tell(case, answer, task, role)
            )
            if look is not None and not isinstance(task, SegmentTask):
                look(case, answer, None)
        except VoxTempoError as error:
            judged.append(_failed(case, task, role, str(error)))
        if progress is not None:
            progress(number + 1, len(cases))
    return Judged.joined(judged)


def truths_of(case: Case) -> Iterator[tuple[str, Any]]:
    """Yield (row id, truth) for the case, or for each of its events."""
    if case.events:
        yield from ((event_unit(case.id, event.onset), event.label) for event in case.events)
    else:
        yield case.id, case.target


def _row(unit: str, case: Case, role: str, truth: Any, status: str = "ok") -> Row:
    return {"id": unit, "subject": case.subject, "group": case.group, "role": role, "truth": truth, "status": status}


def _tell(case: Case, answer: Answer, task: LearningTask, role: str) -> Judged:
    rows, said = [], []
    for unit, truth in truths_of(case):
        rows.append(
            _row(unit, case, role, truth) | answer_columns(task, answer.units[unit]) | answer.certainty.get(unit, {})
        )
        said.append(answer.said[unit])
    return Judged(tuple(rows), said=tuple(said))


def answer_columns(task: LearningTask, answer: NDArray[np.float32]) -> Row:
    """Return "predicted", and for classes their probabilities, of an answer (k,)."""
    if isinstance(task, ClassifyTask):
        chances = {f"p_{name}": float(p) for name, p in zip(task.classes, answer, strict=True)}
        return {"predicted": task.classes[int(answer.argmax())], **chances}
    return {"predicted": float(answer[0])}


def told_again(judged: Judged, predictor: Predictor) -> Judged:
    """Return judged classes or values with the answers that a predictor makes of what was said; no network is asked again."""
    rows = []
    for row, said in zip(judged.rows, judged.said, strict=True):
        if row["status"] == "ok":
            answer = predictor.together(said)
            row = row | answer_columns(predictor.task, answer) | unit_certainty(predictor.task, answer, said)
        rows.append(row)
    return judged.with_rows(rows)


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
    evaluate = predictor.study.evaluate
    figures = judge_structures(
        labels.volume(), truth, task, prepared.native.spacing, evaluate.tolerance, evaluate.lesion_overlap
    )
    if look is not None:
        look(case, answer, labels)
    row = _row(case.id, case, role, str(case.mask)) | answer.certainty[case.id] | _flat(figures)
    return Judged((row,), (figures,))


def _flat(figures: Mapping[str, Mapping[str, float]]) -> Row:
    return {f"{metric}_{label}": value for label, each in figures.items() for metric, value in each.items()}


def _failed(case: Case, task: LearningTask, role: str, why: str) -> Judged:
    """Return the rows of a case that gave no answer: the worst one."""
    if isinstance(task, SegmentTask):
        assert case.mask is not None
        figures = fail_structures(read_scan(case.mask, kind="label"), task)
        return Judged((_row(case.id, case, role, str(case.mask), why) | _flat(figures),), (figures,))
    rows = []
    for unit, truth_value in truths_of(case):
        row = _row(unit, case, role, truth_value, why)
        row["predicted"] = "" if isinstance(task, ClassifyTask) else math.nan
        if isinstance(task, ClassifyTask):
            row |= {f"p_{name}": math.nan for name in task.classes}
        rows.append(row)
    nothing = np.full((1, 1, len(task.classes) if isinstance(task, ClassifyTask) else 1), np.nan, np.float32)
    return Judged(tuple(rows), said=(nothing,) * len(rows))
