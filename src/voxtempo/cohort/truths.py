"""What is true of the cases: targets from the table's column, the classes of a study, events of the kinds it names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from voxtempo.cohort.case import Case, Cohort
from voxtempo.cohort.masks import census_labels
from voxtempo.cohort.natural import natural
from voxtempo.cohort.problem import Problem, few
from voxtempo.cohort.study import Study
from voxtempo.cohort.table import is_missing
from voxtempo.errors import CohortError, StudyError


def with_targets(study: Study, cases: Sequence[Case], problems: list[Problem]) -> list[Case]:
    """Return the cases with what the target's column says of them; appends to ``problems`` who is left out.

    Raises
    ------
    CohortError : cases without a truth (unless ``cohort.missing: skip``), or a regression target that is no number.
    """
    column = study.cohort.target.column
    assert column is not None
    unknown = [case for case in cases if is_missing(case.row[column])]
    if unknown:
        message = f"{len(unknown)} of {len(cases)} cases have no {column}: {few([case.id for case in unknown])}."
        if study.cohort.missing == "refuse" or len(unknown) == len(cases):
            raise CohortError(f"{message} Fill in the column, or leave such cases out with 'cohort.missing: skip'.")
        problems.append(Problem("warning", column, f"Left out: {message}"))
    left_out = {case.id for case in unknown}
    known = [case for case in cases if case.id not in left_out]
    if study.task == "regress":
        return _numbers(known, column)
    return [replace(case, target=case.row[column]) for case in known]


def _numbers(cases: Sequence[Case], column: str) -> list[Case]:
    values: dict[str, float] = {}
    faults: list[str] = []
    for case in cases:
        try:
            value = float(case.row[column])
        except ValueError:
            value = math.nan
        values[case.id] = value
        if not math.isfinite(value):
            faults.append(f"{case.id} ('{case.row[column]}')")
    if faults:
        commas = " (decimal commas are to be points)" if any("," in case.row[column] for case in cases) else ""
        raise CohortError(
            f"cohort.target.column: 'regress' needs numbers in '{column}', but {len(faults)} cases hold others: "
            f"{few(faults)}. Correct them{commas}, leave them out with 'cohort.where', or use 'task: classify'."
        )
    if len(set(values.values())) < 2:
        raise CohortError(f"cohort.target.column: every case has the same '{column}'; there is nothing to learn.")
    return [replace(case, target=values[case.id]) for case in cases]


def with_classes(study: Study, cohort: Cohort, problems: list[Problem]) -> Cohort:
    """Return the cohort with its classes (classify) or labels (segment); appends to ``problems`` what is noticed.

    Raises
    ------
    CohortError : classes that nobody has, or that the study leaves out; fewer than two.
    """
    target = study.cohort.target
    if study.task == "segment":
        return replace(cohort, labels=dict(sorted((target.labels or census_labels(cohort)).items())))
    if study.task == "regress":
        if target.events is not None:
            raise StudyError("task 'regress' needs a target with a 'column' of the table; 'events' go with 'classify'.")
        return cohort
    if target.events is not None and target.classes is not None:
        cohort = _only_events(study, cohort, target.classes, problems)
    present = {label for case in cohort for label in truth_of(case)}
    classes = tuple(target.classes or sorted(present, key=natural))
    absent = [name for name in classes if name not in present]
    unnamed = sorted(present - set(classes), key=natural)
    if absent:
        raise CohortError(
            f"cohort.target.classes: no case is {few(absent)}. The cohort holds: {few(sorted(present), 12)}."
        )
    if unnamed:
        raise CohortError(
            f"cohort.target.classes leaves out {few(unnamed)}, which '{target.column}' holds. Name them too, "
            "or choose rows with 'cohort.where'."
        )
    if len(classes) < 2:
        raise CohortError(f"Classifying needs two classes or more; every truth in '{target.column}' is {few(classes)}.")
    for name in classes:
        subjects = {case.subject for case in cohort if name in truth_of(case)}
        if len(subjects) == 1:
            message = (
                f"class '{name}' comes from one subject only ({min(subjects)}): it can be trained or tested, not both."
            )
            problems.append(Problem("warning", "cohort.target", message))
    return replace(cohort, classes=classes)


def _only_events(study: Study, cohort: Cohort, classes: Sequence[str], problems: list[Problem]) -> Cohort:
    rest = study.sample.window.rest if study.sample is not None and study.sample.window is not None else None
    if rest is not None and rest not in classes:
        raise CohortError(
            f"sample.window.rest is '{rest}', but cohort.target.classes names only {few(classes)}. Name '{rest}' too, or "
            "leave out 'rest'."
        )
    others = sorted({event.label for case in cohort for event in case.events} - set(classes), key=natural)
    if others:
        problems.append(Problem("note", "cohort.target.classes", f"Events of other kinds are not used: {few(others)}."))
    cases = tuple(replace(case, events=tuple(e for e in case.events if e.label in classes)) for case in cohort)
    return replace(cohort, cases=cases)


def truth_of(case: Case) -> tuple[str, ...]:
    """Return the class names of a case: its own, or one for each of its events."""
    if case.target is not None:
        return (str(case.target),)
    return tuple(event.label for event in case.events)
