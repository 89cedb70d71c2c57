"""What a run promises of new cases: sets of classes, intervals, and outer masks that miss little of a structure.

The promise is made on validation subjects, whose answers are taken as the networks gave them, before calibration: a map that is
fitted on the same subjects would weaken it. See ``assess.conformal`` for when it holds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxtempo.assess.conformal import (
    Conformity,
    class_scores,
    class_sets,
    quantile_over_subjects,
    value_scores,
)
from voxtempo.cohort import ValidationView, fitted_on
from voxtempo.inference.judged import Judged, Row, refuse_rows_of_others
from voxtempo.inference.record import read_record
from voxtempo.learning.tasks import ClassifyTask, LearningTask, RegressTask, SegmentTask

CONFORMAL = "conformal.json"
BETWEEN = "|"
"""Stands between the classes of a set in ``predictions.csv``."""

LEAST_SCALE = 0.01
"""Added to each value's uncertainty, in standard deviations of the training truths: no interval shrinks to a point."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Promise:
    """What was fitted.

    Parameters
    ----------
    coverage : wanted chance that a set holds the truth, or wanted mean share of a structure that its outer mask holds.
    conformity : score of sets and intervals; None for outer masks.
    quantile : of the scores; infinite where too many validation cases failed.
    floor : added to the uncertainty of each value, for "normalised".
    thresholds : structure -> least probability of its outer mask; one without a promise is missing.
    """

    coverage: float
    conformity: Conformity | None = None
    quantile: float = math.inf
    floor: float = 0.0
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def columns(self, task: LearningTask, said: NDArray[np.float32], row: Mapping[str, Any]) -> Row:
        """Return "set", or "low" and "high", for a row.

        Parameters
        ----------
        task : names the classes.
        said : (networks, looks, k) of the row.
        row : has "predicted" and, for "normalised", "uncertainty".
        """
        if isinstance(task, ClassifyTask) and self.conformity is not None:
            inside = class_sets(said.mean(axis=(0, 1))[None], self.quantile, self.conformity)[0]
            return {"set": BETWEEN.join(name for name, one in zip(task.classes, inside, strict=True) if one)}
        if isinstance(task, RegressTask):
            scale = float(row["uncertainty"]) + self.floor if self.conformity == "normalised" else 1.0
            return {"low": row["predicted"] - self.quantile * scale, "high": row["predicted"] + self.quantile * scale}
        return {}

    def as_json(self) -> dict[str, Any]:
        """Return what ``promise_in`` reads; an infinite quantile is null."""
        return {
            "coverage": self.coverage,
            "conformity": self.conformity,
            "quantile": self.quantile,
            "floor": self.floor,
            "thresholds": dict(self.thresholds),
        }


def promise_in(folder: Path) -> Promise | None:
    """Return what a run folder promises; None where it promises nothing.

    Raises
    ------
    RunError : the record is damaged.
    """

    def read(record: dict[str, Any]) -> Promise:
        quantile = math.inf if record["quantile"] is None else float(record["quantile"])
        thresholds = {str(name): float(value) for name, value in record["thresholds"].items() if value is not None}
        return Promise(float(record["coverage"]), record["conformity"], quantile, float(record["floor"]), thresholds)

    return read_record(folder / CONFORMAL, read)


def with_sets(judged: Judged, promise: Promise | None, task: LearningTask) -> Judged:
    """Return judged cases with their sets or intervals; a failed case has an empty one."""
    if promise is None or isinstance(task, SegmentTask):
        return judged
    empty: Row = {"set": ""} if isinstance(task, ClassifyTask) else {"low": math.nan, "high": math.nan}
    pairs = zip(judged.rows, judged.said, strict=True)
    return judged.with_rows(
        row | (promise.columns(task, said, row) if row["status"] == "ok" else empty) for row, said in pairs
    )


@fitted_on(ValidationView, "view")
def promise_sets(
    view: ValidationView, judged: Judged, task: LearningTask, coverage: float, conformity: Conformity
) -> Promise:
    """Return the promise of sets (classify) or intervals (regress).

    Parameters
    ----------
    view : the only cases that it is fitted on.
    judged : all of them, failed ones too.
    task : of the run.
    coverage : wanted.
    conformity : score.

    Raises
    ------
    LeakageError : a case is not of the view.
    """
    refuse_rows_of_others(view, judged)
    groups = [row["group"] for row in judged.rows]
    if isinstance(task, ClassifyTask):
        raw = np.array([said.mean(axis=(0, 1)) for said in judged.said], np.float64)
        codes = [task.classes.index(str(row["truth"])) for row in judged.rows]
        scores = class_scores(raw, conformity)[np.arange(len(codes)), codes]
        return Promise(coverage, conformity, quantile_over_subjects(scores, groups, coverage))
    assert isinstance(task, RegressTask)
    floor = LEAST_SCALE * task.deviation if conformity == "normalised" else 0.0
    scale = [float(row.get("uncertainty", math.nan)) + floor for row in judged.rows] if floor else None
    predicted, truth = ([float(row[name]) for row in judged.rows] for name in ("predicted", "truth"))
    scores = value_scores(predicted, truth, scale)
    return Promise(
        coverage, conformity, quantile_over_subjects(np.nan_to_num(scores, nan=np.inf), groups, coverage), floor
    )
