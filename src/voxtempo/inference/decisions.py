"""What was fitted on validation cases and stands between an answer and what is made of it: a threshold, a line of bias.

Both are files of the run folder, and are applied to the rows of judged cases; the network's own answers stay as they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from voxtempo.assess import AgeBias, decision_curve
from voxtempo.cohort import Study
from voxtempo.inference.figures import judged_units
from voxtempo.inference.judged import Judged, Row
from voxtempo.inference.promise import promise_in, with_sets
from voxtempo.inference.record import read_record
from voxtempo.learning.tasks import ClassifyTask, LearningTask

THRESHOLD, AGE_BIAS = "threshold.json", "age_bias.json"


def threshold_in(folder: Path) -> float | None:
    """Return the probability from which a folder's networks say the second class; None where it records none.

    Raises
    ------
    RunError : the record is damaged.
    """
    return read_record(folder / THRESHOLD, lambda record: float(record["threshold"]))


def age_bias_in(folder: Path) -> AgeBias | None:
    """Return the line of a folder's age bias; None where there is none.

    Raises
    ------
    RunError : the record is damaged.
    """

    def read(record: dict[str, Any]) -> AgeBias | None:
        return None if record["slope"] is None else AgeBias(float(record["intercept"]), float(record["slope"]))

    return read_record(folder / AGE_BIAS, read)


def say_class(task: ClassifyTask, probabilities: Any, threshold: float | None) -> str:
    """Return the predicted class: the likeliest, or of two classes the second from a threshold on.

    Parameters
    ----------
    task : names the classes.
    probabilities : (classes,).
    threshold : None for the likeliest.
    """
    if threshold is None:
        return task.classes[int(probabilities.argmax())]
    return task.classes[int(float(probabilities[1]) >= threshold)]


def at_threshold(judged: Judged, task: LearningTask, threshold: float | None) -> Judged:
    """Return judged cases with the classes that a threshold predicts, and the threshold beside them; None changes nothing."""
    if threshold is None or not isinstance(task, ClassifyTask):
        return judged
    limit, column = threshold, f"p_{task.classes[1]}"

    def called(row: Row) -> Row:
        said = task.classes[int(row[column] >= limit)] if row["status"] == "ok" else row["predicted"]
        return row | {"predicted": said, "threshold": limit}

    return judged.with_rows(called(row) for row in judged.rows)


def decision_curve_of(judged: Judged, task: LearningTask, study: Study) -> dict[str, Any]:
    """Return the decision curve of two classes as ``metrics.json`` has it; nothing for other tasks."""
    if not isinstance(task, ClassifyTask) or len(task.classes) != 2:
        return {}
    answers, truth, groups = judged_units(judged.rows, task, study.evaluate.by)
    positive = [str(value) == task.classes[1] for value in truth]
    curve = decision_curve(answers[:, 1], positive, groups, resamples=study.evaluate.intervals, seed=study.split.seed)
    return {"positive": task.classes[1], **curve.as_json()}


def beside_line(judged: Judged, bias: AgeBias | None) -> Judged:
    """Return judged cases with what the line expects at each truth, and the gap from it; None changes nothing."""
    if bias is None:
        return judged

    def expected(row: Row) -> Row:
        line = float(bias.expected(float(row["truth"])))
        return row | {"expected": line, "corrected_gap": row["predicted"] - line}

    return judged.with_rows(expected(row) for row in judged.rows)


def decided(folder: Path, judged: Judged, task: LearningTask) -> Judged:
    """Return judged cases with all that a run folder says is to be made of their answers."""
    judged = beside_line(at_threshold(judged, task, threshold_in(folder)), age_bias_in(folder))
    return with_sets(judged, promise_in(folder), task)
