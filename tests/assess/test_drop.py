"""How much worse another cohort is judged: the right sign, and an interval that holds the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from voxtempo.assess import as_json, classification_metrics, mean_figures, segmentation_case, segmentation_metrics
from voxtempo.assess.drop import drops
from voxtempo.assess.figure import Figure
from voxtempo.assess.independent import difference_of


def _mean(values: np.ndarray) -> Figure:
    return mean_figures({"x": values}, np.arange(len(values)), 2000)["x"]


def test_means_of_two_cohorts_have_the_interval_of_welch():
    rng = np.random.default_rng(0)
    a, b = rng.normal(2, 1, 40), rng.normal(1, 2, 60)
    found = difference_of(_mean(a), _mean(b))
    welch = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert found.value == pytest.approx(a.mean() - b.mean())
    assert (found.low, found.high) == pytest.approx((welch.low, welch.high), abs=0.1)
    assert found.n == 100


def test_the_interval_holds_the_truth_in_95_of_100():
    held = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        figures = [mean_figures({"x": rng.exponential(1, n)}, np.arange(n), 300, seed)["x"] for n in (30, 20)]
        found = difference_of(*figures)
        held.append(found.low <= 0 <= found.high)
    assert np.mean(held) >= 0.91  # 95 of 100 less 2.6 standard errors of 200 tries


def test_a_drop_is_positive_where_the_other_cohort_is_judged_worse():
    rng = np.random.default_rng(1)
    truth = np.arange(40) % 2
    good = np.where(truth[:, None] == [0, 1], 0.9, 0.1)
    bad = np.where(rng.random(40)[:, None] < 0.4, 1 - good, good)
    inside, outside = (classification_metrics(each, truth, ["a", "b"], np.arange(40), 200) for each in (good, bad))
    found = drops(as_json(inside), outside)
    assert found["accuracy"].value == pytest.approx(1 - outside["accuracy"].value)
    assert found["brier"].value == pytest.approx(outside["brier"].value - inside["brier"].value)
    assert min(found[name].value for name in ("accuracy", "auc", "brier", "log_loss")) > 0
    assert drops(inside, inside)["accuracy"].value == 0


def test_labels_have_drops_of_their_own():
    row = {"dice": 0.9, "iou": 0.8, "sensitivity": 0.9, "precision": 0.9, "surface_dice": 0.9, "hausdorff_95": 2.0,
           "average_surface_distance": 1.0, "volume": 1.0, "true_volume": 1.0, "volume_error": 0.0}  # fmt: skip
    worse = row | {"dice": 0.5, "hausdorff_95": 7.0}
    names = [str(i) for i in range(6)]
    inside, outside = (segmentation_metrics([{"a": each, "b": row}] * 6, names, 100) for each in (row, worse))
    found = drops(inside, outside)
    assert {name: round(figure.value, 9) for name, figure in found["dice"].items()} == {"a": 0.4, "b": 0.0, "mean": 0.2}
    assert found["hausdorff_95"]["a"].value == 5.0
    assert not {"volume", "true_volume", "volume_error", "cases"} & set(found)


def test_lesions_have_drops_too():
    truth = np.zeros((10, 10, 4), np.uint8)
    truth[1:3, 1:3, 1:3] = truth[6:8, 6:8, 1:3] = 1
    half = np.where(np.arange(10)[:, None, None] < 5, truth, 0)
    cases = [[segmentation_case(told, truth, {1: "a"}, (1, 1, 1))] for told in (truth, half)]
    names = [str(i) for i in range(6)]
    inside, outside = (segmentation_metrics(case * 6, names, 100) for case in cases)
    found = drops(inside, outside)
    assert found["lesion_sensitivity"]["a"].value == pytest.approx(0.5)
    assert found["false_lesions"]["mean"].value == 0
    assert not {"volume_lower_limit", "volume_upper_limit"} & set(found)


def test_what_is_undefined_stays_so():
    sure, unknown = Figure(0.5, 0.4, 0.6, 9, "subjects"), Figure(None, None, None, 4, "cases")
    assert difference_of(sure, unknown) == Figure(None, None, None, 13, "cases")
    assert difference_of(sure, Figure(0.4, None, None, 3, "subjects")).low is None
