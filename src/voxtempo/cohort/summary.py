"""Who was studied, as the first table of a paper: counts, truth and covariates by side of the split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from voxtempo.cohort.case import Case, Cohort, Fold
from voxtempo.cohort.natural import natural
from voxtempo.cohort.problem import Problem, by_severity
from voxtempo.cohort.table import is_missing, number_in
from voxtempo.cohort.truths import truth_of

MANY_VALUES = 10


def summarise(
    cohort: Cohort,
    fold: Fold | None = None,
    problems: Sequence[Problem] = (),
    volumes: Mapping[str, Mapping[str, float]] | None = None,
) -> dict[str, Any]:
    """Return the cohort as JSON values: flow of cases, a baseline table by side, and problems.

    Parameters
    ----------
    cohort : its own ``flow`` and ``problems`` are included.
    fold : whose sides make the columns after "all" (without it there is only "all").
    problems : found by later checks.
    volumes : label -> case id -> millilitres, as ``label_volumes`` returns them.

    Returns
    -------
    {"flow": [{"step", "cases", "subjects"}], "table": {"columns": [...], "rows": [[text, ...]]},
    "problems": [{"severity", "where", "message", "kind"}]}. Numbers are "mean (sd)", categories "count (share)"; a column
    that is constant within every subject is counted by subject, others by case, as the row says.
    """
    sides: dict[str, tuple[Case, ...]] = {"all": cohort.cases}
    flow = [{"step": step, "cases": cases, "subjects": subjects} for step, cases, subjects in cohort.flow]
    if fold is not None:
        sides |= {role: cohort.only(getattr(fold, role)) for role in ("train", "validation", "test")}
        flow += [
            {"step": role, "cases": len(cases), "subjects": len({case.subject for case in cases})}
            for role, cases in sides.items()
            if role != "all"
        ]
    rows: list[list[str]] = []

    def add(label: str, count: Callable[[Sequence[Case]], str]) -> None:
        rows.append([label, *(count(cases) for cases in sides.values())])

    add("Cases", lambda cases: str(len(cases)))
    add("Subjects", lambda cases: str(len({case.subject for case in cases})))
    if len({case.group for case in cohort}) < len(cohort.subjects):
        add("Independent groups", lambda cases: str(len({case.group for case in cases})))
    if any(case.events for case in cohort):
        add("Events", lambda cases: str(sum(len(case.events) for case in cases)))
    unit = " (events)" if any(case.events for case in cohort) else ""
    for name in cohort.classes:
        add(f"{name}{unit}", lambda cases, name=name: _share([label == name for c in cases for label in truth_of(c)]))  # type: ignore[misc]
    numbers = [case.target for case in cohort if isinstance(case.target, float)]
    if numbers:
        add("Target, mean (sd)", lambda cases: _mean([c.target for c in cases if isinstance(c.target, float)]))
    for name, each in (volumes or {}).items():
        add(f"{name} (ml), mean (sd)", lambda cases, each=each: _mean([each[c.id] for c in cases if c.id in each], 3))  # type: ignore[misc]
    for column in _columns(cohort):
        _describe(cohort, column, add)
    found = by_severity([*cohort.problems, *problems])
    return {
        "flow": flow,
        "table": {"columns": list(sides), "rows": rows},
        "problems": [{"severity": p.severity, "where": p.where, "message": p.message, "kind": p.kind} for p in found],
    }


def _columns(cohort: Cohort) -> list[str]:
    """Return the columns worth a row: not names, paths or the truth itself, and not the same everywhere."""
    if not cohort.cases:
        return []
    chosen = []
    told_before = {"sub"} | ({"ses"} if "session" in cohort.cases[0].row else set())  # entities of BIDS
    for column in cohort.cases[0].row:
        if column in told_before and "participant_id" in cohort.cases[0].row:
            continue
        values = [case.row[column] for case in cohort]
        known = {value for value in values if not is_missing(value)}
        is_truth = all(_is_truth(case, column) for case in cohort)
        is_name = all(value in (case.id, case.subject) for value, case in zip(values, cohort, strict=True))
        if len(known) < 2 or is_truth or is_name or any("/" in value or "\\" in value for value in known):
            continue
        if len(known) <= MANY_VALUES or all(number_in(value) is not None for value in known):
            chosen.append(column)
    return chosen


def _is_truth(case: Case, column: str) -> bool:
    value = case.row[column]
    return value == case.target or (isinstance(case.target, float) and number_in(value) == case.target)


def _describe(cohort: Cohort, column: str, add: Callable[[str, Callable[[Sequence[Case]], str]], None]) -> None:
    pairs = {(case.subject, case.row[column]) for case in cohort}
    by_subject = len(pairs) == len(cohort.subjects) < len(cohort)
    unit = ", subjects" if by_subject else ""

    def values(cases: Sequence[Case]) -> list[str]:
        texts = (
            {case.subject: case.row[column] for case in cases}.values()
            if by_subject
            else [c.row[column] for c in cases]
        )
        return [text for text in texts if not is_missing(text)]

    known = set(values(cohort.cases))
    numeric = all(number_in(value) is not None for value in known)
    if numeric and len(known) > 2:
        add(f"{column}, mean (sd){unit}", lambda cases: _mean([float(text) for text in values(cases)]))
    else:
        for name in sorted(known, key=natural):
            add(f"{column}: {name}{unit}", lambda cases, name=name: _share([text == name for text in values(cases)]))  # type: ignore[misc]
    missing = len(cohort.cases) - sum(not is_missing(case.row[column]) for case in cohort)
    if missing:
        add(f"{column}: not known", lambda cases: str(sum(is_missing(case.row[column]) for case in cases)))


def _mean(values: Sequence[float], figures: int | None = None) -> str:
    """Return "mean (sd)" with one decimal, or with so many significant figures; three where one decimal shows nothing."""
    if not values:
        return "-"
    small = np.abs(values).max() < 1
    form = ".1f" if figures is None and not small else f".{figures or 3}g"
    return f"{np.mean(values):{form}} ({np.std(values, ddof=1):{form}})" if len(values) > 1 else f"{values[0]:{form}}"


def _share(hits: Sequence[bool]) -> str:
    return f"{sum(hits)} ({100 * sum(hits) / len(hits):.0f} %)" if hits else "-"
