"""Figures of certainty over judged cases: calibration, what was promised and was held, and uncertainty against error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from voxtempo.assess import class_codes, mean_figures
from voxtempo.assess.calibration import calibration_metrics
from voxtempo.assess.coverage import coverage_metrics
from voxtempo.assess.paired_tests import subject_means
from voxtempo.assess.selective import selective_metrics
from voxtempo.cohort.case import Case
from voxtempo.cohort.study import Study
from voxtempo.inference.figures import judged_units
from voxtempo.inference.judge import told_again
from voxtempo.inference.judged import Judged, Row
from voxtempo.inference.predictor import Predictor
from voxtempo.inference.promise import BETWEEN, Promise
from voxtempo.inference.subgroups import subgroup_values
from voxtempo.learning.tasks import ClassifyTask, LearningTask, SegmentTask

MASKS_CLAIMED_FROM = 100
"""Fewest subjects of whom the interval of what outer masks hold claims its 95 %."""


def certainty_of(
    judged: Judged, predictor: Predictor, study: Study, cases: Sequence[Case], promise: Promise | None
) -> dict[str, Any]:
    """Return "calibration" (classify), "conformal" (where something was promised) and "uncertainty" (where any is told).

    Parameters
    ----------
    judged : the test cases.
    predictor : that answered.
    study : number of resamples, the seed, subgroups.
    cases : all of them, for the columns of subgroups.
    promise : what was made on the validation subjects.
    """
    settings = {"resamples": study.evaluate.intervals, "seed": study.split.seed}
    task = predictor.task
    found: dict[str, Any] = {}
    if isinstance(task, ClassifyTask):
        found["calibration"] = _calibration(judged, predictor, task, study, settings)
    if promise is not None:
        if isinstance(task, SegmentTask):
            found["conformal"] = _masks(judged.rows, task, promise, settings)
        else:
            columns = _columns(judged.rows, task, study, cases)
            found["conformal"] = _sets(judged.rows, task, promise, columns, settings)
    told = [float(row.get("uncertainty", math.nan)) for row in judged.rows]
    if np.isfinite(told).any():
        error = errors_of(judged, task)
        wrong = error > 0 if isinstance(task, ClassifyTask) else None
        groups = [row["group"] for row in judged.rows]
        found["uncertainty"] = selective_metrics(told, error, groups, wrong, **settings)
    return found


def errors_of(judged: Judged, task: LearningTask) -> np.ndarray:
    """Return the error of every row (n,): whether the class is wrong, the size of a value's error, 1 - mean Dice.

    A failed value is as far off as the range of the truths allows.
    """
    if isinstance(task, SegmentTask):
        return np.array([1 - np.mean([figures[name]["dice"] for name in task.averaged]) for figures in judged.by_label])
    if isinstance(task, ClassifyTask):
        return np.array([float(row["predicted"] != str(row["truth"])) for row in judged.rows])
    truth = np.array([float(row["truth"]) for row in judged.rows])
    error = np.abs(np.array([float(row["predicted"]) for row in judged.rows]) - truth)
    return np.where(np.isfinite(error), error, np.maximum(truth - truth.min(), truth.max() - truth))


def _calibration(
    judged: Judged, predictor: Predictor, task: ClassifyTask, study: Study, settings: dict[str, Any]
) -> dict[str, Any]:
    def figures(each: Judged) -> dict[str, Any]:
        answers, truth, groups = judged_units(each.rows, task, study.evaluate.by)
        return calibration_metrics(answers, class_codes(truth, task.classes), task.classes, groups, **settings)

    if all(each.neutral for each in predictor.calibrations):  # none asked for, or none that could be fitted
        return {"method": "none", "test": figures(judged)}
    before = told_again(judged, predictor.with_calibrations(()))
    method = next(each.method for each in predictor.calibrations if not each.neutral)
    return {"method": method, "test": figures(judged), "test_before": figures(before)}


def _columns(rows: Sequence[Row], task: LearningTask, study: Study, cases: Sequence[Case]) -> dict[str, list[str]]:
    groups = {"class": [str(row["truth"]) for row in rows]} if isinstance(task, ClassifyTask) else {}
    return groups | subgroup_values(rows, study, cases)


def _sets(
    rows: Sequence[Row], task: LearningTask, promise: Promise, groups: dict[str, list[str]], settings: dict[str, Any]
) -> dict[str, Any]:
    ok = [row["status"] == "ok" for row in rows]
    if isinstance(task, ClassifyTask):
        sets = [row["set"].split(BETWEEN) if one else [] for row, one in zip(rows, ok, strict=True)]
        covered = [str(row["truth"]) in inside for row, inside in zip(rows, sets, strict=True)]
        sizes = {"set_size": [float(len(inside)) if one else math.nan for inside, one in zip(sets, ok, strict=True)]}
    else:
        covered = [one and row["low"] <= float(row["truth"]) <= row["high"] for row, one in zip(rows, ok, strict=True)]
        sizes = {
            "interval_width": [row["high"] - row["low"] if one else math.nan for row, one in zip(rows, ok, strict=True)]
        }
    measured = coverage_metrics(covered, sizes, [row["group"] for row in rows], groups, **settings)
    return {"wanted": promise.coverage, "conformity": promise.conformity, **measured}


def _masks(rows: Sequence[Row], task: SegmentTask, promise: Promise, settings: dict[str, Any]) -> dict[str, Any]:
    """Return what outer masks hold and how large they are, over the cases that have the structure."""
    found: dict[str, Any] = {}
    for name, limit in promise.thresholds.items():
        there = [row for row in rows if math.isfinite(row[f"outer_missed_{name}"])]
        held = np.array([1 - row[f"outer_missed_{name}"] for row in there])
        volume = np.array([row[f"outer_volume_{name}"] for row in there])
        # What is promised is a mean over subjects, whatever the number of their scans.
        groups, codes = np.unique([row["group"] for row in there], return_inverse=True)
        columns = {"coverage": held, "outer_volume": volume}
        own = {key: subject_means(values, codes, len(groups)) for key, values in columns.items()}
        means = mean_figures(own, groups, **settings)
        # What is missed has a long tail: few subjects do not show it.
        means = {key: replace(figure, over="subjects") for key, figure in means.items()}
        means["coverage"] = replace(means["coverage"], claimed_from=MASKS_CLAIMED_FROM)
        found[name] = {"threshold": limit, **means}
    unpromised = [name for name in task.averaged if name not in promise.thresholds]
    return {"wanted": promise.coverage, "structures": found, "without_promise": unpromised}
