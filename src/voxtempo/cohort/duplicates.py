"""The same image twice: found by the decoded pixels, so that names, folders and re-encoding cannot hide it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from voxtempo.cohort.case import Case, Cohort
from voxtempo.cohort.facts import Progress
from voxtempo.cohort.images import image_facts
from voxtempo.cohort.natural import natural
from voxtempo.cohort.problem import Problem, few
from voxtempo.cohort.truths import truth_of

SPLIT_WORDS = ("split", "set", "fold", "partition", "site", "run")
MANY_VALUES = 10


@dataclass(frozen=True)
class DuplicateReport:
    """Which images of a cohort are identical.

    Parameters
    ----------
    groups : case ids that share an image, each group and the groups in natural order.
    conflicts : the groups whose members have different truths.
    blank : cases with an image of one single value; they are alike without being copies, so they join no group.
    unreadable : (case id, why) of images that could not be decoded.
    images : number of images that were compared.
    not_finite : (case id, number of voxels) of images with NaN or infinite voxels.
    """

    groups: tuple[tuple[str, ...], ...]
    conflicts: tuple[tuple[str, ...], ...] = ()
    blank: tuple[str, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()
    images: int = 0
    not_finite: tuple[tuple[str, int], ...] = ()

    @property
    def redundant(self) -> int:
        """How many cases could be left out without losing an image: the members of each group but one."""
        return sum(len(group) - 1 for group in self.groups)


@dataclass(frozen=True)
class Straddle:
    """How often identical images have different values in a column.

    Parameters
    ----------
    column : the column's name.
    groups : the groups of identical images with more than one value.
    cases : value -> how many of its cases have a twin under another value.
    total : value -> number of its cases.
    """

    column: str
    groups: tuple[tuple[str, ...], ...]
    cases: dict[str, int]
    total: dict[str, int]


def find_duplicates(cohort: Cohort, workers: int = 2, progress: Progress | None = None) -> DuplicateReport:
    """Return the groups of cases whose decoded voxels are identical in any channel.

    Parameters
    ----------
    cohort : its images are decoded once; hashes are kept in the cache until a file changes.
    workers : threads.
    progress : called with (images done, images).
    """
    owners: dict[Path, list[str]] = {}
    for case in cohort:
        for path in case.scans.values():
            owners.setdefault(path, []).append(case.id)
    facts, errors = image_facts(cohort, workers, progress)
    by_hash: dict[str, set[str]] = {}
    blank: set[str] = set()
    for path, fact in facts.items():
        if fact["blank"]:
            blank.update(owners[path])
        else:
            by_hash.setdefault(fact["pixels"], set()).update(owners[path])
    groups = _joined([sorted(ids, key=natural) for ids in by_hash.values() if len(ids) > 1])
    cases = {case.id: case for case in cohort}
    return DuplicateReport(
        groups=groups,
        conflicts=tuple(group for group in groups if len({truth_of(cases[case_id]) for case_id in group}) > 1),
        blank=tuple(sorted(blank, key=natural)),
        unreadable=tuple((case_id, errors[path]) for path in owners if path in errors for case_id in owners[path]),
        images=len(owners),
        not_finite=tuple(
            (case_id, facts[path]["not_finite"])
            for path in owners
            if path in facts and facts[path]["not_finite"]
            for case_id in owners[path]
        ),
    )


def join_duplicates(cohort: Cohort, report: DuplicateReport) -> Cohort:
    """Return the cohort with ``group`` merged wherever identical images tie subjects together.

    The merged group bears the name of its first subject in natural order, so it does not depend on the rows' order.
    """
    subjects = {case.id: case.subject for case in cohort}
    ties = [sorted({subjects[case_id] for case_id in group}, key=natural) for group in report.groups]
    merged = {subject: group[0] for group in _joined(ties) for subject in group}
    cases = tuple(replace(case, group=merged.get(case.subject, case.subject)) for case in cohort)
    return replace(cohort, cases=cases)


def straddles(cohort: Cohort, report: DuplicateReport, named: str | None = None) -> tuple[Straddle, ...]:
    """Return, for each column that divides the cohort, which duplicate groups stand on several sides of it.

    Looked at are the column ``named`` and every column of 2 to 10 values whose name speaks of a split or a site.
    """
    if not cohort.cases:
        return ()
    found = []
    for column in cohort.cases[0].row:
        values = {case.id: case.row.get(column, "") for case in cohort}
        distinct = set(values.values())
        speaking = any(word in column.lower().replace("-", "_").split("_") for word in SPLIT_WORDS)
        if column != named and not (speaking and 2 <= len(distinct) <= MANY_VALUES):
            continue
        groups = tuple(group for group in report.groups if len({values[case_id] for case_id in group}) > 1)
        twins = {case_id for group in groups for case_id in group}
        names = sorted(distinct, key=natural)
        found.append(Straddle(
            column, groups,
            {name: sum(values[case_id] == name for case_id in twins) for name in names},
            {name: sum(value == name for value in values.values()) for name in names},
        ))  # fmt: skip
    return tuple(found)


def duplicate_problems(
    cohort: Cohort, report: DuplicateReport, named: str | None = None, filled: bool = False
) -> tuple[Problem, ...]:
    """Return the report as problems: unreadable images, conflicting truths, straddled columns, copies, blank images.

    ``named`` is the column that splits; ``filled`` says that the preparation gives a value to voxels that are no numbers.
    """
    problems = [Problem("error", case_id, message) for case_id, message in report.unreadable]
    if report.not_finite and not filled:
        told = [f"{case_id} ({count} voxels)" for case_id, count in report.not_finite]
        message = (
            f"{len(told)} images hold NaN or infinite voxels: {few(told)}. Put the step 'fill_nan' first in 'prepare' to give "
            "them a value."
        )
        problems.append(Problem("error", "scans", message))
    cases = {case.id: case for case in cohort}
    if report.conflicts:
        told = [" = ".join(f"{case_id} ({_truth(cases[case_id])})" for case_id in group) for group in report.conflicts]
        message = f"{len(report.conflicts)} groups of identical images have different truths: {few(told, 3)}."
        problems.append(Problem("error", "duplicates", message))
    for straddle in straddles(cohort, report, named):
        if straddle.groups:
            shares = ", ".join(
                f"{n} of the {straddle.total[name]} in {name}" for name, n in straddle.cases.items() if n
            )
            examples = few([" = ".join(group[:3]) for group in straddle.groups], 3)
            message = (
                f"{len(straddle.groups)} groups of identical images have members under several values of "
                f"'{straddle.column}' ({shares}), so results by that column are not independent. Such as: {examples}."
            )
            problems.append(Problem("warning", straddle.column, message))
    if report.groups:
        message = (
            f"{len(report.groups)} groups of identical images ({report.redundant} redundant cases); each group is kept "
            f"on one side of every split. Such as: {few([' = '.join(group[:3]) for group in report.groups], 3)}."
        )
        problems.append(Problem("warning", "duplicates", message))
    if report.blank:
        problems.append(
            Problem("warning", "scans", f"{len(report.blank)} images hold one value only: {few(report.blank)}.")
        )
    return tuple(problems)


def _truth(case: Case) -> str:
    return few(truth_of(case), 3) or "no truth"


def _joined(sets: list[list[str]]) -> tuple[tuple[str, ...], ...]:
    """Return the sets merged wherever they share a member (union-find), members and sets in natural order."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for members in sets:
        for member in members:
            parent[root(member)] = root(members[0])
    merged: dict[str, list[str]] = {}
    for name in parent:
        merged.setdefault(root(name), []).append(name)
    groups = [tuple(sorted(members, key=natural)) for members in merged.values() if len(members) > 1]
    return tuple(sorted(groups, key=lambda group: natural(group[0])))
