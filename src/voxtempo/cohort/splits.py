"""Who trains, who selects, who judges: folds by group, resembling each other, the same for the same seed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np

from voxtempo.cohort.balance import divide, group_profiles, strata_of
from voxtempo.cohort.case import Case, Cohort, Fold
from voxtempo.cohort.duplicates import DuplicateReport
from voxtempo.cohort.natural import natural
from voxtempo.cohort.problem import Problem, Severity, few
from voxtempo.cohort.sections.split import Split
from voxtempo.cohort.table import is_missing
from voxtempo.cohort.truths import truth_of
from voxtempo.errors import CohortError, LeakageError, did_you_mean

FOLDS = 5
ROLES = ("train", "validation", "test")
Strata = dict[str, tuple[str, ...]]

FEW_TESTED = 5
"""Fewer subjects on the test sides of all folds together are told."""


def make_folds(cohort: Cohort, split: Split) -> tuple[Fold, ...]:
    """Return the folds of a study; groups (subjects, and what identical images join to them) are never cut.

    Parameters
    ----------
    cohort : best after ``join_duplicates``.
    split : with ``test``, one test set is drawn and fold K of the rest is the validation (without ``folds``, a single
        fold whose validation is ``split.validation`` of the rest). Without ``test``, fold K is the test and
        ``split.validation`` of the rest selects; 0: nobody does. With ``column``, one value at a time is the test, every
        one or those in ``only``.

    Returns
    -------
    Folds with ids in natural order, independent of the rows' order. Sides are balanced over the target and the
    columns of ``stratify``. A class that only one group shows stays in training, wherever a column does not decide.
    With ``column``, cases outside the value that hold a copy of one of its images are on no side of that fold.

    Raises
    ------
    CohortError : fewer groups than sides, or no case with a value of ``only``. LeakageError : a subject has several values
        of ``column``.
    """
    strata: Strata = dict(zip((case.id for case in cohort), strata_of(cohort, split.stratify), strict=True))
    rng = np.random.default_rng(split.seed)
    if split.column is not None:
        return tuple(
            _fold(i, f"{split.column}={value}", rest, test, strata, split.validation, rng)
            for i, (value, test, rest) in enumerate(_by_value(cohort, split.column, split.only))
        )
    groups = {case.group for case in cohort}
    if split.test is not None:
        left = split.folds or (2 if split.validation else 1)
        beside = f"{split.folds} folds" if split.folds else "training and validation" if left == 2 else "training"
        _enough(groups, left + 1, f"a test set and {beside}")
        (test_groups,) = _carve(cohort.cases, strata, [split.test], rng, left=left)
        test = _cases_in(cohort.cases, test_groups)
        rest = _cases_outside(cohort.cases, test_groups)
        if split.folds is None:
            return (_fold(0, "fold 0", rest, test, strata, split.validation, rng),)
        parts = _carve(rest, strata, [1 / split.folds] * split.folds, rng)
        return tuple(
            Fold(i, f"fold {i}", _ids(_cases_outside(rest, part)), _ids(_cases_in(rest, part)), _ids(test))
            for i, part in enumerate(parts)
        )
    folds = split.folds or FOLDS
    selects = split.validation > 0
    least = 2 if folds == 2 and selects else 1
    beside = "training, validation and test" if selects else "training and test"
    _enough(groups, max(folds, least + 2 if selects else 2), f"{folds} folds with {beside}")
    parts = _carve(cohort.cases, strata, [1 / folds] * folds, rng, least=least)
    return tuple(
        _fold(
            i,
            f"fold {i}",
            _cases_outside(cohort.cases, part),
            _cases_in(cohort.cases, part),
            strata,
            split.validation,
            rng,
        )
        for i, part in enumerate(parts)
    )


def _fold(
    index: int, name: str, rest: Sequence[Case], test: Sequence[Case], strata: Strata, share: float,
    rng: np.random.Generator,
) -> Fold:  # fmt: skip
    if share == 0:
        _enough({case.group for case in rest}, 1, f"training beside the test of {name}")
        return Fold(index, name, _ids(rest), (), _ids(test))
    _enough({case.group for case in rest}, 2, f"training and validation beside the test of {name}")
    (chosen,) = _carve(rest, strata, [share], rng)
    return Fold(index, name, _ids(_cases_outside(rest, chosen)), _ids(_cases_in(rest, chosen)), _ids(test))


def _carve(
    cases: Sequence[Case],
    strata: Strata,
    shares: Sequence[float],
    rng: np.random.Generator,
    least: int = 1,
    left: int = 1,
) -> list[list[str]]:
    """Return disjoint lists of groups of about these shares; what the shares leave over is in none.

    Every list gets ``least`` groups or more, and ``left`` or more are left over. Groups that alone show a class are
    left over too, unless nothing else could fill the lists.
    """
    carriers: dict[str, set[str]] = {}
    for case in cases:
        if isinstance(case.target, str):
            carriers.setdefault(case.target, set()).add(case.group)
    remainder = 1 - sum(shares)
    wanted = [*shares, remainder] if remainder > 1e-9 else list(shares)
    pinned = {group for groups in carriers.values() if len(groups) == 1 for group in groups}
    fewest = [least] * len(shares) + [left] * (len(wanted) - len(shares))
    if len({case.group for case in cases} - pinned) < sum(fewest):
        pinned = set()
    profiles = group_profiles([case for case in cases if case.group not in pinned], strata)
    return divide(profiles, wanted, rng, fewest)[: len(shares)]


def _by_value(
    cohort: Cohort, column: str, only: Collection[str] | None = None
) -> Iterator[tuple[str, list[Case], list[Case]]]:
    """Yield each value of the column (of ``only``) with its cases, and the cases that may train beside them."""
    if column not in cohort.cases[0].row:
        raise CohortError(f"split.column: there is no column '{column}'. {did_you_mean(column, cohort.cases[0].row)}")
    empty = [case.id for case in cohort if is_missing(case.row[column])]
    if empty:
        raise CohortError(f"split.column: {len(empty)} cases have no '{column}': {few(empty)}.")
    by_subject: dict[str, set[str]] = {}
    for case in cohort:
        by_subject.setdefault(case.subject, set()).add(case.row[column])
    cut = sorted((subject for subject, values in by_subject.items() if len(values) > 1), key=natural)
    if cut:
        raise LeakageError(
            f"split.column: leaving out one '{column}' at a time puts {len(cut)} subjects on both sides: {few(cut)}. "
            f"Split by 'folds', or, if '{column}' is the unit that may not cross, say 'cohort.subject: {column}'."
        )
    values = {case.row[column] for case in cohort}
    unknown = [value for value in only or () if value not in values]
    if unknown:
        raise CohortError(f"split.only: no case has '{unknown[0]}' in '{column}'. {did_you_mean(unknown[0], values)}")
    for value in sorted(values if only is None else set(only), key=natural):
        test = [case for case in cohort if case.row[column] == value]
        groups = {case.group for case in test}
        yield value, test, [case for case in cohort if case.row[column] != value and case.group not in groups]


def _enough(groups: Collection[str], needed: int, purpose: str) -> None:
    if len(groups) < needed:
        raise CohortError(
            f"split: {purpose} need at least {needed} independent subjects, "
            f"found {len(groups)} ({few(sorted(groups))}). "
            "Ask for fewer folds, or check 'cohort.subject' and the duplicates."
        )


def _cases_in(cases: Iterable[Case], groups: Collection[str]) -> list[Case]:
    wanted = set(groups)
    return [case for case in cases if case.group in wanted]


def _cases_outside(cases: Iterable[Case], groups: Collection[str]) -> list[Case]:
    unwanted = set(groups)
    return [case for case in cases if case.group not in unwanted]


def _ids(cases: Iterable[Case]) -> tuple[str, ...]:
    return tuple(sorted((case.id for case in cases), key=natural))


def check_folds(cohort: Cohort, folds: Sequence[Fold], column: str | None = None) -> tuple[Problem, ...]:
    """Return what a reader of the results should know: classes that a side lacks, cases on no side of a fold.

    ``column`` is the one whose values are held out, if the folds are made so.
    """
    problems = []
    severities: dict[str, Severity] = {"train": "error", "validation": "note", "test": "warning"}
    if not any(fold.validation for fold in folds):  # as asked for
        del severities["validation"]
    for role, severity in severities.items():
        lacking: dict[str, list[str]] = {}
        for fold in folds:
            seen = {label for case in cohort.only(getattr(fold, role)) for label in truth_of(case)}
            for name in cohort.classes:
                if name not in seen:
                    lacking.setdefault(name, []).append(fold.name)
        why = "too few subjects show it, and training comes first"
        if column is not None and role == "test":
            why = f"those held out by {column!r} do not show it"
        for name, where in lacking.items():
            places = "every fold" if len(where) == len(folds) else few(where)
            message = f"no {role} case is '{name}' in {places}: {why}."
            problems.append(Problem(severity, "split", message))
    tested = {case.group for fold in folds for case in cohort.only(fold.test)}
    if folds and len(tested) < FEW_TESTED:
        who = "one subject" if len(tested) == 1 else f"{len(tested)} subjects"
        verb = "is" if len(tested) == 1 else "are"
        message = f"{who} in all {verb} tested: that says next to nothing of how far off figures are."
        problems.append(Problem("warning", "split", message))
    for fold in folds:
        left_out = len(cohort) - len(fold.train) - len(fold.validation) - len(fold.test)
        if left_out:
            message = f"{left_out} cases are on no side: they share a subject or an image with the test."
            problems.append(Problem("warning", fold.name, message))
    return tuple(problems)


def refuse_leaks(cohort: Cohort, fold: Fold, duplicates: DuplicateReport | None = None) -> None:
    """Raise a ``LeakageError`` if a case, a subject, a group or an identical image stands on two sides of the fold.

    Parameters
    ----------
    cohort : gives subject and group of every id; ids it does not know are an error too.
    fold : the sides.
    duplicates : identical images and near duplicates; without it only ids, subjects and groups are checked.
    """
    cases = {case.id: case for case in cohort}
    sides: dict[str, str] = {}
    for role in ROLES:
        for case_id in getattr(fold, role):
            if case_id not in cases:
                raise CohortError(f"{fold.name}: the split names '{case_id}', which is not in the cohort.")
            if sides.setdefault(case_id, role) != role:
                raise LeakageError(f"{fold.name}: case '{case_id}' is in {sides[case_id]} and in {role}.")
    for what in ("subject", "group"):
        members: dict[str, list[str]] = {}
        for case_id in sides:
            members.setdefault(getattr(cases[case_id], what), []).append(case_id)
        _refuse(members, sides, fold, f"{what}s")
    if duplicates is not None:
        images = {" = ".join(group[:4]): [c for c in group if c in sides] for group in duplicates.groups}
        _refuse(images, sides, fold, "identical images")
        guises = {" = ".join(group[:4]): [c for c in group if c in sides] for group in duplicates.near}
        _refuse(guises, sides, fold, "near-identical images")


def _refuse(members: dict[str, list[str]], sides: dict[str, str], fold: Fold, what: str) -> None:
    torn = {name: {sides[case_id] for case_id in ids} for name, ids in members.items()}
    culprits = [f"{name} ({' and '.join(sorted(roles))})" for name, roles in torn.items() if len(roles) > 1]
    if culprits:
        raise LeakageError(
            f"{fold.name}: {len(culprits)} {what} stand on two sides of the split: "
            f"{few(sorted(culprits, key=natural))}. Let VoxTempo make the split, or correct 'cohort.subject'."
        )
