"""Folds: disjoint, whole subjects, balanced, the same for the same seed, and refused when they leak."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxtempo.cohort import (
    Case,
    Cohort,
    Fold,
    Split,
    build_cohort,
    check_folds,
    load_study,
    make_folds,
    read_split,
    refuse_leaks,
    write_split,
)
from voxtempo.cohort.duplicates import DuplicateReport
from voxtempo.errors import CohortError, LeakageError


def cohort_of(sizes: Sequence[int], labels: Sequence[str] | None = None, **columns: Sequence[str]) -> Cohort:
    """One subject for each size, with that many cases."""
    cases = []
    for i, size in enumerate(sizes):
        row = {name: values[i] for name, values in columns.items()}
        target = labels[i] if labels is not None else None
        cases += [Case(f"c{i}-{k}", f"s{i}", {}, target, row=row) for k in range(size)]
    return Cohort(tuple(cases), tuple(sorted(set(labels or ()))))


def sides(fold: Fold) -> tuple[tuple[str, ...], ...]:
    return fold.train, fold.validation, fold.test


@st.composite
def cohorts(draw: st.DrawFn) -> Cohort:
    count = draw(st.integers(7, 40))
    sizes = draw(st.lists(st.integers(1, 9), min_size=count, max_size=count))
    labels = draw(st.lists(st.sampled_from("abc"), min_size=count, max_size=count))
    sites = draw(st.lists(st.sampled_from(["p", "q"]), min_size=count, max_size=count))
    ages = draw(st.lists(st.integers(18, 90).map(str), min_size=count, max_size=count))
    return cohort_of(sizes, labels, site=sites, age=ages)


splits = st.one_of(
    st.builds(
        Split,
        folds=st.integers(2, 4),
        seed=st.integers(0, 9),
        stratify=st.sampled_from([[], ["site"], ["age", "site"]]),
    ),
    st.builds(Split, test=st.floats(0.1, 0.5), folds=st.integers(2, 4), seed=st.integers(0, 9)),
    st.builds(Split, test=st.floats(0.1, 0.5), validation=st.floats(0.1, 0.5), seed=st.integers(0, 9)),
)


@settings(max_examples=80, deadline=None)
@given(cohorts(), splits, st.randoms(use_true_random=False))
def test_folds_hold_every_promise(cohort: Cohort, split: Split, random):
    folds = make_folds(cohort, split)
    subjects = {case.id: case.subject for case in cohort}
    for fold in folds:
        assert sorted(case_id for side in sides(fold) for case_id in side) == sorted(subjects)
        assert all(sides(fold))
        train, validation, test = ({subjects[case_id] for case_id in side} for side in sides(fold))
        assert len(train) + len(validation) + len(test) == len(train | validation | test)
        refuse_leaks(cohort, fold)
    if split.test is not None:
        assert len({fold.test for fold in folds}) == 1
    held = [case_id for fold in folds for case_id in (fold.validation if split.test is not None else fold.test)]
    assert len(held) == len(set(held))
    shuffled = list(cohort.cases)
    random.shuffle(shuffled)
    assert make_folds(replace(cohort, cases=tuple(shuffled)), split) == folds


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=5, max_size=60), st.integers(2, 5), st.integers(0, 20))
def test_parts_differ_by_at_most_the_largest_subject(sizes: list[int], count: int, seed: int):
    folds = make_folds(cohort_of(sizes), Split(folds=count, seed=seed))
    tests = [len(fold.test) for fold in folds]
    assert sum(tests) == sum(sizes)
    if count > 2:
        assert max(tests) - min(tests) <= max(sizes)
    assert all(fold.train and fold.validation for fold in folds)


def test_single_cases_are_stratified_to_within_one():
    labels = ["a"] * 50 + ["b"] * 31 + ["c"] * 12
    folds = make_folds(cohort_of([1] * 93, labels), Split(folds=5, seed=4))
    target = {f"c{i}-0": label for i, label in enumerate(labels)}
    for label, total in Counter(labels).items():
        for fold in folds:
            count = sum(target[case_id] == label for case_id in fold.test)
            assert abs(count - total / 5) < 1
            assert sum(target[case_id] == label for case_id in fold.validation) >= 1


def test_numbers_are_stratified_by_quantile_even_unasked():
    ages = np.random.default_rng(0).uniform(20, 80, 80)
    cases = tuple(Case(f"c{i}", f"s{i}", {}, float(age), row={}) for i, age in enumerate(ages))
    edges = np.quantile(ages, [0.2, 0.4, 0.6, 0.8])
    for seed in range(5):
        (fold, *_) = make_folds(Cohort(cases), Split(test=0.25, folds=3, seed=seed))
        bins = np.bincount(np.searchsorted(edges, [ages[int(case_id[1:])] for case_id in fold.test]), minlength=5)
        assert bins.max() - bins.min() <= 1
        assert len(fold.test) == 20


def test_another_seed_is_another_split():
    cohort = cohort_of([1] * 30)
    assert len({make_folds(cohort, Split(folds=3, seed=seed))[0].test for seed in range(5)}) == 5


def test_a_class_of_one_subject_trains():
    cohort = cohort_of([3] * 13, ["a"] * 6 + ["b"] * 6 + ["rare"])
    for split in (Split(folds=3), Split(test=0.3, folds=3), Split(test=0.3)):
        folds = make_folds(cohort, split)
        assert all("c12-0" in fold.train for fold in folds)
        told = [p for p in check_folds(cohort, folds) if "'rare'" in p.message]
        assert [p.severity for p in told] == ["note", "warning"]


def test_a_class_of_two_subjects_always_trains():
    cohort = cohort_of([1] * 12, ["a"] * 10 + ["b"] * 2)
    for seed in range(5):
        for fold in make_folds(cohort, Split(folds=4, seed=seed)):
            assert {"c10-0", "c11-0"} & set(fold.train)


def test_a_class_that_a_site_lacks_is_said_of_the_site():
    cohort = cohort_of([1] * 12, ["a", "b"] * 3 + ["a"] * 6, site=["x"] * 6 + ["y"] * 6)
    split = Split(column="site")
    told = [p.message for p in check_folds(cohort, make_folds(cohort, split), split.column) if p.severity == "warning"]
    assert told == ["no test case is 'b' in site=y: those held out by 'site' do not show it."]


def test_one_value_of_a_column_at_a_time():
    cohort = cohort_of([2] * 12, None, run=[str(i + 1) for i in range(12)])
    folds = make_folds(cohort, Split(column="run"))
    assert [fold.name for fold in folds] == [f"run={i}" for i in range(1, 13)]
    assert [fold.test for fold in folds][9] == ("c9-0", "c9-1")
    assert {len(fold.validation) for fold in folds} <= {2, 4}
    assert {len(fold.train) + len(fold.validation) for fold in folds} == {22}


def test_only_some_values_of_a_column_are_tested_and_the_others_train():
    cohort = cohort_of([2] * 12, None, part=[["Training", "Testing", "3"][min(i // 6, 2) + (i > 9)] for i in range(12)])
    every = {fold.name: fold for fold in make_folds(cohort, Split(column="part"))}
    for values in (["Testing"], ["Testing", "3"], [3]):
        folds = make_folds(cohort, Split(column="part", only=values))
        assert [fold.index for fold in folds] == list(range(len(values)))
        assert {fold.name for fold in folds} == {f"part={value}" for value in values}
        for fold in folds:
            assert fold.test == every[fold.name].test
            rest = {*every[fold.name].train, *every[fold.name].validation}
            assert {*fold.train, *fold.validation} == rest
            assert fold.validation


def test_values_to_test_on_must_exist_and_need_a_column():
    cohort = cohort_of([1] * 8, None, part=["Training", "Testing"] * 4)
    with pytest.raises(CohortError, match=r"split.only: no case has 'testing' in 'part'.*'Testing'"):
        make_folds(cohort, Split(column="part", only=["testing"]))
    with pytest.raises(ValueError, match="give 'column' with it"):
        Split(only=["Testing"])
    with pytest.raises(ValueError, match="at least 1 item"):
        Split(column="part", only=[])


def test_a_column_that_cuts_subjects_is_refused():
    cases = tuple(Case(f"c{i}", "one", {}, None, row={"run": str(i)}) for i in range(4))
    with pytest.raises(LeakageError, match=r"1 subjects on both sides: one.*cohort.subject: run"):
        make_folds(Cohort(cases), Split(column="run"))
    with pytest.raises(CohortError, match="Did you mean 'run'"):
        make_folds(Cohort(cases), Split(column="runn"))


def test_copies_across_a_column_leave_training():
    cohort = cohort_of([1] * 8, None, site=list("aaaabbbb"))
    tied = replace(cohort, cases=tuple(replace(c, group="s0") if c.id == "c4-0" else c for c in cohort))
    folds = make_folds(tied, Split(column="site"))
    assert [len(fold.test) for fold in folds] == [4, 4]
    assert "c4-0" not in (*folds[0].train, *folds[0].validation)
    assert "c0-0" not in (*folds[1].train, *folds[1].validation)
    assert [(p.where, p.severity) for p in check_folds(tied, folds)] == [("site=a", "warning"), ("site=b", "warning")]
    for fold in folds:
        refuse_leaks(tied, fold, DuplicateReport((("c0-0", "c4-0"),)))


@pytest.mark.parametrize("split", [Split(folds=5), Split(test=0.2, folds=4), Split(test=0.2)])
def test_too_few_subjects(split: Split):
    with pytest.raises(CohortError, match="independent subjects, found 2"):
        make_folds(cohort_of([5, 5]), split)


def test_stratify_refuses_names():
    cohort = cohort_of([1] * 30, None, name=[f"n{i}" for i in range(30)])
    with pytest.raises(CohortError, match="nothing to balance"):
        make_folds(cohort, Split(folds=3, stratify=["name"]))


def test_leaks_are_refused_by_name():
    cohort = cohort_of([2, 2, 2])
    good = Fold(0, "fold 0", ("c0-0", "c0-1"), ("c1-0", "c1-1"), ("c2-0", "c2-1"))
    refuse_leaks(cohort, good)
    with pytest.raises(LeakageError, match=r"1 subjects stand on two sides.*s0 \(test and train\)"):
        refuse_leaks(cohort, replace(good, train=("c0-0",), test=("c0-1", "c2-0")))
    with pytest.raises(LeakageError, match="'c0-0' is in train and in test"):
        refuse_leaks(cohort, replace(good, test=("c0-0",)))
    with pytest.raises(LeakageError, match=r"identical images stand on two sides.*c0-0 = c2-1"):
        refuse_leaks(cohort, good, DuplicateReport((("c0-0", "c2-1"),)))
    tied = replace(cohort, cases=tuple(replace(c, group="s0") if c.subject == "s2" else c for c in cohort))
    with pytest.raises(LeakageError, match="1 groups"):
        refuse_leaks(tied, good)
    with pytest.raises(CohortError, match="'zz', which is not in the cohort"):
        refuse_leaks(cohort, replace(good, test=("zz",)))


def test_a_written_split_reads_back(tmp_path: Path):
    cohort = cohort_of([1] * 8, None, site=list("aaaabbbb"))
    cohort = replace(cohort, cases=tuple(replace(c, group="s0") if c.id == "c4-0" else c for c in cohort))
    for fold in make_folds(cohort, Split(column="site")):
        path = write_split(tmp_path / "split.csv", cohort, fold)
        assert path.read_text(encoding="utf-8").splitlines()[0] == "id,subject,group,role"
        assert read_split(path, fold.index, fold.name) == fold
    path.write_text("id,role\nc0,tran\n", encoding="utf-8")
    with pytest.raises(CohortError, match=r"line 2: 'tran' is no role. Did you mean 'train'"):
        read_split(path)


def test_published_splits(real_studies: Path, real_data: Callable[[str], Path]):
    for name, test in (("ixi-age", 16), ("ixi-sex", 16), ("hippocampus", 40), ("alzheimer2d", 1024)):
        study = load_study(real_studies / f"{name}.yaml")
        cohort = build_cohort(study)
        folds = make_folds(cohort, study.split)
        assert {len(fold.test) for fold in folds} == {test}
        ages = [float(case.row["age"]) for case in cohort.only(folds[0].test) if "age" in case.row]
        if name == "ixi-age":
            everyone = [float(case.row["age"]) for case in cohort]
            assert abs(np.mean(ages) - np.mean(everyone)) < 3
            assert Counter(case.row["sex"] for case in cohort.only(folds[0].test)) == {"F": 8, "M": 8}


@pytest.mark.parametrize("split", [{"folds": 2}, {"folds": 4}, {"test": 0.3}, {"column": "run"}])
def test_without_validation_every_case_beside_the_test_trains(split):
    cohort = cohort_of([2] * 8, ["a", "b"] * 4, run=["1", "1", "2", "2", "3", "3", "4", "4"])
    folds = make_folds(cohort, Split(validation=0, **split))
    for fold in folds:
        assert fold.validation == ()
        assert sorted((*fold.train, *fold.test)) == sorted(case.id for case in cohort)
        refuse_leaks(cohort, fold)
    told = [problem.message for problem in check_folds(cohort, folds)]
    assert told == (
        ["2 subjects in all are tested: that says next to nothing of how far off figures are."]
        if "test" in split
        else []
    )
    if "test" not in split:
        assert sorted(case_id for fold in folds for case_id in fold.test) == sorted(case.id for case in cohort)


def test_two_subjects_suffice_where_nobody_selects():
    (one, two) = make_folds(cohort_of([3, 2]), Split(folds=2, validation=0))
    assert (one.train, one.test) == (two.test, two.train)
    assert make_folds(cohort_of([1, 1]), Split(test=0.5, validation=0))[0].train
    with pytest.raises(CohortError, match="2 folds with training and test need at least 2"):
        make_folds(cohort_of([3]), Split(folds=2, validation=0))


@pytest.mark.parametrize("split", [Split(folds=4), Split(column="who")])
def test_many_classes_of_few_subjects_are_balanced(split):
    names = [f"object {k}" for k in range(12)]
    cases = tuple(
        Case(f"s{s}-{name}-{r}", f"s{s}", {}, target=name, row={"who": f"s{s}"})
        for s in range(8)
        for name in names
        for r in range(3)
    )
    cohort = Cohort(cases, classes=tuple(names))
    folds = make_folds(cohort, split)
    assert check_folds(cohort, folds) == ()
