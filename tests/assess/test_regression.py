"""Regression metrics against scikit-learn and scipy, and the price of a failure."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as reference

from voxtempo.assess import bootstrap, regression_baseline, regression_metrics
from voxtempo.errors import VoxTempoError


@pytest.mark.parametrize("offset", [0.0, 1e5])
def test_equal_to_scikit_learn(offset):
    rng = np.random.default_rng(0)
    truth = rng.normal(50, 15, 80) + offset
    predicted = truth + rng.normal(1, 6, 80)
    ours = regression_metrics(predicted, truth, np.arange(80), 100)
    assert ours["mae"].value == pytest.approx(reference.mean_absolute_error(truth, predicted))
    assert ours["rmse"].value == pytest.approx(reference.root_mean_squared_error(truth, predicted))
    assert ours["r2"].value == pytest.approx(reference.r2_score(truth, predicted))
    assert ours["correlation"].value == pytest.approx(stats.pearsonr(truth, predicted).statistic)
    assert ours["bias"].value == pytest.approx(np.mean(predicted - truth))


def test_intervals_equal_those_of_any_metric_by_index():
    rng = np.random.default_rng(1)
    truth, subjects = rng.normal(size=45), np.repeat(np.arange(15), 3)
    predicted = 0.5 * truth + rng.normal(size=45)
    ours = regression_metrics(predicted, truth, subjects, 300, 7)
    r2 = bootstrap(lambda i: reference.r2_score(truth[i], predicted[i]), subjects, method="jackknife", scale="skill")
    correlation = bootstrap(
        lambda i: np.corrcoef(truth[i], predicted[i])[0, 1], subjects, method="jackknife", scale="correlation"
    )
    assert (ours["r2"].low, ours["r2"].high) == pytest.approx((r2.low, r2.high))
    assert (ours["correlation"].low, ours["correlation"].high) == pytest.approx((correlation.low, correlation.high))


def test_a_failed_case_counts_with_the_farthest_end_of_the_range():
    truth = np.array([20.0, 30.0, 40.0, 80.0])
    result = regression_metrics([20.0, np.nan, 40.0, np.nan], truth, np.arange(4), 100)
    assert result["mae"].value == pytest.approx((50 + 60) / 4)
    assert result["bias"].value == pytest.approx((50 - 60) / 4)
    assert result["failed"] == 2
    assert result["mae"].n == 4


def test_constant_values_have_no_correlation():
    result = regression_metrics(np.full(6, 3.3), np.arange(6.0), np.arange(6), 100)
    assert result["correlation"].value is None
    assert result["r2"].value is not None
    constant = regression_metrics(np.arange(6.0), np.full(6, 0.1), np.arange(6), 100)
    assert constant["r2"].value is None


def test_baseline_is_the_training_mean():
    truth = np.array([40.0, 50.0, 60.0])
    result = regression_baseline(truth, 45.0, ["a", "b", "c"], 100)
    assert result["mae"].value == pytest.approx((5 + 5 + 15) / 3)
    assert result["r2"].value < 0
    assert "45" in result["method"]


def test_a_truth_that_is_no_number_is_refused():
    with pytest.raises(VoxTempoError, match="position 1"):
        regression_metrics([1.0, 2.0], [1.0, np.nan], ["a", "b"], 100)


@given(st.integers(0, 1000), st.floats(-1e3, 1e3), st.floats(0.01, 100))
@settings(max_examples=40, deadline=None)
def test_order_shift_and_scale(seed, shift, scale):
    rng = np.random.default_rng(seed)
    truth, predicted = rng.normal(size=20), rng.normal(size=20)
    subjects, order = np.arange(20), rng.permutation(20)
    one = regression_metrics(predicted, truth, subjects, 100)
    two = regression_metrics(predicted[order], truth[order], subjects, 100)
    moved = regression_metrics(predicted * scale + shift, truth * scale + shift, subjects, 100)
    for name in ("mae", "rmse", "r2", "correlation", "bias"):
        assert one[name].value == pytest.approx(two[name].value)
    assert one["r2"].value == pytest.approx(moved["r2"].value, abs=1e-6)
    assert one["mae"].value * scale == pytest.approx(moved["mae"].value)
    assert one["mae"].value <= one["rmse"].value
    assert one["r2"].value <= 1
    assert -1 <= one["correlation"].value <= 1
