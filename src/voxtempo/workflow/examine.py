"""What is found out about a study before a network exists: step by step, either up to the first error or as far as it goes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from voxtempo.cohort import (
    Cohort,
    DuplicateReport,
    Fold,
    GeometryReport,
    Problem,
    Study,
    build_cohort,
    check_folds,
    check_geometry,
    check_masks,
    divide,
    duplicate_problems,
    find_duplicates,
    find_leakage,
    join_duplicates,
    leak_problems,
    refuse_errors,
)
from voxtempo.cohort.problem import of_kind
from voxtempo.errors import VoxTempoError
from voxtempo.harmonise import check_harmonisers
from voxtempo.inference.postprocess import check_operations
from voxtempo.learning.choices import check_choices, check_fit
from voxtempo.learning.window_choices import leave_out_events
from voxtempo.planning import Plan, plan_study, take_fingerprint
from voxtempo.prepare import fills_nan
from voxtempo.workflow.candidates import check_candidates
from voxtempo.workflow.promise import check_certainty
from voxtempo.workflow.voice import Voice


@dataclass(frozen=True)
class Examined:
    """What is known of a study.

    Parameters
    ----------
    plan : the complete study; None where errors leave none.
    cohort : with duplicates joined into groups, if they were looked for.
    geometry, duplicates : what was found; duplicates are None where only headers were read.
    folds : every way to divide the cohort; none where it cannot be divided.
    leaks : what stands on two sides of the folds, where the user has said that it may.
    problems : all that a reader of the results should know, but for what the cohort itself holds.
    """

    plan: Plan | None
    cohort: Cohort
    geometry: GeometryReport
    duplicates: DuplicateReport | None
    folds: tuple[Fold, ...]
    leaks: tuple[dict[str, Any], ...]
    problems: tuple[Problem, ...]


class Findings:
    """Problems in the order in which they are found.

    Parameters
    ----------
    strict : whether errors end the look as soon as they are found; otherwise they are collected with the rest.
    """

    def __init__(self, strict: bool) -> None:
        self._strict = strict
        self.problems: list[Problem] = []

    def tell(self, kind: str, problems: Iterable[Problem]) -> None:
        """Collect problems, whatever they are."""
        self.problems += of_kind(kind, problems)

    def judge(self, kind: str, problems: Iterable[Problem]) -> None:
        """Collect problems; of a strict look errors are the end."""
        problems = tuple(problems)
        self.refuse(problems)
        self.tell(kind, problems)

    def refuse(self, problems: Iterable[Problem]) -> None:
        """Raise the errors among problems, if the look is strict."""
        if self._strict:
            refuse_errors(problems)

    @contextmanager
    def attempt(self, where: str) -> Iterator[None]:
        """Collect an error that is raised within as a problem at ``where``; a strict look lets it pass."""
        try:
            yield
        except VoxTempoError as error:
            if self._strict:
                raise
            self.problems.append(Problem("error", where, str(error)))

    @property
    def wrong(self) -> bool:
        """Whether there is an error among them."""
        return any(problem.severity == "error" for problem in self.problems)


def examine(
    study: Study,
    workers: int = 2,
    voice: Voice | None = None,
    *,
    strict: bool,
    known_leaks: bool = False,
    headers_only: bool = False,
    leakage: bool = True,
    folds: bool = True,
) -> Examined:
    """Read the cohort, plan what is open, look for copies, divide, and look for what would make the result untrue.

    Parameters
    ----------
    study : as ``load_study`` returns it.
    workers : threads that read scans.
    voice : progress of reading.
    strict : whether the first errors are raised; otherwise all are among the problems.
    known_leaks : whether the user has said that the split may leak; what leaks is then a finding.
    headers_only : whether voxels are left unread: no duplicates, no label values.
    leakage : whether to look for warnings of ``find_leakage``, which only a reader of the problems needs.
    folds : whether to divide; a cohort that is only judged is not.

    Raises
    ------
    VoxTempoError : a cohort that cannot be built; if ``strict``, also the first errors among the problems.
    """
    voice = voice or Voice()
    found = Findings(strict)
    cohort = build_cohort(study)
    found.judge("", (*check_choices(study, cohort), *check_operations(study, cohort), *check_candidates(study, cohort)))
    geometry = check_geometry(cohort, workers)
    found.judge("geometry", geometry.problems)
    readable = not any(problem.severity == "error" for problem in geometry.problems)
    plan = None
    if not found.wrong:
        with found.attempt("plan"):
            seen = take_fingerprint(
                cohort,
                geometry,
                workers,
                lambda done, total: voice.bar("fingerprint", done, total, ""),
                headers_only=headers_only,
            )
            plan = plan_study(study, cohort, geometry, seen)
    if plan is not None:
        found.judge("", check_fit(plan.study, cohort, geometry))
        cohort, left_out = leave_out_events(plan.study, cohort, geometry)
        found.tell("", left_out)
    duplicates = None
    if not headers_only:
        masks = check_masks(cohort, workers, lambda done, total: voice.bar("label maps", done, total, ""))
        found.judge("label maps", masks)
        duplicates = find_duplicates(cohort, workers, lambda done, total: voice.bar("images", done, total, ""))
        cohort = join_duplicates(cohort, duplicates)
        images = _image_problems(plan.study if plan else study, cohort, duplicates, known_leaks, found.problems)
        found.refuse(problem for problem in images if problem.where != "duplicates")
        found.tell("leakage", images)
    divided: tuple[Fold, ...] = ()
    leaks: tuple[dict[str, Any], ...] = ()
    if folds:
        with found.attempt("split"):
            divided, leaks = divide(cohort, study.split, duplicates, known_leaks)
            found.tell("leakage", leak_problems(leaks))
            found.tell("split", check_folds(cohort, divided, study.split.column))
            if plan is not None:
                found.judge("", check_certainty(plan.study, cohort, divided))
            found.judge("sites", check_harmonisers(study, cohort, divided))
    if leakage and duplicates is not None and readable:
        found.tell("leakage", find_leakage(study, cohort, geometry, duplicates, workers))
    return Examined(plan, cohort, geometry, duplicates, divided, leaks, tuple(found.problems))


def _image_problems(
    study: Study, cohort: Cohort, duplicates: DuplicateReport, known_leaks: bool, known: Iterable[Problem]
) -> tuple[Problem, ...]:
    """Return what is new: not what the headers showed already, nor conflicts that permuting the truth made."""
    try:
        filled = fills_nan(study.prepare or [])
    except VoxTempoError:  # an unknown step, told by the plan
        filled = True
    unreadable = {problem.where for problem in known if problem.severity == "error"}
    if study.cohort.target.shuffle is not None:
        duplicates = replace(duplicates, conflicts=(), near_conflicts=())
    problems = duplicate_problems(cohort, duplicates, study.split, filled, known_leaks)
    return tuple(problem for problem in problems if problem.where not in unreadable)
