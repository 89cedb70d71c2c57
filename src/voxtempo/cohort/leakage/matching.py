"""The largest subset of subjects in which the classes are alike in age, sex or what else the study names.

Pairs are made by optimal assignment (Rosenbaum 1989, JASA 84:1024-1032) with a caliper (Austin 2011, Pharmaceutical Statistics
10:150-161), not one after the other, so that the order of the rows does not decide who stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from voxtempo.cohort.case import Case, Cohort
from voxtempo.cohort.natural import natural
from voxtempo.cohort.problem import Problem, few
from voxtempo.cohort.table import is_missing, number_in
from voxtempo.errors import CohortError, did_you_mean

IMPOSSIBLE = 1e6


def match_subjects(cohort: Cohort, columns: Sequence[str], caliper: float = 0.25) -> Cohort:
    """Return the cohort with as many subjects of each class, each with a partner in every other class.

    Partners have equal texts, and numbers that differ by no more than ``caliper`` standard deviations. The smallest class is
    matched with the others one by one, the next larger first; each time as many pairs as possible are kept, and among those
    the ones with the smallest differences. It is exact for two classes. Subjects of several classes, or whose columns are
    not known, are left out.

    Parameters
    ----------
    cohort : of a classification.
    columns : to be alike in.
    caliper : largest difference of a number, in its standard deviations over all subjects.

    Raises
    ------
    CohortError : no such column, no class, or nobody can be matched.
    """
    if not cohort.classes or any(case.target is None for case in cohort):
        raise CohortError(
            "cohort.match: classes are matched, so it needs 'task: classify' with a column as the target."
        )
    for column in columns:
        if column not in cohort.cases[0].row:
            raise CohortError(
                f"cohort.match: there is no column '{column}'. {did_you_mean(column, cohort.cases[0].row)}"
            )
    people: dict[str, list[Case]] = {}
    for case in sorted(cohort, key=lambda case: natural(case.id)):
        people.setdefault(case.subject, []).append(case)
    by_class: dict[str, list[str]] = {name: [] for name in cohort.classes}
    for subject in sorted(people, key=natural):
        labels = {str(case.target) for case in people[subject]}
        if len(labels) == 1 and not any(is_missing(people[subject][0].row[column]) for column in columns):
            by_class[labels.pop()].append(subject)
    distances = _Distances({subject: cases[0] for subject, cases in people.items()}, columns, caliper)
    order = sorted(by_class, key=lambda name: (len(by_class[name]), cohort.classes.index(name)))
    kept = {subject: [subject] for subject in by_class[order[0]]}
    for name in order[1:]:
        partners = distances.pairs(list(kept), by_class[name])
        kept = {subject: [*kept[subject], partners[subject]] for subject in kept if subject in partners}
    stay = {subject for group in kept.values() for subject in group}
    if not stay:
        raise CohortError(
            f"cohort.match: no subject of '{order[0]}' has a partner in every class that is alike in {', '.join(columns)} "
            f"(numbers within {caliper:g} standard deviations). Match fewer columns, or widen 'cohort.caliper'."
        )
    cases = tuple(case for case in cohort if case.subject in stay)
    left = [subject for subject in sorted(people, key=natural) if subject not in stay]
    problems = list(cohort.problems)
    if left:
        message = f"{len(left)} subjects without a partner alike in {', '.join(columns)} are left out: {few(left, len(left))}."
        problems.append(Problem("note", "cohort.match", message))
    step = (f"matched on {', '.join(columns)}", len(cases), len(stay))
    return replace(cohort, cases=cases, flow=(*cohort.flow, step), problems=tuple(problems))


class _Distances:
    """How unlike two subjects are: the sum of the differences of their numbers in standard deviations."""

    def __init__(self, people: dict[str, Case], columns: Sequence[str], caliper: float) -> None:
        self._numbers: list[dict[str, float]] = []
        self._texts: list[dict[str, str]] = []
        self._caliper = caliper
        for column in columns:
            texts = {name: case.row[column] for name, case in people.items() if not is_missing(case.row[column])}
            numbers = {name: number_in(text) for name, text in texts.items()}
            known = [number for number in numbers.values() if number is not None]
            if len(known) == len(texts) and len(set(known)) > 2:
                spread = float(np.std(known)) or 1.0
                self._numbers.append({name: number / spread for name, number in numbers.items() if number is not None})
            else:
                self._texts.append(texts)

    def pairs(self, first: Sequence[str], second: Sequence[str]) -> dict[str, str]:
        """Return the partner in ``second`` of each subject in ``first`` that has one."""
        cost: NDArray[np.float64] = np.zeros((len(first), len(second)))
        for texts in self._texts:
            one, two = (np.array([texts[name] for name in names], dtype=object) for names in (first, second))
            cost += np.where(one[:, None] == two[None, :], 0.0, IMPOSSIBLE)
        for numbers in self._numbers:
            one, two = (np.array([numbers[name] for name in names]) for names in (first, second))
            gap = np.abs(one[:, None] - two[None, :])
            cost += np.where(gap <= self._caliper + 1e-12, gap, IMPOSSIBLE)
        rows, columns = linear_sum_assignment(np.minimum(cost, IMPOSSIBLE))
        return {first[i]: second[j] for i, j in zip(rows, columns, strict=True) if cost[i, j] < IMPOSSIBLE}
