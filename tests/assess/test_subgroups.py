"""Subgroups: who is in which, and that a subgroup is judged as if it were alone."""

from __future__ import annotations

import numpy as np

from voxtempo.assess import classification_metrics, subgroup_metrics, subgroup_of


def test_values_bands_and_unknowns():
    assert subgroup_of(["Guys", "HH", None, "n/a"]) == ["Guys", "HH", "unknown", "unknown"]
    assert subgroup_of([1, 2, 1, 2]) == ["1", "2", "1", "2"]
    ages = [str(age) for age in range(20, 80)] + [""]
    bands = subgroup_of(ages)
    assert sorted(set(bands)) == ["20 to 39", "40 to 59", "60 to 79", "unknown"]
    assert [bands.count(name) for name in ("20 to 39", "40 to 59", "60 to 79")] == [20, 20, 20]
    assert bands[-1] == "unknown"
    assert subgroup_of([]) == []


def test_heaped_numbers_keep_disjoint_bands():
    bands = subgroup_of([0] * 50 + list(range(1, 11)))
    assert set(bands[:50]) == {bands[0]}
    assert bands[0] not in bands[50:]


def test_each_subgroup_is_judged_alone():
    rng = np.random.default_rng(0)
    scores, truth, subjects = rng.dirichlet([1, 1], 30), rng.integers(0, 2, 30), np.arange(30)
    sex = np.array(["F", "M", "F"] * 10)

    def judge(cases):
        return classification_metrics(scores[cases], truth[cases], ["a", "b"], subjects[cases], 100)

    result = subgroup_metrics(sex, judge)
    assert list(result) == ["F", "M"]
    assert result["F"]["accuracy"].n == 20
    assert result["M"] == judge(np.flatnonzero(sex == "M"))


def test_groups_stand_in_reading_order():
    values = ["5 to 9", "unknown", "10 to 14", ""]
    result = subgroup_metrics(values, lambda cases: {"n": len(cases)})
    assert list(result) == ["5 to 9", "10 to 14", "unknown"]
    assert result["unknown"] == {"n": 2}
