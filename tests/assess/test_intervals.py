"""Intervals over subjects: what is resampled, which interval a figure gets, and where there is nothing to say."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from voxtempo.assess import Figure, as_json, bootstrap, mean_figures, scales, weighted_figures
from voxtempo.assess.percentiles import acceleration, bca_interval, tail_of
from voxtempo.assess.resampling import draw_weights, leave_out_weights, units_of
from voxtempo.assess.scales import jackknife_interval


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


def test_every_subject_is_left_out_once_with_all_its_cases():
    subjects = np.array(list("aabbbcdeef"))
    left_out = np.concatenate(list(leave_out_weights(units_of(subjects))))
    assert left_out.shape == (6, 10)
    for row, name in zip(left_out, "abcdef", strict=True):
        assert (row == (subjects != name)).all()


def test_of_many_units_groups_are_left_out_with_nearly_the_same_interval():
    values = np.random.default_rng(0).exponential(size=5000)
    left_out = np.concatenate(list(leave_out_weights(units_of(np.arange(5000)))))
    assert left_out.shape == (1000, 5000)
    assert ((left_out == 0).sum(axis=0) == 1).all()
    assert ((left_out == 0).sum(axis=1) == 5).all()
    ours = mean_figures({"m": values}, np.arange(5000))["m"]
    theirs = stats.t.interval(0.95, 4999, values.mean(), stats.sem(values))
    assert (ours.high - ours.low) == pytest.approx(theirs[1] - theirs[0], rel=0.08)


def test_blocks_add_up_and_do_not_change_the_numbers(monkeypatch):
    values = np.random.default_rng(0).normal(size=60)
    subjects = np.repeat(np.arange(20), 3)
    whole = mean_figures({"m": values}, subjects, 333, 1, method="bca")["m"]
    monkeypatch.setattr("voxtempo.assess.resampling.BLOCK", 60 * 15)
    blocks = list(draw_weights(units_of(subjects), 333, np.random.default_rng(1)))
    assert [len(block) for block in blocks] == [15] * 22 + [3]
    assert [len(block) for block in leave_out_weights(units_of(subjects))] == [15, 5]
    blockwise = mean_figures({"m": values}, subjects, 333, 1, method="bca")["m"]
    assert (blockwise.low, blockwise.high) == pytest.approx((whole.low, whole.high))


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_same_interval_as_scipy_where_every_case_is_a_subject(method):
    values = np.random.default_rng(3).exponential(size=40)
    ours = mean_figures({"m": values}, np.arange(40), 40000, 0, method=method)["m"]
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=40000, method=method, confidence_level=1 - 2 * tail_of(40), rng=1
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.015)
    assert ours.value == pytest.approx(values.mean())
    assert (ours.n, ours.over, ours.method) == (40, "subjects", method)


def test_the_jackknife_of_a_mean_is_its_t_interval():
    values = np.random.default_rng(2).exponential(size=15)
    ours = mean_figures({"m": values}, np.arange(15))["m"]
    assert (ours.low, ours.high) == pytest.approx(stats.t.interval(0.95, 14, values.mean(), stats.sem(values)))
    assert ours.method == "jackknife"


def test_the_jackknife_of_cluster_means_is_the_t_interval_of_the_subjects():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(12, 1)) + 0.3 * rng.normal(size=(12, 4))
    ours = mean_figures({"m": values.ravel()}, np.repeat(np.arange(12), 4))["m"]
    of_subjects = values.mean(axis=1)
    assert (ours.low, ours.high) == pytest.approx(
        stats.t.interval(0.95, 11, of_subjects.mean(), stats.sem(of_subjects))
    )


@pytest.mark.parametrize("scale", ["share", "coefficient", "correlation", "size", "spread", "skill"])
def test_on_every_scale_the_interval_is_the_t_interval_there(scale):
    there, back = {
        "share": (special.logit, special.expit),
        "coefficient": (np.arctanh, np.tanh),
        "correlation": (lambda x: np.tan(np.arcsin(x)), lambda x: np.sin(np.arctan(x))),
        "size": (lambda x: -(x**-0.5), lambda x: x**-2),
        "spread": (lambda x: -(x**-2), lambda x: (-x) ** -0.5),
        "skill": (lambda x: -np.log(1 - x), lambda x: 1 - np.exp(-x)),
    }[scale]
    left_out = 0.6 + 0.02 * np.random.default_rng(0).normal(size=20)
    moved = there(left_out)
    reach = stats.t.ppf(0.975, 19) * np.sqrt(19 / 20 * ((moved - moved.mean()) ** 2).sum())
    expected = back(there(0.6) - reach), back(there(0.6) + reach)
    assert jackknife_interval(0.6, left_out, scale) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("scale", ["size", "spread"])
@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_the_unit_of_an_error_does_not_matter(scale, unit):
    left_out = 0.6 + 0.02 * np.random.default_rng(0).normal(size=20)
    ends = jackknife_interval(0.6, left_out, scale)
    assert jackknife_interval(0.6 * unit, left_out * unit, scale) == pytest.approx([end * unit for end in ends])


def test_where_leaving_one_out_reaches_a_bound_the_error_is_taken_to_the_scale():
    left_out = np.array([1.0, *[0.888] * 9])  # a share of 9 in 10: without the one that is wrong, all are right
    error = np.sqrt(9 / 10 * ((left_out - left_out.mean()) ** 2).sum())
    reach = stats.t.ppf(0.975, 9) * error / (0.9 * 0.1)
    expected = special.expit(special.logit(0.9) - reach), special.expit(special.logit(0.9) + reach)
    assert jackknife_interval(0.9, left_out, "share") == pytest.approx(expected)


def test_intervals_keep_to_their_bounds_and_say_nothing_at_them():
    wild = np.array([0.01, 0.9, 0.99, 0.2])
    assert all(0 <= end <= 1 for end in jackknife_interval(0.99, wild, "share"))
    assert jackknife_interval(0.5, wild, "spread") == jackknife_interval(0.5, wild, "size")  # neither has an end above
    assert jackknife_interval(1.0, np.array([1.0, 0.9]), "share") is None
    assert jackknife_interval(0.5, np.array([0.5, 0.5]), "share") is None
    assert jackknife_interval(0.5, np.array([0.5, np.nan, 0.4]), "share") is None


def test_acceleration_of_a_mean_is_a_sixth_of_its_skew():
    values = np.random.default_rng(1).exponential(size=50)
    left_out = (values.sum() - values) / 49
    assert acceleration(left_out) == pytest.approx(stats.skew(values) / (6 * np.sqrt(50)))


def test_bca_follows_the_bias_of_the_resamples():
    drawn = np.random.default_rng(0).normal(size=20_000)
    even = bca_interval(float(np.median(drawn)), drawn, np.array([-1.0, 1.0]), 30)
    above = bca_interval(0.5, drawn, np.array([-1.0, 1.0]), 30)
    assert even == pytest.approx((np.quantile(drawn, tail_of(30)), np.quantile(drawn, 1 - tail_of(30))), abs=0.01)
    assert above[0] > even[0]
    assert above[1] > even[1]
    assert bca_interval(9.0, drawn, np.array([-1.0, 1.0]), 30) is None


def test_what_all_resamples_agree_on_has_no_interval():
    for method in ("auto", "bca", "percentile"):
        figure = mean_figures({"dice": np.ones(20)}, np.arange(20), 200, method=method)["dice"]
        assert (figure.value, figure.low, figure.high, figure.method) == (1.0, None, None, None)


def test_a_normal_mean_gets_the_width_of_its_t_interval():
    values = stats.norm.ppf((np.arange(12) + 0.5) / 12)  # normal scores: the resampled means are close to normal too
    ours = mean_figures({"m": values}, np.arange(12), 200_000, 0, method="percentile")["m"]
    theirs = stats.t.interval(0.95, 11, values.mean(), stats.sem(values))
    assert (ours.low, ours.high) == pytest.approx(theirs, rel=0.05)


def test_any_metric_of_indices_equals_the_weighted_way():
    values = np.random.default_rng(4).normal(size=50)
    subjects = np.repeat(np.arange(10), 5)
    by_weights = mean_figures({"m": values}, subjects, 400, 9, method="bca")["m"]
    by_index = bootstrap(lambda cases: float(values[cases].mean()), subjects, 400, 9)
    assert by_index.value == pytest.approx(by_weights.value)
    assert (by_index.low, by_index.high) == pytest.approx((by_weights.low, by_weights.high))


@pytest.mark.parametrize("method", ["auto", "bca"])
def test_columns_together_have_the_figures_of_each_alone(method):
    rng = np.random.default_rng(6)
    subjects = np.repeat(np.arange(12), 2)
    columns = {("dice", "a"): rng.beta(8, 2, 24), "mae": rng.exponential(size=24), ("dice", "b"): rng.beta(9, 1, 24),
               "bias": rng.normal(size=24), "own": rng.normal(size=24), ("iou", "a"): np.ones(24)}  # fmt: skip
    together = mean_figures(columns, subjects, 200, 3, method=method)
    assert list(together) == list(columns)
    for name, column in columns.items():
        alone = mean_figures({name: column}, subjects, 200, 3, method=method)[name]
        assert together[name].method == alone.method
        for one, other in zip(vars(together[name]).values(), vars(alone).values(), strict=True):
            assert one == (pytest.approx(other, rel=1e-12) if isinstance(other, float) else other)


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


@pytest.mark.parametrize(("people", "cases", "marked"), [(4, 10, True), (19, 2, True), (20, 2, False)])
def test_an_interval_of_few_subjects_or_of_cases_is_marked(people, cases, marked):
    values = np.random.default_rng(0).normal(size=people * cases)
    figure = mean_figures({"m": values}, np.repeat(np.arange(people), cases))["m"]
    assert figure.approximate is marked
    assert figure.as_json().get("approximate", False) is marked
    assert not Figure(0.5, None, None, 4, "cases").approximate


def test_seed_decides_the_interval():
    values = np.random.default_rng(0).normal(size=30)
    one, two, other = (mean_figures({"m": values}, np.arange(30), 300, seed, method="bca")["m"] for seed in (1, 1, 2))
    assert one == two
    assert (one.low, one.high) != (other.low, other.high)
    generator = mean_figures({"m": values}, np.arange(30), 300, np.random.default_rng(1), method="bca")["m"]
    assert generator == one


@given(st.permutations(range(24)), st.sampled_from(["jackknife", "bca", "percentile"]))
@settings(max_examples=40, deadline=None)
def test_the_order_of_cases_does_not_matter(order, method):
    values = np.random.default_rng(0).normal(size=24)
    subjects = np.repeat(list("abcdef"), 4)
    one = mean_figures({"m": values}, subjects, 200, 0, method=method)["m"]
    two = mean_figures({"m": values[order]}, subjects[order], 200, 0, method=method)["m"]
    assert (one.value, one.low, one.high) == pytest.approx((two.value, two.low, two.high))


def test_json_is_strict_and_complete():
    tree = {"auc": Figure(None, None, None, 3, "cases"), 1: [np.float32("nan"), np.int64(2), (1.5,)], "name": "x"}
    text = json.dumps(as_json(tree), allow_nan=False)
    assert json.loads(text) == {
        "auc": {"value": None, "low": None, "high": None, "n": 3, "over": "cases", "method": None},
        "1": [None, 2, [1.5]],
        "name": "x",
    }


def test_a_figure_reads_as_a_sentence_part():
    assert str(Figure(0.84, 0.76, 0.91, 32, "subjects")) == "0.840 [0.760, 0.910] (32 subjects)"
    assert str(Figure(None, None, None, 1, "cases")) == "undefined (1 cases)"


@pytest.mark.parametrize("scale", ["size", "spread"])
@pytest.mark.parametrize("missed", [1, 2, 3])
def test_a_few_far_errors_do_not_send_the_upper_end_beyond_what_can_be(scale, missed):
    """Twenty distances of 2 to 6 mm, some of which are 220 instead."""
    errors = np.linspace(2, 6, 20)
    errors[:missed] = 220
    mean, left_out = errors.mean(), (errors.sum() - errors) / 19
    ends = jackknife_interval(mean, left_out, scale)
    assert ends is not None
    assert 0 < ends[0] < mean < ends[1] < 220 * 1.2
    assert ends[1] >= 4 * mean or missed == 3


def test_the_hold_on_far_ends_leaves_near_ones_alone(monkeypatch):
    errors = np.random.default_rng(0).exponential(1, 60)
    left_out = (errors.sum() - errors) / 59
    held = jackknife_interval(float(errors.mean()), left_out, "size")
    monkeypatch.setattr(scales, "FAR", np.inf)
    assert jackknife_interval(float(errors.mean()), left_out, "size") == held
