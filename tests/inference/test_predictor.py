from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxtempo.cohort import Study
from voxtempo.feed import FeedCase, FeedEvent, Voxels
from voxtempo.inference.native import native_label_map
from voxtempo.inference.network import Network
from voxtempo.inference.predictor import Predictor
from voxtempo.inference.stitching import gaussian_importance
from voxtempo.learning.recipe import Recipe
from voxtempo.learning.tasks import ClassifyTask, RegressTask, SegmentTask
from voxtempo.prepare import build_steps, run_steps
from voxtempo.scans import Geometry, Scan


class Pointwise:
    """A stand-in for a network whose answer depends on each voxel alone, so stitching must not be seen."""

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain
        self.shapes: set[tuple[int, ...]] = set()

    def predict_on_batch(self, images):
        self.shapes.add(images.shape)
        return np.concatenate([np.zeros_like(images), self.gain * images], axis=-1)


class MeanSignal:
    """A stand-in that answers with the mean of what it sees, as two logits or one value."""

    def __init__(self, outputs: int) -> None:
        self.outputs = outputs

    def predict_on_batch(self, images):
        mean = images.reshape(len(images), -1).mean(axis=1, keepdims=True)
        return mean if self.outputs == 1 else np.concatenate([np.zeros_like(mean), mean], axis=1)


def study(task: str, sample: dict, **more) -> Study:
    target = {"mask": "m", "labels": {1: "a"}} if task == "segment" else {"column": "y"}
    return Study.model_validate(
        {
            "name": "s", "task": task, "cohort": {"table": "t", "scans": {"a": "a"}, "target": target},
            "sample": sample, "train": {"batch": 4}, "evaluate": {"overlap": 0.5}, **more,
        }
    )  # fmt: skip


def predictor(models, task, kind, shape, sample) -> Predictor:
    recipe = Recipe("x", {}, shape, kind, task.as_json())
    return Predictor([Network(model, recipe) for model in models], study(task.name, sample))


@settings(max_examples=20, deadline=None)
@given(shape=st.tuples(*[st.integers(3, 19)] * 3))
def test_stitched_patches_are_the_whole_scan(shape):
    image = np.random.default_rng(0).normal(size=(1, *shape, 1)).astype(np.float32)
    model = Pointwise()
    made = predictor([model], SegmentTask({1: "a"}), "volume", (8, 8, 8, 1), {"patch": [8, 8, 8]})
    probabilities = made.answer(FeedCase("c", Voxels(image), (1, 1, 1))).probabilities
    assert probabilities.shape == (*shape, 2)
    assert np.allclose(probabilities[..., 1], 1 / (1 + np.exp(-image[0, ..., 0])), atol=1e-5)
    assert model.shapes <= {(1, 8, 8, 8, 1), (4, 8, 8, 8, 1)}, "a shape that varies makes backends compile again"


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_stacked_slices_are_the_whole_scan(axis):
    image = np.random.default_rng(0).normal(size=(1, 5, 6, 7, 1)).astype(np.float32)
    plane = tuple(n for a, n in zip("xyz", (5, 6, 7), strict=True) if a != axis)
    made = predictor([Pointwise()], SegmentTask({1: "a"}), "slice", (*plane, 1), {"slices": {"axis": axis}})
    probabilities = made.answer(FeedCase("c", Voxels(image), (1, 1, 1))).probabilities
    assert np.allclose(probabilities[..., 1], 1 / (1 + np.exp(-image[0, ..., 0])), atol=1e-5)


def test_an_ensemble_averages_probabilities():
    image = np.ones((1, 4, 4, 4, 1), np.float32)
    made = predictor(
        [Pointwise(1.0), Pointwise(3.0)], SegmentTask({1: "a"}), "volume", (4, 4, 4, 1), {"patch": [4, 4, 4]}
    )
    expected = (1 / (1 + np.exp(-1)) + 1 / (1 + np.exp(-3))) / 2
    assert made.answer(FeedCase("c", Voxels(image), (1, 1, 1))).probabilities[..., 1].mean() == pytest.approx(expected)


