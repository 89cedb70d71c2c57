"""The same image twice: found by the decoded pixels, so that names, folders, turning and re-encoding cannot hide it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from voxtempo.cohort.case import Case, Cohort
from voxtempo.cohort.facts import Fact, Progress
from voxtempo.cohort.images import image_facts
from voxtempo.cohort.leakage.pairs import similar_pairs
from voxtempo.cohort.leakage.similar import Likeness
from voxtempo.cohort.natural import natural
from voxtempo.cohort.problem import Problem, few
from voxtempo.cohort.sections.split import Split
from voxtempo.cohort.truths import truth_of

SPLIT_WORDS = ("split", "set", "fold", "partition", "site", "run")
MANY_VALUES = 10


@dataclass(frozen=True)
class DuplicateReport:
    """Which images of a cohort are identical, which are the same in another guise, and which show one head.

    Parameters
    ----------
    groups : case ids that share an image to the voxel, each group and the groups in natural order.
    conflicts : the groups whose members have different truths.
    blank : cases with an image of one single value; they are alike without being copies, so they join no group.
    unreadable : (case id, why) of images that could not be decoded.
    images : number of images that were compared.
    not_finite : (case id, number of voxels) of images with NaN or infinite voxels.
    near : groups of case ids that share an image which was mirrored, turned, resized, rescaled or encoded again, together
        with their identical twins.
    near_conflicts : those groups among ``near`` whose members have different truths.
    likenesses : the pairs of images, by the first case that has each, that are near duplicates or show one head.
    """

    groups: tuple[tuple[str, ...], ...]
    conflicts: tuple[tuple[str, ...], ...] = ()
    blank: tuple[str, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()
    images: int = 0
    not_finite: tuple[tuple[str, int], ...] = ()
    near: tuple[tuple[str, ...], ...] = ()
    near_conflicts: tuple[tuple[str, ...], ...] = ()
    likenesses: tuple[Likeness, ...] = ()

    @property
    def tied(self) -> tuple[tuple[str, ...], ...]:
        """The groups that must not be cut: identical images and near duplicates together."""
        return joined((*self.groups, *self.near))

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
    """Return the groups of cases whose images are identical, or one image in another guise, in any channel.

    Parameters
    ----------
    cohort : its images are decoded once; hashes, sketches and which of them are alike are kept in the cache until a file
        changes.
    workers : threads.
    progress : called with (images done, images).
    """
    owners: dict[Path, list[str]] = {}
    for case in cohort:
        for path in case.scans.values():
            owners.setdefault(path, []).append(case.id)
    facts, errors = image_facts(cohort, workers, progress)
    by_hash: dict[str, set[str]] = {}
    sketches: dict[str, Fact] = {}
    blank: set[str] = set()
    for path, fact in facts.items():
        if fact["blank"]:
            blank.update(owners[path])
        else:
            by_hash.setdefault(fact["pixels"], set()).update(owners[path])
            if fact["sketch"] is not None:
                sketches[fact["pixels"]] = fact["sketch"]
    same_ids = {name: sorted(ids, key=natural) for name, ids in by_hash.items()}
    groups = joined([ids for ids in same_ids.values() if len(ids) > 1])
    similar = similar_pairs(sketches, workers)
    near = joined([same_ids[pair.first] + same_ids[pair.second] for pair in similar if pair.same])
    truths = {case.id: truth_of(case) for case in cohort}
    return DuplicateReport(
        groups=groups,
        conflicts=_with_several(truths, groups),
        blank=tuple(sorted(blank, key=natural)),
        unreadable=tuple((case_id, errors[path]) for path in owners if path in errors for case_id in owners[path]),
        images=len(owners),
        not_finite=tuple(
            (case_id, facts[path]["not_finite"])
            for path in owners
            if path in facts and facts[path]["not_finite"]
            for case_id in owners[path]
        ),
        near=near,
        near_conflicts=tuple(
            group for group in _with_several(truths, near) if not any(set(group) == set(exact) for exact in groups)
        ),
        likenesses=_by_case(similar, same_ids),
    )


def _by_case(similar: Sequence[Likeness], same_ids: Mapping[str, Sequence[str]]) -> tuple[Likeness, ...]:
    """Return the pairs of images as pairs of cases; images of one case are no pair."""
    pairs = []
    for pair in similar:
        first, second = sorted((same_ids[pair.first][0], same_ids[pair.second][0]), key=natural)
        if first != second:
            pairs.append(replace(pair, first=first, second=second))
    return tuple(sorted(pairs, key=lambda pair: (natural(pair.first), natural(pair.second))))


def _with_several(values: Mapping[str, object], groups: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    return tuple(group for group in groups if len({values[case_id] for case_id in group}) > 1)


def join_duplicates(cohort: Cohort, report: DuplicateReport) -> Cohort:
    """Return the cohort with ``group`` merged wherever identical images or near duplicates tie subjects together.

    The merged group bears the name of its first subject in natural order, so it does not depend on the rows' order.
    """
    subjects = {case.id: case.subject for case in cohort}
    ties = [sorted({subjects[case_id] for case_id in group}, key=natural) for group in report.tied]
    merged = {subject: group[0] for group in joined(ties) for subject in group}
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
        groups = _with_several(values, report.tied)
        twins = {case_id for group in groups for case_id in group}
        names = sorted(distinct, key=natural)
        found.append(Straddle(
            column, groups,
            {name: sum(values[case_id] == name for case_id in twins) for name in names},
            {name: sum(value == name for value in values.values()) for name in names},
        ))  # fmt: skip
    return tuple(found)


def duplicate_problems(
    cohort: Cohort, report: DuplicateReport, split: Split | None = None, filled: bool = False, known_leaks: bool = False
) -> tuple[Problem, ...]:
    """Return the report as problems: unreadable images, conflicting truths, straddled columns, copies, blank images.

    The same image in another guise is a warning where truths conflict, since a measure of likeness decides what it is.

    Parameters
    ----------
    cohort, report : what was looked at, and what was found.
    split : of the study.
    filled : whether the preparation gives a value to voxels that are no numbers.
    known_leaks : whether the user has said that the split may leak.
    """
    split = split or Split()
    kept = "is kept on one side of every split"
    if split.cuts_copies(known_leaks):
        kept = "may stand on both sides of this split"
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
    if report.near_conflicts:
        told = [
            " = ".join(f"{case_id} ({_truth(cases[case_id])})" for case_id in group) for group in report.near_conflicts
        ]
        message = (
            f"{len(report.near_conflicts)} groups of near duplicates (one image in another guise) have different truths: "
            f"{few(told, 3)}."
        )
        problems.append(Problem("warning", "duplicates", message))
    kind = "identical or near-identical" if report.near else "identical"
    for straddle in straddles(cohort, report, split.column):
        if straddle.groups:
            shares = ", ".join(
                f"{n} of the {straddle.total[name]} in {name}" for name, n in straddle.cases.items() if n
            )
            examples = few([" = ".join(group[:3]) for group in straddle.groups], 3)
            message = (
                f"{len(straddle.groups)} groups of {kind} images have members under several values of "
                f"'{straddle.column}' ({shares}), so results by that column are not independent. Such as: {examples}."
            )
            problems.append(Problem("warning", straddle.column, message))
    if report.groups:
        message = (
            f"{len(report.groups)} groups of identical images ({report.redundant} redundant cases); each group "
            f"{kept}. Such as: {few([' = '.join(group[:3]) for group in report.groups], 3)}."
        )
        problems.append(Problem("warning", "duplicates", message))
    same = [pair for pair in report.likenesses if pair.same]
    if same:
        kinds = Counter(word for pair in same for word in pair.how.split(", "))
        told = [f"{pair.first} = {pair.second} ({pair.how}, {pair.score:.3f})" for pair in same]
        message = (
            f"{len(report.near)} groups of near duplicates: one image in another guise "
            f"({', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items()))}); each group {kept}. "
            f"Such as: {few(told, 3)}."
        )
        problems.append(Problem("warning", "duplicates", message))
    if report.blank:
        problems.append(
            Problem("warning", "scans", f"{len(report.blank)} images hold one value only: {few(report.blank)}.")
        )
    return tuple(problems)


def _truth(case: Case) -> str:
    return few(truth_of(case), 3) or "no truth"


def joined(sets: Iterable[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
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
