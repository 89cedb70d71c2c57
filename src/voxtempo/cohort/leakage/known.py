"""A split that leaks because somebody wants to see what that does: refused unless said so, counted where it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from voxtempo.cohort.case import Cohort, Fold
from voxtempo.cohort.duplicates import DuplicateReport
from voxtempo.cohort.problem import Problem, few
from voxtempo.cohort.sections.split import Split
from voxtempo.cohort.splits import make_folds, refuse_leaks
from voxtempo.errors import LeakageError

FLAG = "--i-know-this-leaks"

Leak = dict[str, Any]


def refuse_split_by_case(split: Split, known_leaks: bool) -> None:
    """Raise a ``LeakageError`` where the study splits rows and nobody has said that this leaks."""
    if split.by == "case" and not known_leaks:
        raise LeakageError(
            "split.by: 'case' puts rows of one person on both sides of the split, so no figure would speak of new people. "
            f"Use 'by: subject', or, to show what such a leak does, give {FLAG} (Python: known_leaks=True)."
        )


def cohort_to_split(cohort: Cohort, split: Split, known_leaks: bool) -> Cohort:
    """Return the cohort whose groups the split must not cut.

    Rows stand for themselves where the study splits by case, or by a column (a published division into folders) that is
    taken as it is although copies are on both sides. Otherwise subjects and what duplicates join to them stay together.

    Parameters
    ----------
    cohort : after ``join_duplicates``.
    split : of the study.
    known_leaks : whether the user has said that the split may leak.
    """
    if not known_leaks or not split.cuts_copies(known_leaks):
        return cohort
    return replace(cohort, cases=tuple(replace(case, subject=case.id, group=case.id) for case in cohort))


def leaks_of(cohort: Cohort, fold: Fold, duplicates: DuplicateReport | None = None) -> tuple[Leak, ...]:
    """Return what stands on two sides of a fold, one entry for each kind of leak.

    Parameters
    ----------
    cohort : gives the subjects.
    fold : the sides.
    duplicates : identical images and near duplicates.

    Returns
    -------
    {"fold": name, "leak": what, "count": how many of it stand on two sides, "test": test cases that have one on the training
    or validation side, "of": all test cases, "such_as": names}.
    """
    sides = {case_id: role for role in ("train", "validation", "test") for case_id in getattr(fold, role)}
    subjects: dict[str, list[str]] = {}
    for case in cohort:
        subjects.setdefault(case.subject, []).append(case.id)
    kinds: dict[str, Mapping[str, Sequence[str]]] = {"subjects": subjects}
    if duplicates is not None:
        kinds["identical images"] = {" = ".join(group[:3]): group for group in duplicates.groups}
        kinds["near-identical images"] = {" = ".join(group[:3]): group for group in duplicates.near}
    found = []
    for what, groups in kinds.items():
        torn = {name: ids for name, ids in groups.items() if len({sides[i] for i in ids if i in sides}) > 1}
        if torn:
            tested = {i for ids in torn.values() for i in ids if sides.get(i) == "test"}
            learned = {name for name, ids in torn.items() if any(sides.get(i) in ("train", "validation") for i in ids)}
            tested &= {i for name in learned for i in torn[name]}
            found.append({
                "fold": fold.name, "leak": f"{what} on two sides of the split", "count": len(torn),
                "test": len(tested), "of": len(fold.test), "such_as": list(torn)[:3],
            })  # fmt: skip
    return tuple(found)


def leak_problems(leaks: Sequence[Leak]) -> tuple[Problem, ...]:
    """Return the leaks as warnings."""
    return tuple(Problem("warning", str(leak["fold"]), leak_in_words(leak)) for leak in leaks)


def leak_in_words(leak: Leak) -> str:
    """Return a leak as a sentence.

    >>> leak_in_words({"fold": "fold 0", "leak": "subjects on two sides", "count": 2, "test": 3, "of": 9, "such_as": ["a"]})
    'LEAK: 2 subjects on two sides, 3 of 9 test cases with them (a).'
    """
    return (
        f"LEAK: {leak['count']} {leak['leak']}, {leak['test']} of {leak['of']} test cases with them "
        f"({few(leak['such_as'], 3)})."
    )


def shout(leaks: Sequence[Leak]) -> str:
    """Return what the terminal says once of a study that may leak."""
    if not leaks:
        return f"{FLAG} was given, but nothing stands on two sides of the split."
    worst = max(leaks, key=lambda leak: leak["test"] / max(leak["of"], 1))
    return (
        f"THIS STUDY LEAKS: {worst['count']} {worst['leak']}, {worst['test']} of {worst['of']} test cases ({worst['fold']}). "
        "ITS FIGURES DO NOT SPEAK OF NEW PEOPLE."
    ).upper()


def divide(
    cohort: Cohort, split: Split, duplicates: DuplicateReport | None = None, known_leaks: bool = False
) -> tuple[tuple[Fold, ...], tuple[Leak, ...]]:
    """Return the folds of a study, and what leaks in them where that is wanted.

    Parameters
    ----------
    cohort : after ``join_duplicates``.
    split : of the study.
    duplicates : identical images and near duplicates, if they were looked for.
    known_leaks : whether the user has said that the split may leak.

    Raises
    ------
    LeakageError : something stands on two sides, and nobody has said that it may.
    """
    refuse_split_by_case(split, known_leaks)
    folds = make_folds(cohort_to_split(cohort, split, known_leaks), split)
    if known_leaks:
        return folds, tuple(leak for fold in folds for leak in leaks_of(cohort, fold, duplicates))
    for fold in folds:
        refuse_leaks(cohort, fold, duplicates)
    return folds, ()