def test_every_member_of_a_regression_ensemble_uses_its_own_unit():
    recipes = [Recipe("x", {}, (2, 2, 2, 1), "volume", RegressTask(m, d).as_json()) for m, d in ((10, 1), (20, 2))]
    made = Predictor([Network(MeanSignal(1), each) for each in recipes], study("regress", {"volume": "whole"}))
    answer = made.answer(FeedCase("c", Voxels(np.ones((1, 2, 2, 2, 1), np.float32)), (1, 1, 1)))
    assert answer.units["c"].tolist() == [pytest.approx((11 + 22) / 2)]


def test_windows_are_averaged_to_the_series_and_events_stay_apart():
    series = np.zeros((12, 2, 2, 1, 1), np.float32)
    series[6:] = 4.0
    task, sample = ClassifyTask(("a", "b")), {"window": {"length": 6}}
    made = predictor([MeanSignal(2)], task, "series", (6, 2, 2, 1, 1), sample)
    said = made.answer(FeedCase("c", Voxels(series), (1, 1, 1), repetition_time=2.0)).units["c"]
    assert said[1] == pytest.approx((0.5 + 1 / (1 + np.exp(-4))) / 2)
    events = (FeedEvent("c@0s", 0.0, 0), FeedEvent("c@12s", 12.0, 1))
    sample = {"window": {"length": 6, "align": "events"}}
    own = Study.model_validate(
        {**study("classify", {"volume": "whole"}).model_dump(), "sample": sample,
         "cohort": {"table": "t", "scans": {"a": "a"}, "target": {"events": "e", "column": "y"}}}
    )  # fmt: skip
    made = Predictor([Network(MeanSignal(2), Recipe("x", {}, (6, 2, 2, 1, 1), "series", task.as_json()))], own)
    answer = made.answer(FeedCase("c", Voxels(series), (1, 1, 1), events=events, repetition_time=2.0))
    assert list(answer.units) == ["c@0s", "c@12s"]
    assert answer.units["c@12s"][1] > 0.9
    course = made.course(FeedCase("c", Voxels(series), (1, 1, 1), repetition_time=2.0)).course
    assert [seconds for seconds, _ in course] == [6, 8, 10, 12, 14, 16, 18]
    assert all(a[1] <= b[1] for (_, a), (_, b) in pairwise(course))


def test_importance_is_highest_in_the_middle_and_nowhere_zero():
    weight = gaussian_importance((9, 8, 1))
    assert weight.shape == (9, 8, 1)
    assert weight[4, 3, 0] == weight.max() == 1.0
    assert weight.min() >= 1e-3
    assert np.allclose(weight, weight[::-1, ::-1])


@pytest.mark.parametrize("codes", ["RAS", "LPS", "PSR", "IAL"])
def test_a_known_shape_lands_where_it_lies_whatever_the_orientation(codes):
    """A box at a known place in the world, prepared by several geometric steps, and back."""
    native = Geometry.from_spacing((24, 30, 20), (1.0, 1.0, 2.0), (-10, 5, 3)).reoriented(codes)
    voxels = np.argwhere(np.ones(native.shape))
    world = native.to_world(voxels)
    inside = ((world > (-4, 12, 12)) & (world < (6, 26, 32))).all(axis=1).reshape(native.shape)
    image = Scan(inside[None, ..., None].astype(np.float32), native)
    steps = build_steps(
        study(
            "segment",
            {"patch": [4, 4, 4]},
            prepare=[{"orient": "RAS"}, {"resample": [1, 1, 1]}, {"crop_pad": [26, 34, 44]}],
        ).prepare
    )
    prepared, _ = run_steps(image, steps)
    one = prepared.data[0, ..., 0]
    probabilities = np.stack([1 - one, one], axis=-1).astype(np.float32)
    labels = native_label_map(probabilities, prepared.geometry, native, SegmentTask({7: "box"}))
    assert labels.geometry.matches(native)
    assert set(np.unique(labels.data)) == {0, 7}
    assert np.mean((labels.volume() == 7) != inside) < 0.005


def test_what_lay_outside_the_prepared_grid_is_background():
    native = Geometry.from_spacing((10, 10, 10))
    prepared = native.shifted((3, 3, 3), (4, 4, 4))
    probabilities = np.zeros((4, 4, 4, 2), np.float32)
    probabilities[..., 1] = 1
    labels = native_label_map(probabilities, prepared, native, SegmentTask({1: "a"})).volume()
    assert labels.sum() == 64
    assert labels[3:7, 3:7, 3:7].all()
