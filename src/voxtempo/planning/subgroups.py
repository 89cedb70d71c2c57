"""For whom the figures are given apart: the columns that say who people are and where they were scanned."""

from __future__ import annotations

from voxtempo.assess import subgroup_of
from voxtempo.assess.subgroups import UNKNOWN
from voxtempo.cohort.case import Cohort
from voxtempo.cohort.leakage.covariates import is_covariate, repeats_truth
from voxtempo.cohort.study import Study

MOST_GROUPS = 10
"""Values of a column, more than which are no subgroups of a test set."""


def plan_subgroups(study: Study, cohort: Cohort, reasons: list[str]) -> list[str]:
    """Return the columns of a study's subgroups: those it names, or the covariates of its table that divide the cases.

    Left out are the truth, columns of one value or of too many, and those that most cases have no value in.

    Parameters
    ----------
    study : names columns, or leaves them open.
    cohort : with every column of its table.
    reasons : gets the reason.
    """
    if study.evaluate.subgroups is not None:
        return list(study.evaluate.subgroups)
    section = study.cohort
    rows = [case.row for case in cohort]
    names = list(dict.fromkeys(name for row in rows for name in row))
    wanted = [name for name in names if name == section.site or is_covariate(name)]
    chosen = [name for name in wanted if name != section.target.column and _divides(name, cohort)]
    if chosen:
        reasons.append(f"evaluate: figures also by {', '.join(chosen)}, since the table tells (evaluate.subgroups)")
    return chosen


def _divides(name: str, cohort: Cohort) -> bool:
    groups = subgroup_of([case.row.get(name, "") for case in cohort])
    known = [group for group in groups if group != UNKNOWN]
    return (
        not repeats_truth(name, cohort.cases) and 2 * len(known) > len(groups) and 2 <= len(set(known)) <= MOST_GROUPS
    )
