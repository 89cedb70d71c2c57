"""The bootstrap: what it resamples, where it has nothing to say, and whether its intervals cover."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from voxtempo.assess import Figure, as_json, bootstrap, mean_figures, weighted_figures
from voxtempo.assess.intervals import draw_weights, tail_of, units_of


def test_every_resample_draws_whole_subjects():
    subjects = np.repeat(list("abcdefg"), [1, 2, 3, 1, 2, 3, 1])
    units = units_of(subjects)
    weights = np.concatenate(list(draw_weights(units, 500, np.random.default_rng(0))))
    assert weights.shape == (500, subjects.size)
    for name in "abcdefg":
        of_subject = weights[:, subjects == name]
        assert (of_subject == of_subject[:, :1]).all()
    per_subject = weights[:, np.unique(subjects, return_index=True)[1]]
    assert (per_subject.sum(axis=1) == 7).all()
    assert per_subject.var() == pytest.approx(6 / 7, abs=0.05)  # binomial(7, 1/7)


def test_blocks_add_up_and_do_not_change_the_numbers(monkeypatch):
    values = np.random.default_rng(0).normal(size=60)
    subjects = np.repeat(np.arange(20), 3)
    whole = mean_figures({"m": values}, subjects, 333, 1)["m"]
    monkeypatch.setattr("voxtempo.assess.intervals._BLOCK", 60 * 100)
    blocks = list(draw_weights(units_of(subjects), 333, np.random.default_rng(1)))
    assert [len(block) for block in blocks] == [100, 100, 100, 33]
    assert mean_figures({"m": values}, subjects, 333, 1)["m"] == whole


def test_same_interval_as_scipy_where_every_case_is_a_subject():
    values = np.random.default_rng(3).exponential(size=40)
    ours = mean_figures({"m": values}, np.arange(40), 20000, 0)["m"]
    level = 1 - 2 * tail_of(40)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=20000, method="percentile", confidence_level=level, rng=1
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)
    assert ours.value == pytest.approx(values.mean())
    assert (ours.n, ours.over) == (40, "subjects")


def test_a_normal_mean_gets_the_width_of_its_t_interval():
    values = stats.norm.ppf((np.arange(12) + 0.5) / 12)  # normal scores: the resampled means are close to normal too
    ours = mean_figures({"m": values}, np.arange(12), 200_000, 0)["m"]
    theirs = stats.t.interval(0.95, 11, values.mean(), stats.sem(values))
    assert (ours.low, ours.high) == pytest.approx(theirs, rel=0.05)


def test_any_metric_of_indices_equals_the_weighted_way():
    values = np.random.default_rng(4).normal(size=50)
    subjects = np.repeat(np.arange(10), 5)
    by_weights = mean_figures({"m": values}, subjects, 400, 9)["m"]
    by_index = bootstrap(lambda cases: float(values[cases].mean()), subjects, 400, 9)
    assert by_index.value == pytest.approx(by_weights.value)
    assert (by_index.low, by_index.high) == pytest.approx((by_weights.low, by_weights.high))


def test_clusters_make_the_interval_wider_than_single_cases_would():
    rng = np.random.default_rng(5)
    subjects = np.repeat(np.arange(30), 20)
    values = rng.normal(size=30)[subjects] + 0.1 * rng.normal(size=600)
    clustered = mean_figures({"m": values}, subjects)["m"]
    naive = mean_figures({"m": values}, np.arange(600))["m"]
    assert clustered.high - clustered.low > 3 * (naive.high - naive.low)
    assert clustered.n == 30


def test_few_subjects_resample_cases_and_say_so():
    figure = mean_figures({"m": np.arange(12.0)}, np.repeat(list("abcd"), 3))["m"]
    assert (figure.over, figure.n) == ("cases", 12)
    assert figure.low < figure.value < figure.high
    assert mean_figures({"m": np.arange(10.0)}, np.repeat(list("abcde"), 2))["m"].over == "subjects"


def test_one_case_has_a_value_and_no_interval():
    assert mean_figures({"m": [0.25]}, ["a"])["m"] == Figure(0.25, None, None, 1, "cases")


def test_no_case_has_nothing():
    assert mean_figures({"m": []}, [])["m"] == Figure(None, None, None, 0, "cases")


def test_a_value_undefined_in_most_resamples_has_no_interval():
    def mostly(weights):
        defined = np.ones(len(weights)) if len(weights) == 1 else np.where(np.arange(len(weights)) % 3, np.nan, 1.0)
        return {"m": defined}

    figure = weighted_figures(mostly, np.arange(9), 300)["m"]
    assert (figure.value, figure.low, figure.high) == (1.0, None, None)


def test_a_metric_that_refuses_a_resample_is_undefined_there():
    def refuses(cases):
        if len(set(cases.tolist())) < 4:
            raise ValueError("too few different cases")
        return float(np.mean(cases))

    figure = bootstrap(refuses, np.arange(6), 400)
    assert figure.low is not None
    assert figure.value == 2.5


def test_seed_decides_the_interval():
    values = np.random.default_rng(0).normal(size=30)
    one, two, other = (mean_figures({"m": values}, np.arange(30), 300, seed)["m"] for seed in (1, 1, 2))
    assert one == two
    assert (one.low, one.high) != (other.low, other.high)
    generator = mean_figures({"m": values}, np.arange(30), 300, np.random.default_rng(1))["m"]
    assert generator == one


@given(st.permutations(range(24)))
@settings(max_examples=25, deadline=None)
def test_the_order_of_cases_does_not_matter(order):
    values = np.random.default_rng(0).normal(size=24)
    subjects = np.repeat(list("abcdef"), 4)
    one = mean_figures({"m": values}, subjects, 200, 0)["m"]
    two = mean_figures({"m": values[order]}, subjects[order], 200, 0)["m"]
    assert (one.value, one.low, one.high) == pytest.approx((two.value, two.low, two.high))


@pytest.mark.parametrize("people", [20, 40])
def test_coverage_over_subjects_is_nominal(people):
    # Three correlated cases a subject; intervals said to hold the true mean 95 times in 100 must do so 93 to 97 times.
    rng = np.random.default_rng(people)
    subjects = np.repeat(np.arange(people), 3)
    held = 0
    for seed in range(1000):
        values = rng.normal(size=people)[subjects] + 0.5 * rng.normal(size=3 * people)
        figure = mean_figures({"m": values}, subjects, 1000, seed)["m"]
        held += figure.low <= 0 <= figure.high
    assert 0.93 <= held / 1000 <= 0.97


def test_json_is_strict_and_complete():
    tree = {"auc": Figure(None, None, None, 3, "cases"), 1: [np.float32("nan"), np.int64(2), (1.5,)], "name": "x"}
    text = json.dumps(as_json(tree), allow_nan=False)
    assert json.loads(text) == {
        "auc": {"value": None, "low": None, "high": None, "n": 3, "over": "cases"},
        "1": [None, 2, [1.5]],
        "name": "x",
    }


def test_a_figure_reads_as_a_sentence_part():
    assert str(Figure(0.84, 0.76, 0.91, 32, "subjects")) == "0.840 [0.760, 0.910] (32 subjects)"
    assert str(Figure(None, None, None, 1, "cases")) == "undefined (1 cases)"
