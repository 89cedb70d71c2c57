"""Thresholds against all that could have been chosen, rates against scikit-learn and Bayes, and the decision curve."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference
from statsmodels.stats.proportion import proportion_confint

from voxtempo.assess import (
    as_json,
    classification_metrics,
    decision_curve,
    rates_of_calls,
    sensitivity_threshold,
    specificity_threshold,
    youden_threshold,
)
from voxtempo.errors import VoxTempoError

FEW = 100


def _scored(seed: int, n: int = 40, digits: int = 2):
    rng = np.random.default_rng(seed)
    positive = np.r_[True, False, rng.random(n - 2) < 0.4]
    scores = 1 / (1 + np.exp(-rng.normal(1.2 * positive - 0.6, 1.0)))
    return scores.round(digits), positive


def _at(scores, positive, threshold):
    called = scores >= threshold
    return called[positive].mean(), (~called[~positive]).mean()


@given(st.integers(0, 1000), st.sampled_from([1, 2, 6]))
@settings(max_examples=60, deadline=None)
def test_nothing_that_could_be_chosen_is_better(seed, digits):
    scores, positive = _scored(seed, digits=digits)
    candidates = np.unique(np.r_[scores, 0.0, 1.1])
    pairs = [_at(scores, positive, each) for each in candidates]
    sensitivity, specificity = _at(scores, positive, youden_threshold(scores, positive))
    assert sensitivity + specificity == pytest.approx(max(a + b for a, b in pairs))
    sensitivity, specificity = _at(scores, positive, sensitivity_threshold(scores, positive, 0.9))
    assert sensitivity >= 0.9
    assert specificity == pytest.approx(max(b for a, b in pairs if a >= 0.9))
    sensitivity, specificity = _at(scores, positive, specificity_threshold(scores, positive, 0.8))
    assert specificity >= 0.8
    assert sensitivity == pytest.approx(max(a for a, b in pairs if b >= 0.8))


def test_youden_is_where_scikit_learns_curve_is_farthest_from_chance():
    scores, positive = _scored(3, 300, 6)
    alarms, hits, thresholds = reference.roc_curve(positive, scores, drop_intermediate=False)
    ours = youden_threshold(scores, positive)
    best = int(np.argmax(hits - alarms))
    assert np.array_equal(scores >= ours, scores >= thresholds[best])


def test_a_perfect_threshold_lies_half_way():
    scores, positive = np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True])
    assert youden_threshold(scores, positive) == pytest.approx(0.5)
    assert sensitivity_threshold(scores, positive, 1.0) == pytest.approx(0.5)
    assert specificity_threshold(scores, positive, 1.0) == pytest.approx(0.5)


def test_scores_at_the_ends_can_still_be_called_all_or_none():
    scores, positive = np.array([0.0, 1.0, 0.0, 1.0]), np.array([True, False, False, True])
    assert (scores >= sensitivity_threshold(scores, positive, 1.0)).all()
    assert not (scores >= specificity_threshold(scores, positive, 1.0)).any()


def test_failed_cases_count_in_the_choice_and_may_make_a_target_impossible():
    scores, positive = np.array([0.9, 0.8, np.nan, 0.3, 0.2]), np.array([True, True, True, False, False])
    assert np.nanmin(scores) >= sensitivity_threshold(scores, positive, 0.9)  # two of three is all that can be had
    scores = np.array([0.9, 0.8, 0.4, np.nan, 0.2])
    assert specificity_threshold(scores, positive, 0.9) > 0.9
    with pytest.raises(VoxTempoError, match="one kind is missing"):
        youden_threshold(np.array([0.1, 0.2]), np.array([True, True]))
    with pytest.raises(VoxTempoError, match="one kind is missing"):
        youden_threshold(np.array([np.nan, np.nan]), np.array([True, False]))


def test_rates_are_scikit_learns_and_bayes_rule_moves_them():
    scores, positive = _scored(5, 120)
    called = scores >= 0.4
    rates = rates_of_calls(called, positive, np.arange(120), 0.02, FEW)
    sensitivity, specificity = rates["sensitivity"].value, rates["specificity"].value
    assert sensitivity == pytest.approx(reference.recall_score(positive, called))
    assert specificity == pytest.approx(reference.recall_score(~positive, ~called))
    assert rates["positive_predictive_value"].value == pytest.approx(reference.precision_score(positive, called))
    assert rates["negative_predictive_value"].value == pytest.approx(reference.precision_score(~positive, ~called))
    assert rates["youden"].value == pytest.approx(sensitivity + specificity - 1)
    rare = sensitivity * 0.02 / (sensitivity * 0.02 + (1 - specificity) * 0.98)
    assert rates["positive_predictive_value_at_prevalence"].value == pytest.approx(rare)
    assert rates["positive_predictive_value_at_prevalence"].value < rates["positive_predictive_value"].value
    same = rates_of_calls(called, positive, np.arange(120), float(positive.mean()), FEW)
    for name in ("positive", "negative"):
        value = same[f"{name}_predictive_value"].value
        assert same[f"{name}_predictive_value_at_prevalence"].value == pytest.approx(value)
    with pytest.raises(VoxTempoError, match="prevalence"):
        rates_of_calls(called, positive, np.arange(120), 1.0, FEW)


def test_nobody_called_and_nobody_to_call():
    nobody = rates_of_calls(np.zeros(6, bool), [True] * 3 + [False] * 3, np.arange(6), 0.1, FEW)
    assert nobody["sensitivity"].value == 0.0
    assert nobody["positive_predictive_value"].value is None, "of nobody there is no share"
    assert nobody["positive_predictive_value_at_prevalence"].value is None
    healthy = rates_of_calls(np.zeros(6, bool), np.zeros(6, bool), np.arange(6), 0.1, FEW)
    assert healthy["sensitivity"].value is None
    assert healthy["positive_predictive_value"].value is None
    assert healthy["positive_predictive_value_at_prevalence"].value is None
    assert healthy["negative_predictive_value"].value == 1.0


def test_a_threshold_decides_what_is_predicted():
    scores, positive = _scored(7, 60)
    both = np.stack([1 - scores, scores], axis=1)
    usual = classification_metrics(both, positive.astype(int), ["a", "b"], np.arange(60), FEW)
    low = classification_metrics(both, positive.astype(int), ["a", "b"], np.arange(60), FEW, thresholds=0.2)
    assert usual["at_threshold"]["threshold"] == 0.5
    assert low["confusion"]["counts"] == reference.confusion_matrix(positive, scores >= 0.2).tolist()
    assert low["at_threshold"]["sensitivity"].value == low["per_class"]["b"]["recall"].value
    assert low["at_threshold"]["sensitivity"].value > usual["at_threshold"]["sensitivity"].value
    assert (low["at_threshold"]["threshold"], low["at_threshold"]["positive"]) == (0.2, "b")
    assert low["auc"] == usual["auc"]
    each = classification_metrics(
        both, positive.astype(int), ["a", "b"], np.arange(60), FEW, thresholds=np.full(60, 0.2)
    )
    assert each["confusion"] == low["confusion"]
    assert "at_threshold" not in classification_metrics(
        np.full((6, 3), 1 / 3), [0, 1, 2] * 2, list("abc"), np.arange(6), FEW
    )


def test_a_failed_case_is_called_wrongly_at_every_threshold():
    both = np.array([[0.1, 0.9], [np.nan, np.nan], [0.9, 0.1], [np.nan, np.nan]])
    rates = classification_metrics(both, [1, 1, 0, 0], ["a", "b"], np.arange(4), FEW, thresholds=0.3)["at_threshold"]
    assert rates["sensitivity"].value == rates["specificity"].value == 0.5
    assert rates["positive_predictive_value"].value == rates["negative_predictive_value"].value == 0.5


def test_net_benefit_by_its_formula():
    scores, positive = _scored(11, 80)
    curve = decision_curve(scores, positive, np.arange(80), (0.1, 0.25, 0.5), FEW)
    n = len(scores)
    for threshold, model, everybody in zip(curve.thresholds, curve.model, curve.treat_all, strict=True):
        hits, alarms = np.sum((scores >= threshold) & positive), np.sum((scores >= threshold) & ~positive)
        assert model.value == pytest.approx(hits / n - alarms / n * threshold / (1 - threshold))
        share = positive.mean()
        assert everybody.value == pytest.approx(share - (1 - share) * threshold / (1 - threshold))
        assert model.low <= model.value <= model.high
        assert model.n == n
    assert len(as_json(curve.as_json())["model"]) == 3


def test_limits_of_the_decision_curve():
    positive = np.arange(50) < 20
    perfect = decision_curve(positive.astype(float), positive, np.arange(50), resamples=FEW)
    assert len(perfect.thresholds) == 99
    assert all(figure.value == pytest.approx(0.4) for figure in perfect.model)
    nobody = decision_curve(np.zeros(50), positive, np.arange(50), resamples=FEW)
    assert all(figure.value == 0 for figure in nobody.model)
    everybody = decision_curve(np.ones(50), positive, np.arange(50), resamples=FEW)
    assert [f.value for f in everybody.model] == pytest.approx([f.value for f in everybody.treat_all])
    failed = decision_curve(np.full(50, np.nan), positive, np.arange(50), (0.5,), FEW)
    assert failed.model[0].value == pytest.approx(-0.6)  # every healthy person is treated, and no other


def test_acting_on_everybody_is_as_uncertain_as_the_share_of_positives():
    positive = np.arange(40) < 12
    curve = decision_curve(np.linspace(1, 0, 40), positive, np.arange(40), (0.2, 0.5), 50)
    ends = np.array(proportion_confint(12, 40, method="wilson"))
    for figure, odds in zip(curve.treat_all, (0.25, 1.0), strict=True):
        assert figure.value == pytest.approx(0.3 - odds * 0.7)
        assert (figure.low, figure.high) == pytest.approx(ends - odds * (1 - ends))


def test_the_net_benefit_of_a_model_claims_its_interval_from_a_hundred_subjects_on():
    rng = np.random.default_rng(0)
    for count, marked in ((60, True), (100, False)):
        positive = rng.random(count) < 0.4
        scores = np.clip(0.4 + 0.3 * (positive - 0.4) + rng.normal(0, 0.1, count), 0.01, 0.99)
        curve = decision_curve(scores, positive, np.arange(count), [0.3], resamples=200)
        assert (curve.model[0].approximate, curve.treat_all[0].approximate) == (marked, False)
