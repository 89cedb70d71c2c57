"""Calibration against plain loops and scikit-learn, and the debiased error against what is known of simulated networks."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from statsmodels.stats.proportion import proportion_confint

from voxtempo.assess.calibration import (
    MOST_BINS,
    SUBJECTS_A_BIN,
    calibration_error,
    calibration_metrics,
    equal_mass_bins,
)


def overconfident(n: int, seed: int, factor: float = 2.0, per: int = 1):
    """Return told probabilities (n, 2) and truths of a network whose logits are too large by a factor."""
    rng = np.random.default_rng(seed)
    logits = np.repeat(rng.normal(0, 1.5, n // per), per)
    true = np.repeat(rng.random(n // per) < 1 / (1 + np.exp(-logits[::per])), per).astype(int)
    p = 1 / (1 + np.exp(-factor * logits))
    return np.stack([1 - p, p], axis=1), true


def metrics(p, y, subjects=None, resamples=100):
    return calibration_metrics(
        p, y, ["a", "b", "c"][: p.shape[1]], np.arange(len(y)) if subjects is None else subjects, resamples=resamples
    )


def test_the_error_is_that_of_a_plain_loop():
    p, y = overconfident(200, 0)
    found = metrics(p, y)
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    order = np.argsort(confidence)
    parts = np.array_split(order, MOST_BINS)
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    gaps = [abs(right[part].mean() - confidence[part].mean()) for part in parts]
    assert found["bins"] == MOST_BINS
    assert found["ece"].value == pytest.approx(np.average(gaps, weights=sizes), abs=0.01)
    assert found["maximum_calibration_error"].value == pytest.approx(max(gaps), abs=0.05)
    bins = found["reliability"]["likeliest"]
    exact = sum(b["cases"] * abs(b["frequency"].value - b["confidence"]) for b in bins) / len(y)
    assert found["ece"].value == pytest.approx(exact)


def test_the_diagram_is_that_of_scikit_learn():
    p, y = overconfident(150, 1)
    bins = metrics(p, y)["reliability"]["b"]
    frequency, told = calibration_curve(y, p[:, 1], n_bins=15, strategy="quantile")
    assert [b["cases"] for b in bins] == [10] * 15
    np.testing.assert_allclose([b["frequency"].value for b in bins], frequency)
    np.testing.assert_allclose([b["confidence"] for b in bins], told)
    for each in bins:
        low, high = proportion_confint(round(10 * each["frequency"].value), 10, method="wilson")
        assert (each["frequency"].low, each["frequency"].high) == pytest.approx((low, high), abs=1e-9)


def test_what_chance_adds_is_taken_off():
    """Over 300 simulated cohorts of 100 cases of a network without fault."""
    squares, plug_in = [], []
    for seed in range(300):
        p, y = overconfident(100, seed, factor=1.0)
        gap = _gaps(p, y)
        plug_in.append(gap)
        found = calibration_error(p.max(axis=1), p.argmax(axis=1) == y, np.arange(100), resamples=2)
        squares.append(found.value**2)
    assert np.mean(plug_in) > 0.012
    assert np.mean(squares) < 0.5 * np.mean(plug_in)  # clipped at 0, so not 0 itself


def _gaps(p, y):
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    bins = equal_mass_bins(confidence, len(y))
    return sum(
        np.mean(bins == b) * (right[bins == b] - confidence[bins == b]).mean() ** 2 for b in range(bins.max() + 1)
    )


@pytest.mark.parametrize("per", [1, 4])
def test_the_interval_holds_what_is_known(per):
    """At least 90 of 100: nominal 95, less the error of a hundred tries."""
    known = overconfident(200_000, 0)[0]
    confidence = known.max(axis=1)
    right = 1 / (1 + np.exp(-0.5 * np.log(confidence / (1 - confidence))))
    count = min(MOST_BINS, 200 // per // SUBJECTS_A_BIN)
    bins = np.searchsorted(np.quantile(confidence, np.arange(1, count) / count), confidence)
    truth = np.sqrt(np.mean([(right[bins == b] - confidence[bins == b]).mean() ** 2 for b in range(count)]))
    hits = 0
    for seed in range(100):
        p, y = overconfident(200, 1000 + seed, per=per)
        found = calibration_error(p.max(axis=1), p.argmax(axis=1) == y, np.arange(200) // per, resamples=200)
        hits += found.low <= truth <= found.high
    assert hits >= 90


def test_chance_alone_makes_the_ece_that_is_said():
    found = [metrics(*overconfident(150, seed, factor=1.0), resamples=10) for seed in range(40)]
    ece, chance = (np.mean([getattr(f[name], "value", f[name]) for f in found]) for name in ("ece", "ece_by_chance"))
    assert chance == pytest.approx(ece, rel=0.15)


def test_a_failed_case_is_sure_and_wrong():
    p, y = overconfident(60, 3)
    p[:6] = np.nan
    whole, rest = metrics(p, y), metrics(p[6:], y[6:])
    assert whole["ece"].value > rest["ece"].value + 0.03
    assert whole["log_loss"].value > rest["log_loss"].value


def test_the_order_of_cases_and_a_renaming_of_classes_change_nothing():
    rng = np.random.default_rng(0)
    p = rng.dirichlet([1, 1, 1], 80)
    y = np.array([rng.choice(3, p=row) for row in p])
    order = rng.permutation(80)
    first, second = metrics(p, y), metrics(p[order], y[order], subjects=order)
    turned = metrics(p[:, [2, 0, 1]], np.array([1, 2, 0])[y])
    for name in ("ece", "class_wise_ece", "calibration_error", "class_wise_calibration_error"):
        assert first[name].value == pytest.approx(second[name].value) == pytest.approx(turned[name].value)


def test_few_cases_make_few_bins_and_none_make_none():
    p, y = overconfident(SUBJECTS_A_BIN - 1, 0)
    assert metrics(p, y)["bins"] == 1
    empty = metrics(np.empty((0, 2)), np.empty(0, int))
    assert empty["bins"] == 0
    assert empty["reliability"]["likeliest"] == []
