"""Whether classes differ in age, sex, site or another covariate, so that a network may learn that instead of the finding."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from voxtempo.cohort.case import Case, Cohort
from voxtempo.cohort.natural import natural
from voxtempo.cohort.problem import Problem
from voxtempo.cohort.table import is_missing, number_in

KNOWN = (
    "age", "sex", "gender", "education", "handedness", "site", "scanner", "centre", "center", "hospital", "manufacturer",
    "model", "field_strength", "fieldstrength", "magnetic_field_strength",
)  # fmt: skip
LARGE, SHARE, CHANCE, PERMUTATIONS = 0.25, 0.06, 0.01, 999
"""A standardised mean difference, and a share of variance, that are worth a warning where chance explains them less often than
in one of a hundred cohorts."""

FEW_VALUES = 10
Numbers = NDArray[np.float64]


def is_covariate(column: str) -> bool:
    """Return whether a column, by its name, says who people are or where they were scanned.

    >>> is_covariate("Field Strength"), is_covariate("diagnosis")
    (True, False)
    """
    return column.lower().replace(" ", "_") in KNOWN


def repeats_truth(column: str, cases: Sequence[Case]) -> bool:
    """Return whether a column is the truth itself, under whatever name: the same in every case of which both are known."""
    known = [case for case in cases if case.target is not None and not is_missing(case.row.get(column, ""))]
    return bool(known) and all(case.target in (case.row[column], number_in(case.row[column])) for case in known)


def unequal_covariates(cohort: Cohort, columns: Sequence[str], target: str | None) -> tuple[Problem, ...]:
    """Return a warning for every covariate that differs between the classes, or goes with the target that is regressed.

    Judged over groups (subjects), each with its first case: by the largest standardised mean difference between two classes
    (Austin 2009, Statistics in Medicine 28:3083-3107; for categories that of each one's share), or by the share of the
    target's variance, against permutations of the truth.

    Parameters
    ----------
    cohort : with its truth.
    columns : looked at beside those of well-known names.
    target : column that holds the truth; it is left out.
    """
    people: dict[str, Case] = {}
    for case in sorted(cohort, key=lambda case: natural(case.id)):
        if case.target is not None:
            people.setdefault(case.group, case)
    cases = [people[name] for name in sorted(people, key=natural)]
    if len(cases) < 4:
        return ()
    names = [name for name in cases[0].row if name in columns or is_covariate(name)]
    problems = []
    for name in names:
        known = [case for case in cases if not is_missing(case.row[name])]
        if name != target and len(known) > 3 and not repeats_truth(name, known):
            problems += _judged(name, known)
    return tuple(problems)


def _judged(name: str, cases: Sequence[Case]) -> list[Problem]:
    values, levels = described([case.row[name] for case in cases])
    if values.shape[1] == 0 or values.shape[1] > max(FEW_VALUES, len(cases) // 5) or not np.ptp(values, axis=0).any():
        return []
    truth = np.array([case.target for case in cases])
    rng = np.random.default_rng(0)
    orders = [rng.permutation(len(truth)) for _ in range(PERMUTATIONS)]
    if truth.dtype.kind == "f":
        found = _explained(values, truth)
        if found < SHARE:
            return []
        p = (1 + sum(_explained(values, truth[order]) >= found for order in orders)) / (1 + PERMUTATIONS)
        if p > CHANCE:
            return []
        message = f"'{name}' explains {found:.0%} of the variance of the target (p = {p:.2g})"
        way = "'evaluate.subgroups' shows the figures at each of its values"
        return [
            Problem("warning", name, f"{message} over {len(cases)} subjects, so a network may learn it instead; {way}.")
        ]
    classes = sorted(set(truth.tolist()), key=natural)
    codes = np.array([classes.index(label) for label in truth])
    if np.bincount(codes).min() < 2 or len(classes) < 2:
        kept = np.isin(codes, np.flatnonzero(np.bincount(codes) >= 2))
        values, codes = values[kept], np.unique(codes[kept], return_inverse=True)[1]
        classes = [name for name in classes if (truth == name).sum() >= 2]
        orders = [rng.permutation(len(codes)) for _ in range(PERMUTATIONS)]
        if len(classes) < 2:
            return []
    found, (first, second, level) = largest_difference(values, codes)
    if found <= LARGE:
        return []
    p = (1 + sum(largest_difference(values, codes[order])[0] >= found for order in orders)) / (1 + PERMUTATIONS)
    if p > CHANCE:
        return []
    means = [values[codes == side, level].mean() for side in (first, second)]
    shown = [f"{mean:.0%}" if levels else f"mean {mean:.1f}" for mean in means]
    which = f"'{name}'" + (f" = {levels[level]}" if levels else "")
    message = (
        f"classes differ in {which}: {shown[0]} of {classes[first]}, {shown[1]} of {classes[second]} (standardised difference "
        f"{found:.2f}, p = {p:.2g}, {len(codes)} subjects), so a network may learn it instead of the class. "
        f"'cohort: {{match: [{name}]}}' keeps a balanced subset; 'split.stratify' and 'evaluate.subgroups' show the rest."
    )
    return [Problem("warning", name, message)]


def described(texts: Sequence[str]) -> tuple[Numbers, list[str]]:
    """Return a column as numbers, (n, 1), or its categories as (n, levels) of 0 and 1 with their names.

    Two numbers as values (sex as 0 and 1) are categories.
    """
    numbers = [number_in(text) for text in texts]
    if all(number is not None for number in numbers) and len(set(numbers)) > 2:
        return np.array(numbers, np.float64)[:, None], []
    levels = sorted(set(texts), key=natural)
    return np.array([[text == level for level in levels] for text in texts], np.float64), levels


def largest_difference(values: Numbers, codes: NDArray[np.intp]) -> tuple[float, tuple[int, int, int]]:
    """Return the largest standardised mean difference of a column of values (n, columns) between two classes, and where.

    The difference of the means over the root of the mean of both variances; 0 where neither varies and both are equal.
    """
    classes = range(int(codes.max()) + 1)
    means = np.array([values[codes == code].mean(axis=0) for code in classes])
    variances = np.array([values[codes == code].var(axis=0, ddof=1) for code in classes])
    best, place = -1.0, (0, 1, 0)
    for first, second in combinations(classes, 2):
        spread = np.sqrt((variances[first] + variances[second]) / 2)
        gap = np.abs(means[first] - means[second])
        with np.errstate(divide="ignore", invalid="ignore"):
            differences = np.where(gap == 0, 0.0, gap / spread)
        level = int(np.argmax(differences))
        if differences[level] > best:
            best, place = float(differences[level]), (first, second, level)
    return best, place


def _explained(values: Numbers, truth: Numbers) -> float:
    """Return the share of the truth's variance that a number (squared correlation) or categories (eta squared) explain."""
    centred = truth - truth.mean()
    design = values - values.mean(axis=0)
    fitted = design @ np.linalg.lstsq(design, centred, rcond=None)[0]
    return float((fitted @ fitted) / max(centred @ centred, 1e-30))
