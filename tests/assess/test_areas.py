"""Areas under curves: DeLong's variance and test against the formulas over all pairs, clusters, and bounds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from voxtempo.assess import classification_metrics
from voxtempo.assess.areas import area_figure, areas_of, boundary_interval, delong_test, logit_interval, placements
from voxtempo.assess.resampling import units_of

# Albumin, total protein and K-G score of 43 patients and whether surgery helped (1): the data of DeLong et al. 1988 as example
# 72.8 of SAS's PROC LOGISTIC prints them, "Comparing Receiver Operating Characteristic Curves"
# (support.sas.com/documentation/cdl/en/statug/68162/HTML/default/statug_logistic_examples08.htm).
OVARIAN = """
3.0 5.8 10 0 3.2 6.3 5 1 3.9 6.8 3 1 2.8 4.8 6 0 3.2 5.8 3 1 0.9 4.0 5 0 2.5 5.7 8 0 1.6 5.6 5 1 3.8 5.7 5 1 3.7 6.7 6 1
3.2 5.4 4 1 3.8 6.6 6 1 4.1 6.6 5 1 3.6 5.7 5 1 4.3 7.0 4 1 3.6 6.7 4 0 2.3 4.4 6 1 4.2 7.6 4 0 4.0 6.6 6 0 3.5 5.8 6 1
3.8 6.8 7 1 3.0 4.7 8 0 4.5 7.4 5 1 3.7 7.4 5 1 3.1 6.6 6 1 4.1 8.2 6 1 4.3 7.0 5 1 4.3 6.5 4 1 3.2 5.1 5 1 2.6 4.7 6 1
3.3 6.8 6 0 1.7 4.0 7 0 3.7 6.1 5 1 3.3 6.3 7 1 4.2 7.7 6 1 3.5 6.2 5 1 2.9 5.7 9 0 2.1 4.8 7 1 2.8 6.2 8 0 4.0 7.0 7 1
3.3 5.7 6 1 3.7 6.9 5 1 3.6 6.6 5 1
"""
ALBUMIN, PROTEIN, SCORE, HELPED = np.array(OVARIAN.split(), float).reshape(-1, 4).T
TESTS = {"albumin": -ALBUMIN, "score": SCORE, "protein": -PROTEIN}  # high where surgery does not help, the event
EVENT = HELPED == 0


def _by_pairs(scores, event):
    """Return areas and covariance as DeLong et al. 1988 write them: a kernel over all m * n pairs."""
    m, n = int(event.sum()), int((~event).sum())
    kernels = [np.sign(score[event][:, None] - score[~event]) / 2 + 0.5 for score in scores]
    of_events = np.cov([kernel.mean(axis=1) for kernel in kernels]).reshape(len(scores), -1)
    of_others = np.cov([kernel.mean(axis=0) for kernel in kernels]).reshape(len(scores), -1)
    return np.array([kernel.mean() for kernel in kernels]), of_events / m + of_others / n


@pytest.mark.parametrize("name", TESTS)
def test_areas_and_standard_errors_by_comparing_all_pairs(name):
    ours = areas_of([TESTS[name]], [EVENT], units_of(np.arange(EVENT.size)))
    areas, covariance = _by_pairs([TESTS[name]], EVENT)
    assert ours.values == pytest.approx(areas)
    assert ours.values[0] == pytest.approx(roc_auc_score(EVENT, TESTS[name]))
    assert ours.covariance[0, 0] == pytest.approx(covariance[0, 0])


@pytest.mark.parametrize("name", ["albumin", "protein"])
def test_comparison_with_the_score_by_comparing_all_pairs(name):
    difference, z, p = delong_test(TESTS[name], TESTS["score"], EVENT, units_of(np.arange(EVENT.size)))
    areas, covariance = _by_pairs([TESTS[name], TESTS["score"]], EVENT)
    chi_square = (areas[0] - areas[1]) ** 2 / (covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    assert difference == pytest.approx(areas[0] - areas[1])
    assert z**2 == pytest.approx(chi_square)
    assert p == pytest.approx(stats.chi2.sf(chi_square, 1))


def _made(subjects=25, cases=4, seed=0):
    rng = np.random.default_rng(seed)
    names = np.repeat(np.arange(subjects), cases)
    positive = rng.random(names.size) < 0.4
    scores = (positive + rng.normal(size=subjects)[names] + rng.normal(size=names.size)).round(1)
    return scores, positive, names


def test_placements_by_comparing_every_pair():
    scores, positive, _ = _made()
    wins = np.where(
        scores[positive][:, None] > scores[~positive], 1.0, 0.5 * (scores[positive][:, None] == scores[~positive])
    )
    placed = placements(scores, positive)
    assert placed[positive] == pytest.approx(wins.mean(axis=1))
    assert placed[~positive] == pytest.approx(wins.mean(axis=0))
    assert placed[positive].mean() == pytest.approx(roc_auc_score(positive, scores))


def test_clustered_variance_by_the_sums_of_obuchowski():
    scores, positive, names = _made()
    m, n, groups = positive.sum(), (~positive).sum(), np.unique(names)
    placed, area = placements(scores, positive), roc_auc_score(positive, scores)
    above = [(placed[(names == g) & positive] - area).sum() for g in groups]
    below = [(placed[(names == g) & ~positive] - area).sum() for g in groups]
    with_positive = sum(((names == g) & positive).any() for g in groups)
    with_negative = sum(((names == g) & ~positive).any() for g in groups)
    expected = with_positive / (with_positive - 1) * np.dot(above, above) / m**2
    expected += with_negative / (with_negative - 1) * np.dot(below, below) / n**2
    expected += 2 * len(groups) / (len(groups) - 1) * np.dot(above, below) / (m * n)
    ours = areas_of([scores], [positive], units_of(names))
    assert ours.covariance[0, 0] == pytest.approx(expected)


def test_copies_of_every_case_in_its_subject_change_nothing():
    scores, positive, names = _made(40, 1)
    once = area_figure(areas_of([scores], [positive], units_of(names)), units_of(names))
    four = units_of(np.repeat(names, 4))
    copied = area_figure(areas_of([np.repeat(scores, 4)], [np.repeat(positive, 4)], four), four)
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high))


def test_the_interval_of_two_classes_is_that_of_either_class():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 60)
    share = 1 / (1 + np.exp(-truth - rng.normal(size=60)))
    result = classification_metrics(np.stack([1 - share, share], axis=1), truth, ["a", "b"], np.arange(60))
    assert result["auc"] == result["per_class"]["b"]["auc"]
    assert result["auc"].method == "delong"
    assert result["per_class"]["a"]["auc"].low == pytest.approx(result["auc"].low)


def test_the_macro_average_varies_less_than_its_classes():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 90)
    scores = rng.dirichlet(np.ones(3), 90) + 0.4 * np.eye(3)[truth]
    result = classification_metrics(scores, truth, list("abc"), np.arange(90))
    widths = [each["auc"].high - each["auc"].low for each in result["per_class"].values()]
    assert result["auc"].high - result["auc"].low < min(widths)
    assert result["auc"].value == pytest.approx(np.mean([each["auc"].value for each in result["per_class"].values()]))


def test_at_its_bounds_the_interval_has_a_width_that_shrinks_with_the_cohort():
    small, large = boundary_interval(1.0, 10, 10), boundary_interval(1.0, 100, 100)
    assert small[1] == large[1] == 1.0
    assert 0.5 < small[0] < large[0] < 1.0
    assert boundary_interval(0.0, 10, 10) == pytest.approx((0.0, 1 - small[0]))


def test_constant_scores_and_single_subjects_have_no_interval():
    units = units_of(np.arange(12))
    positive = np.arange(12) < 6
    constant = area_figure(areas_of([np.zeros(12)], [positive], units), units)
    assert (constant.value, constant.low) == (0.5, None)
    single = area_figure(areas_of([np.arange(12.0)], [np.arange(12) == 3], units), units)
    assert single.value is not None
    assert single.low is None


@given(st.floats(0.01, 0.99), st.floats(1e-6, 0.1), st.floats(1, 200))
@settings(max_examples=60, deadline=None)
def test_logit_intervals_are_mirrored_and_bounded(area, variance, freedom):
    low, high = logit_interval(area, variance, freedom)
    assert 0 <= low <= area <= high <= 1
    assert logit_interval(1 - area, variance, freedom) == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_a_difference_is_antisymmetric_and_none_between_equal_ranks():
    scores, positive, names = _made()
    other = _made(seed=1)[0]
    forth, back = (delong_test(*pair, positive, units_of(names)) for pair in itertools.permutations([scores, other]))
    assert forth[0] == pytest.approx(-back[0])
    assert forth[2] == pytest.approx(back[2])
    assert delong_test(scores, 3 * scores, positive, units_of(names))[1:] == (0.0, 1.0)


def test_areas_that_differ_where_nothing_varies_have_no_p_value():
    """Three against three, told perfectly by one score and not at all by the other: no spread, and no test."""
    positive = np.array([True] * 3 + [False] * 3)
    units = units_of(list("abcdef"))
    difference, z, p = delong_test(np.where(positive, 0.9, 0.1), np.full(6, 0.5), positive, units)
    assert difference == 0.5
    assert np.isnan(z)
    assert np.isnan(p)
