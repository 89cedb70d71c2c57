"""How far subgroups are apart: the right pair, an interval that holds the truth, and subjects drawn as what they are."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep

from voxtempo.assess import mean_figures
from voxtempo.assess.gaps import subgroup_gaps
from voxtempo.assess.intervals import mean_statistic
from voxtempo.assess.proportions import proportion_figure
from voxtempo.assess.resampling import units_of


def _part(values, subjects=None, name="x"):
    values = np.asarray(values, np.float64)
    return mean_statistic({name: values}), [str(i) for i in range(len(values))] if subjects is None else subjects


def _groups(sizes, draw):
    return {
        str(place): _part(draw(place, size), [f"{place}-{i}" for i in range(size)]) for place, size in enumerate(sizes)
    }


@pytest.mark.parametrize(("goal", "worst", "best"), [("larger", "a", "c"), ("smaller", "c", "a"), ("zero", "a", "c")])
def test_the_pair_is_the_worst_and_the_best_for_what_the_metric_wants(goal, worst, best):
    rng = np.random.default_rng(0)
    shifted = {"a": -3.0, "b": 0.0, "c": 2.0}
    parts = {
        name: _part(rng.normal(0, 0.1, 9) + mean, [f"{name}{i}" for i in range(9)]) for name, mean in shifted.items()
    }
    gap = subgroup_gaps(parts, {"x": goal}, 200)["x"]
    assert (gap["worst"], gap["best"], gap["groups"]) == (worst, best, 3)
    assert gap["difference"].value == pytest.approx(5.0, abs=0.2)
    assert gap["difference"].n == 18


def test_two_groups_have_the_interval_of_welch():
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 1, 25), rng.normal(1, 2, 40)
    gap = subgroup_gaps(_groups((25, 40), lambda place, _: (a, b)[place]), {"x": "larger"}, 8000)["x"]["difference"]
    welch = stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
    assert gap.value == pytest.approx(b.mean() - a.mean())
    assert gap.low == pytest.approx(welch.low, abs=0.05)
    assert gap.high == pytest.approx(welch.high, abs=0.05)


def test_more_groups_make_the_interval_of_the_chosen_pair_wider():
    rng = np.random.default_rng(2)
    values = rng.normal(0, 1, (6, 20))
    values[0] -= 1
    values[1] += 1
    values[2:] *= 0.2
    widths = []
    for count in (2, 6):
        gap = subgroup_gaps(_groups([20] * count, lambda place, _: values[place]), {"x": "larger"}, 2000)["x"]
        assert (gap["worst"], gap["best"]) == ("0", "1")
        widths.append(gap["difference"].high - gap["difference"].low)
    assert widths[1] > 1.15 * widths[0]


@pytest.mark.parametrize("sizes", [(10, 20), (15, 15, 15, 15)])
def test_where_nothing_differs_the_interval_holds_zero_in_95_of_100(sizes):
    held = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        gap = subgroup_gaps(_groups(sizes, lambda _, size, rng=rng: rng.normal(size=size)), {"x": "larger"}, 300, seed)[
            "x"
        ]
        held.append(gap["difference"].low <= 0)
    assert np.mean(held) >= 0.91  # 95 of 100 less 2.6 standard errors of 200 tries


def test_a_subject_is_drawn_with_all_its_cases():
    rng = np.random.default_rng(3)
    own = {group: rng.normal(size=12) for group in "ab"}
    once = {group: _part(values, [f"{group}{i}" for i in range(12)]) for group, values in own.items()}
    often = {
        group: _part(np.repeat(values, 5), np.repeat([f"{group}{i}" for i in range(12)], 5))
        for group, values in own.items()
    }
    single, repeated = (subgroup_gaps(parts, {"x": "larger"}, 500)["x"]["difference"] for parts in (once, often))
    assert (repeated.low, repeated.high) == pytest.approx((single.low, single.high))
    assert repeated.n == single.n == 24


def test_subjects_of_both_groups_are_drawn_for_both():
    rng = np.random.default_rng(4)
    level, noise = rng.normal(0, 5, 30), rng.normal(0, 0.1, 30)
    names = [str(i) for i in range(30)]
    parts = {"first session": _part(level, names), "second session": _part(level + 1 + noise, names)}
    gap = subgroup_gaps(parts, {"x": "larger"}, 1000)["x"]["difference"]
    assert gap.value == pytest.approx(1.0, abs=0.1)
    assert 0.9 < gap.low < gap.high < 1.1  # not the spread of people, which is fifty times as large
    assert gap.n == 30


def test_small_and_undefined_groups_are_not_compared():
    few = {"many": _part(np.arange(8.0)), "few": _part([9.0] * 4, ["w", "x", "y", "z"])}
    assert subgroup_gaps(few, {"x": "larger"}, 100) == {}
    undefined = _groups((8, 8), lambda place, size: np.full(size, np.nan) if place else np.arange(size))
    assert subgroup_gaps(undefined, {"x": "larger"}, 100) == {}
    same = subgroup_gaps(_groups((8, 8), lambda place, size: np.full(size, 0.5)), {"x": "larger"}, 100)["x"][
        "difference"
    ]
    assert (same.value, same.low, same.high) == (0.0, None, None)


def test_the_order_of_groups_and_cases_does_not_matter():
    rng = np.random.default_rng(5)
    values = {name: rng.normal(size=10) for name in "abc"}
    parts = {name: _part(own, [f"{name}{i}" for i in range(10)]) for name, own in values.items()}
    turned = {name: _part(values[name][::-1], [f"{name}{i}" for i in range(10)][::-1]) for name in "cab"}
    one, other = (subgroup_gaps(each, {"x": "larger"}, 400)["x"] for each in (parts, turned))
    assert (one["worst"], one["best"]) == (other["worst"], other["best"])
    assert one["difference"].low == pytest.approx(other["difference"].low)


def _shares(hits: dict[str, list[float]]):
    """Return parts and figures (Wilson's intervals) of groups of people who were right or wrong."""
    subjects = {name: [f"{name}{i}" for i in range(len(own))] for name, own in hits.items()}
    parts = {name: _part(own, subjects[name]) for name, own in hits.items()}
    figures = {
        name: {"x": proportion_figure(np.array(own) > 0, np.ones(len(own), bool), units_of(subjects[name]))}
        for name, own in hits.items()
    }
    return parts, figures


def test_two_shares_have_the_interval_of_newcombe():
    parts, figures = _shares({"a": [1.0] * 20 + [0.0] * 10, "b": [1.0] * 38 + [0.0] * 2})
    gap = subgroup_gaps(parts, {"x": "larger"}, 100, figures=figures)["x"]["difference"]
    known = confint_proportions_2indep(38, 40, 20, 30, method="newcomb")
    assert (gap.low, gap.high) == pytest.approx(
        known, abs=0.02
    )  # Wilson's here is one of subjects, as wide as a t interval
    assert gap.method == "mover"


def test_perfect_groups_have_an_interval_where_their_figures_have():
    parts, figures = _shares({"a": [1.0] * 20, "b": [1.0] * 30, "c": [1.0] * 25})
    gap = subgroup_gaps(parts, {"x": "larger"}, 100, figures=figures)["x"]["difference"]
    assert gap.low < 0 == gap.value < gap.high
    two = {name: parts[name] for name in (*"ab",)}
    assert subgroup_gaps(two, {"x": "larger"}, 100, figures=figures)["x"]["difference"].high < gap.high


def test_figures_of_the_same_people_are_not_taken_for_independent():
    rng = np.random.default_rng(8)
    level, names = rng.normal(0, 5, 30), [str(i) for i in range(30)]
    columns = {"one": level, "other": level + rng.normal(1, 0.1, 30)}
    parts = {name: _part(values, names) for name, values in columns.items()}
    figures = {name: mean_figures({"x": values}, names, 300) for name, values in columns.items()}
    gap = subgroup_gaps(parts, {"x": "larger"}, 500, figures=figures)["x"]["difference"]
    assert gap.method == "max_t"
    assert gap.high - gap.low < 0.3


def test_the_difference_is_that_of_the_figures():
    rng = np.random.default_rng(7)
    parts = _groups((9, 11), lambda place, size: rng.random(size) + place)
    gap = subgroup_gaps(parts, {"x": "larger"}, 200)["x"]["difference"]
    rng = np.random.default_rng(7)
    first, second = (mean_figures({"x": rng.random(n) + place}, [str(i) for i in range(n)], 100)["x"].value
                     for place, n in enumerate((9, 11)))  # fmt: skip
    assert gap.value == pytest.approx(second - first)
