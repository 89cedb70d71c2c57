"""Hidden subjects, unequal covariates, truths that headers tell, matched subsets, and leaks that are counted."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from voxtempo.cohort import Case, Cohort, Fold, divide, leak_in_words, make_folds
from voxtempo.cohort.duplicates import DuplicateReport
from voxtempo.cohort.leakage.acquisition import acquisition_of
from voxtempo.cohort.leakage.background import frame_of, look_at_background
from voxtempo.cohort.leakage.confounding import guess_truth
from voxtempo.cohort.leakage.covariates import described, largest_difference, unequal_covariates
from voxtempo.cohort.leakage.known import cohort_to_split, leaks_of
from voxtempo.cohort.leakage.matching import match_subjects
from voxtempo.cohort.leakage.structure import hidden_subjects
from voxtempo.cohort.study import Split
from voxtempo.errors import CohortError, LeakageError


def rows_cohort(names: list[str], folder: str = "/data") -> Cohort:
    return Cohort(tuple(Case(n, n, {"mr": Path(f"{folder}/{n}.png")}, row={"id": n}) for n in names))


@pytest.mark.parametrize(
    ("names", "people"),
    [
        ([f"sub-{p:02d}_ses-{s}_T1w" for p in range(6) for s in range(3)], 6),
        ([f"OAS1_{p:04d}_MR1_slice{s}" for p in range(6) for s in range(3)], 6),
        ([f"patient{p}/{s}" for p in range(6) for s in range(3)], 6),
        ([f"p{p}_{s}" for p in range(6) for s in range(3)], 6),
        ([f"tumour_{s}" for s in range(18)], None),
        ([f"image({s})" for s in range(18)], None),
        ([f"sub-{p:02d}_T1w" for p in range(18)], None),
        ([f"IXI{p:03d}-HH-{1200 + p}-T1" for p in range(18)], None),
        ([f"{kind}_{s}" for kind in ("glioma", "pituitary", "none") for s in range(6)], None),
    ],
)
def test_names_that_speak_of_fewer_people(names: list[str], people: int | None):
    found = hidden_subjects(rows_cohort(names), named=False)
    assert bool(found) == (people is not None)
    if people is not None:
        assert f"speaks of {people}: " in found[0].message
    assert hidden_subjects(rows_cohort(names), named=True) == ()


def classes_cohort(rng: np.random.Generator, people: int = 40, shift: float = 0.0) -> Cohort:
    cases = []
    for place in range(people):
        label = "ab"[place % 2]
        row = {
            "id": str(place),
            "age": f"{rng.normal(50 + shift * (label == 'b'), 8):.2f}",
            "sex": "FM"[rng.integers(2)],
        }
        cases.append(Case(str(place), f"s{place}", {}, label, row=row))
    return Cohort(tuple(cases), ("a", "b"))


def test_differences_are_those_of_the_formula():
    rng = np.random.default_rng(0)
    values, codes = rng.normal(size=(60, 1)), rng.integers(0, 3, 60)
    expected = max(
        abs(a.mean() - b.mean()) / np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
        for a, b in combinations([values[codes == code, 0] for code in range(3)], 2)
    )
    assert largest_difference(values, codes)[0] == pytest.approx(expected)
    assert largest_difference(np.ones((6, 1)), np.array([0, 0, 0, 1, 1, 1]))[0] == 0
    assert described(["1", "2", "3"])[1] == []
    assert described(["0", "1", "0"])[1] == ["0", "1"]


def test_unequal_ages_are_found_and_equal_ones_hardly_ever():
    assert [p.where for p in unequal_covariates(classes_cohort(np.random.default_rng(0), shift=12), [], "group")] == [
        "age"
    ]
    alarms = sum(
        bool(unequal_covariates(classes_cohort(np.random.default_rng(seed)), [], "group")) for seed in range(20)
    )
    assert alarms <= 2  # two columns at one in a hundred: 0.4 expected


def test_what_goes_with_a_number_is_found():
    rng = np.random.default_rng(0)
    sites = rng.integers(0, 3, 60)
    cases = tuple(
        Case(
            str(i),
            str(i),
            {},
            float(40 + 10 * sites[i] + rng.normal(0, 8)),
            row={"site": "xyz"[sites[i]], "sex": "FM"[i % 2]},
        )
        for i in range(60)
    )
    (problem,) = unequal_covariates(Cohort(cases), [], "age")
    eta = stats.f_oneway(*([c.target for c in cases if c.row["site"] == s] for s in "xyz")).statistic
    share = 2 * eta / (2 * eta + 57)
    assert problem.where == "site"
    assert f"explains {share:.0%}" in problem.message


@pytest.mark.parametrize("kinds", [2, 3])
def test_fields_that_tell_the_class(kinds: int):
    rng = np.random.default_rng(0)
    truth = [f"c{i % kinds}" for i in range(90)]
    cases = [Case(str(i), str(i), {}, label) for i, label in enumerate(truth)]
    informative = [rng.normal(float(label[1]), 0.7) for label in truth]
    noise = rng.normal(size=90).tolist()
    guess = guess_truth(cases, {"noise": noise, "field": informative, "same": [1.0] * 90, "text": ["x"] * 90})
    assert guess is not None
    assert guess.telling
    assert guess.strongest[0][0] == "field"
    if kinds == 2:
        assert guess.value == pytest.approx(roc_auc_score([label == "c1" for label in truth], informative), abs=0.06)
    assert guess.low is not None
    assert guess.low < guess.value < guess.high
    nothing = guess_truth(cases, {"noise": noise})
    assert nothing is not None
    assert not nothing.telling
    assert guess_truth(cases, {"same": [1.0] * 90}) is None
    assert guess_truth(cases[:10], {"noise": noise[:10]}) is None


def test_fields_are_judged_over_subjects():
    """Ten images of each of 24 people, in each of whom a field is constant by chance: no finding."""
    rng = np.random.default_rng(0)
    cases = [Case(f"{p}-{i}", f"p{p}", {}, "ab"[p % 2]) for p in range(24) for i in range(10)]
    field = np.repeat(rng.normal(size=24), 10).tolist()
    guess = guess_truth(cases, {"field": field})
    assert guess is not None
    assert guess.subjects == 24
    assert not guess.telling


def test_categories_thresholds_and_numbers_are_told_from_headers():
    rng = np.random.default_rng(1)
    cases = [Case(str(i), str(i), {}, "ab"[i % 2]) for i in range(60)]
    sides = [None if i % 9 == 0 else ("north" if (i % 2) ^ (rng.random() < 0.1) else "south") for i in range(60)]
    middle = [rng.choice([-3.0, 3.0]) + rng.normal(0, 0.3) if i % 2 else rng.normal(0, 1) for i in range(60)]
    for field in (sides, middle):
        guess = guess_truth(cases, {"field": field})
        assert guess is not None
        assert guess.telling
    ages = [Case(str(i), str(i), {}, float(i)) for i in range(60)]
    guess = guess_truth(ages, {"field": [i + rng.normal(0, 10) for i in range(60)]})
    assert guess is not None
    assert guess.telling
    assert not guess.classes
    assert guess.value > 0.7


def test_backgrounds_are_what_is_dark_in_the_frame():
    image = np.zeros((48, 48), np.float32)
    image[12:36, 12:36] = 100
    image[0] = 10
    found = look_at_background(image[..., None])
    assert frame_of(image).size == 48**2 - 40**2
    assert found["tissue"] == 0
    assert found["zeros"] == pytest.approx(1 - 48 / frame_of(image).size)
    assert found["greatest"] == pytest.approx(0.1)
    assert look_at_background(np.full((9, 9, 9), 5.0)) == {}
    assert set(look_at_background(np.where(image > 50, 0, 100)[4:-4, 4:-4])) == {"tissue", "blocks"}
    stepped = np.kron(np.random.default_rng(0).uniform(0, 50, (8, 8)), np.ones((8, 8))) + np.arange(64) * 0.1
    assert look_at_background(stepped)["blocks"] > 5 > 1.2 > look_at_background(image)["blocks"]


def test_acquisition_is_read_from_the_file_beside(tmp_path: Path):
    said = {"MagneticFieldStrength": 3, "EchoTime": "0.03", "Manufacturer": "X", "PatientName": "N", "ImageType": ["a"]}
    (tmp_path / "a.json").write_text(json.dumps(said), encoding="utf-8")
    found = {"Manufacturer": "X", "MagneticFieldStrength": 3.0, "EchoTime": 0.03}
    assert acquisition_of(tmp_path / "a.nii.gz") == acquisition_of(tmp_path / "a.png") == found
    assert acquisition_of(tmp_path / "b.nii.gz") == {}


def matched_best(first: list[float], second: list[float], reach: float) -> int:
    """The most pairs within reach on a line, by taking the nearest possible from the left."""
    pairs, others = 0, sorted(second)
    for value in sorted(first):
        while others and others[0] < value - reach:
            others.pop(0)
        if others and others[0] <= value + reach:
            others.pop(0)
            pairs += 1
    return pairs


@pytest.mark.parametrize("seed", range(8))
def test_matching_keeps_as_many_as_can_be_and_makes_classes_alike(seed: int):
    cohort = classes_cohort(np.random.default_rng(seed), shift=10)
    matched = match_subjects(cohort, ["age"])
    ages = {label: [float(c.row["age"]) for c in cohort if c.target == label] for label in "ab"}
    spread = np.std(ages["a"] + ages["b"])
    assert len(matched) == 2 * matched_best(ages["a"], ages["b"], 0.25 * spread)
    assert sorted(c.target for c in matched) == ["a"] * (len(matched) // 2) + ["b"] * (len(matched) // 2)
    backwards = match_subjects(Cohort(cohort.cases[::-1], cohort.classes), ["age"])
    assert {c.id for c in backwards} == {c.id for c in matched}
    assert matched.flow[-1] == ("matched on age", len(matched), len(matched))
    both = match_subjects(cohort, ["age", "sex"], 0.5)
    assert all(
        sum(c.row["sex"] == sex and c.target == "a" for c in both)
        == sum(c.row["sex"] == sex and c.target == "b" for c in both)
        for sex in "FM"
    )


def test_matching_keeps_all_rows_of_a_subject_and_three_classes_equal():
    rng = np.random.default_rng(0)
    cases = [
        Case(f"{p}-{i}", f"p{p}", {}, "abc"[p % 3], row={"age": str(50 + p % 7), "sex": "FM"[p % 2]})
        for p in range(45)
        for i in range(int(rng.integers(1, 4)))
    ]
    matched = match_subjects(Cohort(tuple(cases), ("a", "b", "c")), ["sex", "age"])
    subjects = {label: {c.subject for c in matched if c.target == label} for label in "abc"}
    assert len({len(names) for names in subjects.values()}) == 1
    assert len(matched) == sum(c.subject in set().union(*subjects.values()) for c in cases)
    with pytest.raises(CohortError, match=r"no column 'sxe'\. Did you mean 'sex'"):
        match_subjects(Cohort(tuple(cases), ("a", "b", "c")), ["sxe"])
    with pytest.raises(CohortError, match="classes are matched"):
        match_subjects(Cohort(tuple(cases)), ["sex"])


def people(count: int = 8, rows: int = 5) -> Cohort:
    return Cohort(
        tuple(Case(f"{p}-{i}", f"p{p}", {}, "ab"[p % 2]) for p in range(count) for i in range(rows)), ("a", "b")
    )


def test_splitting_by_case_must_be_said_and_is_counted():
    cohort, split = people(), Split(folds=4, by="case")
    with pytest.raises(LeakageError, match="--i-know-this-leaks"):
        divide(cohort, split)
    folds, leaks = divide(cohort, split, None, known_leaks=True)
    assert sorted(i for fold in folds for i in fold.test) == sorted(case.id for case in cohort)
    subjects = {case.id: case.subject for case in cohort}
    for fold, leak in zip(folds, leaks, strict=True):
        learned = {subjects[i] for i in (*fold.train, *fold.validation)}
        sides = [{subjects[i] for i in side} for side in (fold.train, fold.validation, fold.test)]
        assert leak["count"] == len(set().union(*(a & b for a, b in combinations(sides, 2))))
        assert leak["test"] == sum(subjects[i] in learned for i in fold.test)
        assert leak_in_words(leak).startswith(f"LEAK: {leak['count']} subjects")
    assert divide(cohort, Split(folds=4), None, known_leaks=True)[0] == make_folds(cohort, Split(folds=4))


def test_copies_inside_one_side_are_no_leak():
    cohort = people()
    fold = Fold(0, "fold 0", ("0-0", "0-1"), (), ("1-0",))
    assert leaks_of(cohort, fold, DuplicateReport((("0-0", "0-1"),))) == ()
    (leak,) = leaks_of(cohort, fold, DuplicateReport((), near=(("0-0", "1-0"),)))
    assert (leak["leak"], leak["test"], leak["of"]) == ("near-identical images on two sides of the split", 1, 1)
    assert cohort_to_split(cohort, Split(folds=4), known_leaks=True) is cohort


def test_matching_does_not_depend_on_rows_where_a_covariate_changes_between_visits():
    ages = {"A0": (30, 33), "A1": (50, 53), "A2": (31, 34), "C0": (30, 35), "C1": (34, 31)}
    cases = tuple(
        Case(f"{who}-{visit}", who, {}, target=who[0], row={"age": str(age)})
        for who, visits in ages.items()
        for visit, age in enumerate(visits)
    )
    kept = [{c.id for c in match_subjects(Cohort(rows, ("A", "C")), ["age"])} for rows in (cases, cases[::-1])]
    assert kept[0] == kept[1]
