"""Subgroups that nobody asked for: the covariates of the table that divide the cases."""

from __future__ import annotations

import pytest

from voxtempo.cohort import Study
from voxtempo.cohort.case import Case, Cohort
from voxtempo.planning.subgroups import plan_subgroups

COUNT = 40


def _study(**more):
    cohort = {"table": "t.csv", "scans": {"t1": "{id}.nii"}, "target": {"column": "y"}, **more.pop("cohort", {})}
    return Study.model_validate({"name": "s", "task": "regress", "cohort": cohort, **more})


def _cohort(**columns):
    rows = [{name: str(values(i)) for name, values in columns.items()} for i in range(COUNT)]
    return Cohort(tuple(Case(f"c{i}", f"c{i}", {}, target=float(i), row=row) for i, row in enumerate(rows)))


def _sexes(i):
    return "FM"[i % 2]


@pytest.mark.parametrize(
    ("columns", "chosen"),
    [
        ({"sex": _sexes, "Age": lambda i: 20 + i, "note": _sexes}, ["sex", "Age"]),
        ({"sex": lambda i: "F"}, []),
        ({"scanner": lambda i: f"serial-{i}"}, []),
        ({"age": lambda i: i}, []),  # the truth under another name
        ({"sex": lambda i: _sexes(i) if i < COUNT // 2 else ""}, []),
        ({"sex": lambda i: _sexes(i) if i <= COUNT // 2 else "n/a"}, ["sex"]),
        ({"Field Strength": lambda i: (1.5, 3)[i % 2]}, ["Field Strength"]),
    ],
)
def test_covariates_that_divide_the_cases_are_subgroups(columns, chosen):
    reasons: list[str] = []
    assert plan_subgroups(_study(), _cohort(**columns), reasons) == chosen
    assert len(reasons) == bool(chosen)
    assert all(name in reasons[0] for name in chosen)


def test_what_the_study_says_comes_first():
    cohort = _cohort(sex=_sexes, ward=_sexes)
    reasons: list[str] = []
    assert plan_subgroups(_study(evaluate={"subgroups": []}), cohort, reasons) == []
    assert plan_subgroups(_study(evaluate={"subgroups": ["ward"]}), cohort, reasons) == ["ward"]
    assert reasons == []
    assert plan_subgroups(_study(cohort={"site": "ward"}), cohort, reasons) == ["sex", "ward"]
    assert plan_subgroups(_study(cohort={"target": {"column": "sex"}}), cohort, reasons) == []
