"""All that can make a result untrue beside copies, looked for together."""

from __future__ import annotations

from voxtempo.cohort.case import Cohort
from voxtempo.cohort.consistency import GeometryReport
from voxtempo.cohort.duplicates import DuplicateReport
from voxtempo.cohort.images import image_facts
from voxtempo.cohort.leakage.confounding import confounds_of
from voxtempo.cohort.leakage.covariates import unequal_covariates
from voxtempo.cohort.leakage.structure import hidden_subjects, kin
from voxtempo.cohort.problem import Problem
from voxtempo.cohort.study import Study


def find_leakage(
    study: Study, cohort: Cohort, geometry: GeometryReport, duplicates: DuplicateReport, workers: int = 2
) -> tuple[Problem, ...]:
    """Return as warnings: rows of one person that count as several, and a truth that something else than the head tells.

    Parameters
    ----------
    study : says which columns are known.
    cohort : after ``join_duplicates``, so that its groups are independent.
    geometry, duplicates : what was found before.
    workers : threads, where the cache does not know the images yet.
    """
    section = study.cohort
    named = section.bids is not None or section.subject not in (None, section.id)
    columns = [*study.split.stratify, *(study.evaluate.subgroups or ()), *([section.site] if section.site else [])]
    facts, _ = image_facts(cohort, workers)
    return (
        *hidden_subjects(cohort, named),
        *kin(cohort, duplicates, named),
        *unequal_covariates(cohort, columns, section.target.column),
        *confounds_of(cohort, geometry, facts),
    )
