"""Uncertainty against error: by plain loops, by scikit-learn, and at both ends of what an order can do."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from voxtempo.assess.selective import POINTS, selective_metrics

RNG = np.random.default_rng(0)
ERROR = RNG.exponential(1, 90)
TOLD = ERROR + RNG.normal(0, 1, 90)


def judged(told, error, wrong=None, subjects=None):
    return selective_metrics(told, error, range(len(error)) if subjects is None else subjects, wrong, resamples=100)


def area(told, error):
    order = np.argsort(told)
    return np.mean([error[order[: i + 1]].mean() for i in range(len(error))])


def test_areas_are_those_of_plain_loops():
    found = judged(TOLD, ERROR)
    assert found["aurc"].value == pytest.approx(area(TOLD, ERROR))
    assert found["excess_aurc"].value == pytest.approx(area(TOLD, ERROR) - area(ERROR, ERROR))
    assert found["ause"].value == pytest.approx(found["excess_aurc"].value / ERROR.mean())


def test_the_best_order_has_no_excess_and_the_worst_has_the_most():
    assert judged(ERROR, ERROR)["excess_aurc"].value == pytest.approx(0, abs=1e-12)
    worst, lot = judged(-ERROR, ERROR)["ause"].value, judged(RNG.random(90), ERROR)["ause"].value
    assert worst > lot > judged(TOLD, ERROR)["ause"].value > 0


def test_wrong_cases_are_told_as_scikit_learn_has_it():
    wrong = ERROR > 1
    assert judged(TOLD, wrong.astype(float), wrong)["error_auroc"].value == pytest.approx(roc_auc_score(wrong, TOLD))
    assert judged(TOLD, wrong.astype(float), wrong)["error_auroc"].method == "delong"
    assert judged(TOLD, np.zeros_like(ERROR), np.zeros_like(wrong))["error_auroc"].value is None
    assert "error_auroc" not in judged(TOLD, ERROR)


def test_a_failed_case_is_the_least_certain_and_its_error_counts():
    told = TOLD.copy()
    told[0] = np.nan
    last = np.where(np.arange(90) == 0, np.inf, TOLD)
    assert judged(told, ERROR)["aurc"].value == pytest.approx(area(last, ERROR))
    assert judged(told, ERROR)["risk_coverage"]["risk"][-1] == pytest.approx(ERROR.mean())


def test_equal_uncertainties_say_nothing_whatever_the_order_of_cases():
    order = RNG.permutation(90)
    same = np.repeat([0.0, 1.0], 45)
    first, second = judged(same, ERROR), judged(same[order], ERROR[order])
    assert first["aurc"].value == pytest.approx(second["aurc"].value)


def test_the_curve_is_short_and_ends_with_all_cases():
    curve = judged(TOLD, ERROR)["risk_coverage"]
    assert len(curve["coverage"]) == POINTS
    assert curve["coverage"][-1] == 1
    assert curve["risk"][-1] == pytest.approx(curve["best"][-1]) == pytest.approx(ERROR.mean())
    assert all(best <= risk + 1e-12 for best, risk in zip(curve["best"], curve["risk"], strict=True))


def test_intervals_are_over_subjects():
    alone, together = judged(TOLD, ERROR), judged(np.repeat(TOLD, 4), np.repeat(ERROR, 4), subjects=np.arange(360) // 4)
    assert together["aurc"].n == alone["aurc"].n == 90
    width = [each["aurc"].high - each["aurc"].low for each in (alone, together)]
    assert width[1] == pytest.approx(width[0], rel=0.3)
