"""Everything about a study that is known before a network exists: cases, duplicates, geometry, plan, folds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voxtempo.cohort import (
    Cohort,
    DuplicateReport,
    Fold,
    GeometryReport,
    Problem,
    Sides,
    Study,
    refuse_split_by_case,
    sides_of,
)
from voxtempo.errors import StudyError
from voxtempo.planning import Plan
from voxtempo.prepare import PreparedCase, build_steps, prepare_cohort
from voxtempo.workflow.examine import examine
from voxtempo.workflow.voice import Voice

Say = Callable[[str], None]


@dataclass(frozen=True)
class Setup:
    """A study ready to be prepared and trained.

    Parameters
    ----------
    plan : the complete study, with reasons and cost.
    cohort : with duplicates joined into groups.
    duplicates, geometry : what was found.
    folds : every way to divide the cohort.
    problems : all that a reader of the results should know.
    leaks : what stands on two sides of the folds, where the user has said that it may (else None).
    """

    plan: Plan
    cohort: Cohort
    duplicates: DuplicateReport
    geometry: GeometryReport
    folds: tuple[Fold, ...]
    problems: tuple[Problem, ...]
    leaks: tuple[dict[str, Any], ...] | None = None

    @property
    def study(self) -> Study:
        """The complete study."""
        return self.plan.study

    def fold(self, index: int) -> Fold:
        """Return fold ``index``.

        Raises
        ------
        StudyError : there is no such fold.
        """
        if not 0 <= index < len(self.folds):
            raise StudyError(f"There is no fold {index}: this study has folds 0 to {len(self.folds) - 1}.")
        return self.folds[index]

    def sides(self, fold: Fold) -> Sides:
        """Return the views of a fold: the only way to what can be fitted."""
        return sides_of(self.cohort, fold, known_leaks=self.leaks is not None)

    def leak_record(self, fold: Fold) -> dict[str, Any]:
        """Return what the files of a run say of its leaks: nothing, unless leaks were allowed."""
        if self.leaks is None:
            return {}
        name = self.folds[fold.index].name if fold.index >= 0 else None
        return {"leaks": [leak for leak in self.leaks if name in (None, leak["fold"])]}


def set_up(
    study: Study,
    workers: int = 2,
    voice: Voice | None = None,
    *,
    known_leaks: bool = False,
    leakage: bool = True,
    folds: bool = True,
) -> Setup:
    """Read the cohort, look for what would make the result untrue or impossible, plan what is open, and divide.

    Parameters
    ----------
    study : as ``load_study`` returns it.
    workers : threads that read scans.
    voice : progress of reading.
    known_leaks : whether the user has said that the split may leak; what leaks is then a finding.
    leakage : whether to look for what only warns a reader (``find_leakage``); leaks are refused either way.
    folds : whether to divide; a cohort that is only judged is not.

    Raises
    ------
    CohortError : scans that cannot be read or compared, or choices that they rule out; the message lists them.
    LeakageError : a split that leaks.
    """
    refuse_split_by_case(study.split, known_leaks)
    seen = examine(study, workers, voice, strict=True, known_leaks=known_leaks, leakage=leakage, folds=folds)
    assert seen.plan is not None
    assert seen.duplicates is not None
    leaks = seen.leaks if known_leaks else None
    return Setup(seen.plan, seen.cohort, seen.duplicates, seen.geometry, seen.folds, seen.problems, leaks)


def prepare(
    setup: Setup, cache: Path | None = None, workers: int = 2, say: Callable[[int, int], None] | None = None
) -> dict[str, PreparedCase]:
    """Prepare every case of a study, or find it prepared."""
    return prepare_cohort(
        setup.cohort.cases,
        build_steps(setup.study.prepare or []),
        cache,
        channels=list(setup.study.cohort.scans),
        workers=workers,
        progress=None if say is None else lambda done, total, case_id: say(done, total),
        series=setup.study.cohort.series,
    )


def whole_fold(setup: Setup) -> Fold:
    """Return the fold that describes all folds together: every case that is ever tested is the test."""
    tested = tuple(dict.fromkeys(i for fold in setup.folds for i in fold.test))
    held = set(tested)
    rest = tuple(case.id for case in setup.cohort if case.id not in held)
    return Fold(-1, "all folds", rest, (), tested)
