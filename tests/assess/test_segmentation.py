"""Segmentation metrics: analytic overlaps, empty structures, failures, and averages that drop nobody."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from voxtempo.assess import (
    image_diagonal,
    segmentation_case,
    segmentation_failure,
    segmentation_metrics,
    surface_tolerance,
)
from voxtempo.assess.segmentation import SHARES
from voxtempo.errors import GeometryError, StudyError, VoxTempoError

LABELS = {1: "anterior", 2: "posterior"}
SPACING = (1.0, 1.0, 2.5)
SHAPE = (12, 10, 8)


def _boxes():
    truth, predicted = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    truth[2:6, 2:6, 2:6] = 1  # 64 voxels
    predicted[3:7, 2:6, 2:6] = 1  # shifted by one: 48 shared
    return predicted, truth


def test_boxes_by_hand():
    row = segmentation_case(*_boxes(), {1: "box"}, SPACING)["box"]
    assert row["dice"] == pytest.approx(2 * 48 / 128)
    assert row["iou"] == pytest.approx(48 / 80)
    assert row["sensitivity"] == row["precision"] == pytest.approx(48 / 64)
    assert row["volume"] == row["true_volume"] == pytest.approx(64 * 2.5 / 1000)
    assert row["volume_error"] == 0
    assert row["hausdorff_95"] == pytest.approx(1.0)
    assert row["surface_dice"] == 1.0  # one voxel, which is the tolerance


def test_tolerance_of_the_surface_dice():
    pair = _boxes()
    # Of 56 surface voxels each, the faces' rims at one end and the rings between, 3 x 12, lie on each other.
    assert segmentation_case(*pair, {1: "box"}, SPACING, tolerance=0.5)["box"]["surface_dice"] == pytest.approx(
        72 / 112
    )
    by_name = segmentation_case(*pair, {1: "box"}, SPACING, tolerance={"box": 0.5, "other": 9.0})
    assert by_name["box"]["surface_dice"] == pytest.approx(72 / 112)
    assert segmentation_case(*pair, {1: "box"}, SPACING, tolerance={"other": 0.5})["box"]["surface_dice"] == 1.0
    assert surface_tolerance(SHAPE, (0.8, 0.8, 2.5)) == 1.0
    assert surface_tolerance(SHAPE, (3.0, 3.0, 3.5)) == 3.0
    assert surface_tolerance((64, 64, 1), (3.0, 4.0, 0.5)) == 3.0


def test_equal_to_scikit_learn():
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 4, SHAPE), rng.integers(0, 4, SHAPE)
    rows = segmentation_case(predicted, truth, {1: "a", 3: "c"}, SPACING)
    for value, name in {1: "a", 3: "c"}.items():
        y, p = (truth == value).ravel(), (predicted == value).ravel()
        assert rows[name]["dice"] == pytest.approx(reference.f1_score(y, p))
        assert rows[name]["iou"] == pytest.approx(reference.jaccard_score(y, p))
        assert rows[name]["sensitivity"] == pytest.approx(reference.recall_score(y, p))
        assert rows[name]["precision"] == pytest.approx(reference.precision_score(y, p))


def test_empty_structures_follow_the_rule():
    predicted, truth = _boxes()
    nothing = np.zeros_like(truth)
    diagonal = math.sqrt(12**2 + 10**2 + (8 * 2.5) ** 2)
    assert image_diagonal(SHAPE, SPACING) == pytest.approx(diagonal)
    both = segmentation_case(nothing, nothing, LABELS, SPACING)["posterior"]
    assert [both[name] for name in SHARES] == [1.0] * 5
    assert both["hausdorff_95"] == both["average_surface_distance"] == 0.0
    for pair in ((predicted, nothing), (nothing, truth)):
        one = segmentation_case(*pair, LABELS, SPACING)["anterior"]
        assert [one[name] for name in SHARES] == [0.0] * 5
        assert one["hausdorff_95"] == one["average_surface_distance"] == pytest.approx(diagonal)
    assert segmentation_case(nothing, truth, LABELS, SPACING)["anterior"]["volume_error"] == pytest.approx(-0.16)


def test_a_failure_is_the_worst_even_where_the_structure_is_absent():
    truth = _boxes()[1]
    rows = segmentation_failure(LABELS, SHAPE, SPACING, truth)
    for row in rows.values():
        assert [row[name] for name in SHARES] == [0.0] * 5
        assert row["hausdorff_95"] == pytest.approx(image_diagonal(SHAPE, SPACING))
    assert rows["anterior"]["volume_error"] == pytest.approx(-0.16)
    assert math.isnan(segmentation_failure(LABELS, SHAPE, SPACING)["anterior"]["true_volume"])


def test_cohort_means_have_denominators_and_count_failures():
    predicted, truth = _boxes()
    good = segmentation_case(truth, truth, {1: "box"}, SPACING)
    half = segmentation_case(predicted, truth, {1: "box"}, SPACING)
    failure = segmentation_failure({1: "box"}, SHAPE, SPACING)
    rows = [good] * 5 + [half] * 4 + [failure]
    result = segmentation_metrics(rows, [f"s{i}" for i in range(10)], 200, 0, failed=[False] * 9 + [True])
    dice = result["dice"]["box"]
    assert dice.value == pytest.approx((5 + 4 * 0.75) / 10)
    assert (dice.n, dice.over) == (10, "subjects")
    assert dice.low < dice.value < dice.high
    assert result["dice"]["mean"] == dice
    assert result["volume_error"]["box"].n == 9  # the failure's true volume is unknown, and the figure says so
    assert (result["cases"], result["subjects"], result["failed"]) == (10, 10, 1)


def test_mean_is_over_labels_and_errors_in_volume_do_not_cancel():
    rows = [
        {"a": {"dice": 1.0, "volume_error": 2.0}, "b": {"dice": 0.5, "volume_error": 1.0}},
        {"a": {"dice": 0.0, "volume_error": -2.0}, "b": {"dice": 0.5, "volume_error": -1.0}},
    ]
    result = segmentation_metrics(rows, ["x", "y"], 100)
    assert result["dice"]["mean"].value == pytest.approx(0.5)
    assert result["volume_error"]["mean"].value == pytest.approx(0.0)
    assert result["absolute_volume_error"]["mean"].value == pytest.approx(1.5)


def test_what_is_missing_in_a_row_is_never_dropped():
    rows = [{"a": {"dice": 0.8, "hausdorff_95": 3.0}}, {"a": {"dice": math.nan, "hausdorff_95": math.nan}}, {"a": {}}]
    result = segmentation_metrics(rows, ["x", "y", "z"], 100)
    assert result["dice"]["a"].value == pytest.approx(0.8 / 3)
    assert result["hausdorff_95"]["a"].value == pytest.approx(3.0)
    assert result["dice"]["a"].n == 3


def test_wrong_use_is_refused():
    with pytest.raises(GeometryError, match=r"\(2, 2, 2\).*\(3, 3, 3\)"):
        segmentation_case(np.zeros((2, 2, 2), int), np.zeros((3, 3, 3), int), LABELS, SPACING)
    with pytest.raises(StudyError, match="'mean'"):
        segmentation_case(np.zeros((2, 2, 2), int), np.zeros((2, 2, 2), int), {1: "mean"}, SPACING)
    with pytest.raises(VoxTempoError, match="different labels"):
        segmentation_metrics([{"a": {"dice": 1.0}}, {"b": {"dice": 1.0}}], ["x", "y"], 100)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_bounds_symmetry_and_relations(seed):
    rng = np.random.default_rng(seed)
    truth, predicted = rng.integers(0, 3, (6, 5, 4)), rng.integers(0, 3, (6, 5, 4))
    forward = segmentation_case(predicted, truth, LABELS, SPACING)
    backward = segmentation_case(truth, predicted, LABELS, SPACING)
    for name in LABELS.values():
        row, swapped = forward[name], backward[name]
        assert 0 <= row["iou"] <= row["dice"] <= 1
        assert row["iou"] == pytest.approx(row["dice"] / (2 - row["dice"]))
        assert row["dice"] == pytest.approx(swapped["dice"])
        assert row["sensitivity"] == pytest.approx(swapped["precision"])
        assert row["hausdorff_95"] == pytest.approx(swapped["hausdorff_95"])
        assert row["volume_error"] == pytest.approx(-swapped["volume_error"])
        assert 0 <= row["average_surface_distance"] <= image_diagonal(truth.shape, SPACING)
    same = segmentation_case(truth, truth, LABELS, SPACING)
    assert all(row["dice"] == 1.0 and row["hausdorff_95"] == 0.0 for row in same.values())


def test_the_mean_is_over_the_labels_that_are_averaged():
    rows = [
        {name: {"dice": value} for name, value in zip("abc", values, strict=True)}
        for values in ((1, 0.5, 0), (0.8, 0.3, 0))
    ]
    for row in rows:
        for label in row.values():
            label.update(dict.fromkeys(("volume", "true_volume", "volume_error"), 0.0))
    metrics = segmentation_metrics(rows, ["x", "y"], averaged=["a", "b"])
    assert metrics["dice"]["mean"].value == pytest.approx((0.9 + 0.4) / 2)
    assert metrics["dice"]["c"].value == 0.0
