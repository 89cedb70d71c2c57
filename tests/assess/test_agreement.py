"""Limits of agreement and concordance: published numbers, definitions, clusters, coverage."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from voxtempo.assess import concordance, limits_of_agreement, segmentation_metrics, volume_agreement
from voxtempo.assess.agreement import effective_size
from voxtempo.assess.resampling import units_of

# Peak expiratory flow of 17 people by two meters, table 1 of Bland and Altman 1986.
LARGE = np.array([494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427.0])
MINI = np.array([512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451.0])


def test_the_example_of_bland_and_altman():
    """They give a mean of -2.1, a standard deviation of 38.8, limits of -79.7 and 75.5 (with 2 in place of 1.96)."""
    limits = limits_of_agreement(LARGE - MINI, np.arange(17))
    lower, upper = limits["lower_limit"], limits["upper_limit"]
    assert (lower.value + upper.value) / 2 == pytest.approx(-2.1, abs=0.05)
    assert (upper.value - lower.value) / (2 * stats.norm.ppf(0.975)) == pytest.approx(38.8, abs=0.05)
    # Their interval of a limit is symmetric and 34.6 either way, for normal differences; the tails of these are longer.
    assert 34.6 < (upper.high - upper.low) / 2 < 1.5 * 34.6
    assert upper.high - upper.value > upper.value - upper.low
    assert (upper.n, upper.over) == (17, "subjects")


def test_agreement_of_few_volumes_is_marked():
    real = np.random.default_rng(0).lognormal(1, 0.4, 100)
    for n in (99, 100):
        figures = volume_agreement(real[:n] + np.arange(n) % 3, real[:n], np.arange(n))
        assert all(figure.approximate is (n < 100) for figure in figures.values())


def test_the_interval_of_differences_with_short_tails_is_the_exact_one():
    n, z, values = 17, stats.norm.ppf(0.975), np.arange(17.0) - 8
    limits, deviation = limits_of_agreement(values, np.arange(n)), values.std(ddof=1)
    low, high = stats.nct.ppf([0.025, 0.975], n - 1, z * np.sqrt(n)) / np.sqrt(n) * deviation
    assert (limits["upper_limit"].low, limits["upper_limit"].high) == pytest.approx((low, high))
    assert (limits["lower_limit"].low, limits["lower_limit"].high) == pytest.approx((-high, -low))


def test_a_wider_interval_is_the_exact_one_stretched_to_that_of_the_jackknife():
    values, n, z = LARGE - MINI, 17, stats.norm.ppf(0.975)
    upper = limits_of_agreement(values, np.arange(n))["upper_limit"]
    left_out = [np.delete(values, i).mean() + z * np.delete(values, i).std(ddof=1) for i in range(n)]
    spread = np.std(left_out) * np.sqrt(n - 1)
    deviation = values.std(ddof=1)
    stretch = spread * stats.t.ppf(0.975, n - 1) / (z * deviation * np.sqrt(1 / n + z**2 / (2 * (n - 1))))
    far = stats.nct.ppf(0.975, n - 1, z * np.sqrt(n)) / np.sqrt(n) * deviation
    assert stretch > 1
    assert upper.high - upper.value == pytest.approx(stretch * (far - z * deviation))


def test_the_limits_of_differences_with_long_tails_are_less_certain():
    rng, truth, held = np.random.default_rng(0), stats.norm.ppf(0.975) * np.sqrt(5 / 3), []
    for _ in range(800):
        upper = limits_of_agreement(rng.standard_t(5, 40), np.arange(40))["upper_limit"]
        held.append(upper.low <= truth <= upper.high)
    assert 0.91 <= np.mean(held) <= 0.97  # the exact interval of normal differences: 0.85


@pytest.mark.parametrize("n", [10, 20, 60])
def test_intervals_of_limits_hold_the_truth(n):
    rng = np.random.default_rng(n)
    held = [
        upper.low <= stats.norm.ppf(0.975) * 3 + 1 <= upper.high
        for upper in (limits_of_agreement(rng.normal(1, 3, n), np.arange(n))["upper_limit"] for _ in range(1000))
    ]
    assert 0.935 <= np.mean(held) <= 0.98


@pytest.mark.parametrize("alike", [0.1, 0.5, 0.9])
def test_intervals_of_limits_hold_the_truth_where_a_person_has_several_scans(alike):
    rng, names = np.random.default_rng(int(10 * alike)), np.repeat(np.arange(20), 4)
    held = []
    for _ in range(600):
        values = np.repeat(rng.normal(0, np.sqrt(alike), 20), 4) + rng.normal(0, np.sqrt(1 - alike), 80)
        upper = limits_of_agreement(values, names)["upper_limit"]
        held.append(upper.low <= stats.norm.ppf(0.975) <= upper.high)
    assert 0.93 <= np.mean(held) <= 0.985


def test_scans_of_a_person_count_as_many_as_they_are_worth():
    rng = np.random.default_rng(2)
    person, names = np.repeat(rng.normal(0, 3, 20), 5), np.repeat(np.arange(20), 5)
    copies, independent = limits_of_agreement(person, names), limits_of_agreement(rng.normal(0, 3, 100), names)
    alone = limits_of_agreement(person, np.arange(100))
    width = {
        n: each["upper_limit"].high - each["upper_limit"].low for n, each in enumerate((copies, independent, alone))
    }
    assert copies["upper_limit"].value == pytest.approx(alone["upper_limit"].value)
    assert width[0] > 2 * width[2]
    assert width[1] == pytest.approx(width[2], rel=0.3)
    assert effective_size(person, units_of(names)) == pytest.approx(20)
    uneven = units_of(["a"] * 6 + list("bcde"))
    assert effective_size(np.r_[np.zeros(6), 1.0, 2.0, 3.0, 4.0], uneven) == pytest.approx(10 / 4)


def test_the_likeness_of_a_persons_scans_is_that_of_statsmodels():
    rng, names = np.random.default_rng(5), np.repeat(np.arange(12), 3)
    values = np.repeat(rng.normal(0, 1, 12), 3) + rng.normal(0, 1, 36)
    table = anova_lm(ols("y ~ C(g)", pd.DataFrame({"y": values, "g": names})).fit())
    between, within = table["mean_sq"]
    likeness = (between - within) / (between + 2 * within)
    assert 0 < likeness < 1
    assert effective_size(values, units_of(names)) == pytest.approx(36 / (1 + 2 * likeness))


def test_concordance_by_its_definition():
    rng = np.random.default_rng(3)
    a = rng.normal(10, 2, 40)
    b = 1.1 * a - 2 + rng.normal(0, 0.5, 40)
    r = stats.pearsonr(a, b).statistic
    scale, shift = a.std() / b.std(), (a.mean() - b.mean()) / np.sqrt(a.std() * b.std())
    ours = concordance(a, b, np.arange(40))
    assert ours.value == pytest.approx(r * 2 / (scale + 1 / scale + shift**2))
    assert ours.low < ours.value < ours.high < r
    assert concordance(b, a, np.arange(40)).value == pytest.approx(ours.value)
    assert concordance(a, a, np.arange(40)).value == pytest.approx(1.0)
    assert concordance(a + 1e6, b + 1e6, np.arange(40)).value == pytest.approx(ours.value)
    assert concordance(np.ones(6), np.ones(6), np.arange(6)).value is None


def test_volumes_that_are_unknown_are_left_out_and_counted():
    result = volume_agreement([1.0, 2.0, 3.0, 0.0], [1.5, 2.0, 2.5, np.nan], list("abcd"))
    assert result["volume_concordance"].n == result["volume_lower_limit"].n == 3
    assert result["volume_lower_limit"].value == pytest.approx(0 - stats.norm.ppf(0.975) * 0.5)
    nothing = volume_agreement([0.0], [np.nan], ["a"])
    assert [figure.value for figure in nothing.values()] == [None, None, None]


def test_volume_agreement_stands_beside_the_other_figures_of_a_label():
    rng = np.random.default_rng(4)
    true, found = rng.uniform(1, 5, 8), rng.uniform(1, 5, 8)
    rows = [
        {"a": {"dice": 0.5, "volume": f, "true_volume": t, "volume_error": f - t}}
        for f, t in zip(found, true, strict=True)
    ]
    result = segmentation_metrics(rows, np.arange(8), 100)
    assert set(result["volume_upper_limit"]) == {"a"}
    assert result["volume_concordance"]["a"] == concordance(found, true, np.arange(8), 100)
    middle = (result["volume_upper_limit"]["a"].value + result["volume_lower_limit"]["a"].value) / 2
    assert middle == pytest.approx(result["volume_error"]["a"].value)
    assert "lesion_f1" not in result  # the rows hold no lesions
