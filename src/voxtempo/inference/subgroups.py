"""Judged cases by subgroup: the same figures for each of them, and how far the best and the worst are apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from voxtempo.assess import class_codes, subgroup_metrics, subgroup_of
from voxtempo.assess.answer_intervals import AVERAGED
from voxtempo.assess.classification import classification_statistic
from voxtempo.assess.figure import Figure
from voxtempo.assess.gaps import Part, subgroup_gaps
from voxtempo.assess.intervals import mean_statistic
from voxtempo.assess.regression import regression_statistic
from voxtempo.assess.resampling import FEWEST_SUBJECTS
from voxtempo.assess.segmentation import structure_columns
from voxtempo.assess.subgroups import UNKNOWN
from voxtempo.cohort.case import Case
from voxtempo.cohort.study import Study
from voxtempo.inference.figures import fitted_beside, judged_units, metrics_of
from voxtempo.inference.judged import Judged, Row
from voxtempo.learning.cases import case_of
from voxtempo.learning.tasks import ClassifyTask, LearningTask, SegmentTask
from voxtempo.metrics import goal_of


def subgroups_of(judged: Judged, task: LearningTask, study: Study, cases: Sequence[Case]) -> dict[str, Any]:
    """Return the figures of every subgroup of the columns the study names."""
    return {
        column: subgroup_metrics(values, lambda chosen: metrics_of(judged.only(chosen), task, study, study.evaluate.by))
        for column, values in subgroup_values(judged.rows, study, cases).items()
    }


def gaps_of(
    judged: Judged, task: LearningTask, study: Study, cases: Sequence[Case], subgroups: Mapping[str, Any]
) -> dict[str, Any]:
    """Return column -> metric -> the best and the worst subgroup and how far they are apart; nested as the metrics are.

    Parameters
    ----------
    judged, task, study, cases : as in ``subgroups_of``.
    subgroups : what it returned.
    """
    settings = {"resamples": study.evaluate.intervals, "seed": study.split.seed}
    found = {}
    for column, values in subgroup_values(judged.rows, study, cases).items():
        groups = np.array(subgroup_of(values), dtype=object)
        parts = {
            name: _part(judged.only(np.flatnonzero(groups == name)), task, study.evaluate.by)
            for name in dict.fromkeys(groups.tolist())
            if name != UNKNOWN
        }
        keys = dict.fromkeys(key for part, names in parts.values() for key in part(np.ones((1, len(names)))))
        goals = {key: goal for key in keys if (goal := goal_of(key[0])) is not None}
        if isinstance(task, ClassifyTask) and not _same_classes(judged, groups, parts):
            goals = {(name, of): goal for (name, of), goal in goals.items() if of is not None or name not in AVERAGED}
        own = {name: {key: _figure_in(subgroups[column][name], key, task) for key in goals} for name in parts}
        figures = {name: {key: figure for key, figure in each.items() if figure} for name, each in own.items()}
        found[column] = _nested(subgroup_gaps(parts, goals, **settings, figures=figures), task)
    return found


def _same_classes(judged: Judged, groups: np.ndarray, parts: Mapping[str, Part[Any]]) -> bool:
    """Return whether all groups that are compared hold the same classes: averages over other classes are no comparison."""
    truth = np.array([str(row["truth"]) for row in judged.rows])
    enough = [name for name, (_, people) in parts.items() if len(set(map(str, people))) >= FEWEST_SUBJECTS]
    return len({frozenset(truth[groups == name]) for name in enough}) < 2


def subgroup_values(rows: Sequence[Row], study: Study, cases: Sequence[Case]) -> dict[str, list[str]]:
    """Return column -> its value for every judged row, of the columns the study names."""
    columns = {case.id: case.row for case in cases}
    own = [columns[case_of(row["id"], columns)] for row in rows]
    return {column: [each.get(column, "") for each in own] for column in study.evaluate.subgroups or ()}


def _part(judged: Judged, task: LearningTask, by: str) -> Part[tuple[str, Any]]:
    """Return the function from weights of the rows to their figures by (metric, class or label), and the rows' groups."""
    if isinstance(task, SegmentTask):
        columns = structure_columns(judged.by_label, task.averaged)
        return mean_statistic(columns), [row["group"] for row in judged.rows]
    answers, truth, groups = judged_units(judged.rows, task, by)
    if isinstance(task, ClassifyTask):
        thresholds = fitted_beside(judged.rows, "threshold", by)
        return classification_statistic(answers, class_codes(truth, task.classes), thresholds), groups
    of_numbers = regression_statistic(answers[:, 0], np.asarray(truth, dtype=np.float64))
    return lambda weights: {(name, None): values for name, values in of_numbers(weights).items()}, groups


def _figure_in(metrics: Mapping[str, Any], key: tuple[str, Any], task: LearningTask) -> Figure | None:
    """Return the figure of (metric, class or label) among a subgroup's metrics."""
    name, of = key
    if isinstance(task, ClassifyTask) and of is not None:
        found = metrics["per_class"][task.classes[of]].get(name)
    else:
        found = metrics.get(name) if of is None else metrics.get(name, {}).get(of)
    return found if isinstance(found, Figure) else None


def _nested(gaps: Mapping[tuple[str, Any], Any], task: LearningTask) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for (name, of), gap in gaps.items():
        if of is None:
            nested[name] = gap
        elif isinstance(task, ClassifyTask):
            nested.setdefault("per_class", {}).setdefault(task.classes[of], {})[name] = gap
        else:
            nested.setdefault(name, {})[of] = gap
    return nested
