"""Mirror images are asked too, and what is said of them is turned back."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from fold_sides import named, sides

from voxtempo.cohort.case import Cohort
from voxtempo.cohort.study import Sample, Slices
from voxtempo.errors import RunError
from voxtempo.feed import FeedCase, Voxels
from voxtempo.inference.network import Network
from voxtempo.inference.predictor import Predictor
from voxtempo.inference.run import MIRROR, mirror_in
from voxtempo.learning.mirroring import true_mirrors
from voxtempo.learning.recipe import Recipe
from voxtempo.learning.tasks import RegressTask, SegmentTask
from voxtempo.scans import Geometry

from .test_predictor import study

IMAGE = np.random.default_rng(0).normal(size=(1, 6, 5, 4, 1)).astype(np.float32)


class Leaning:
    """A stand-in whose answer depends on each voxel and on how far it lies along x."""

    def predict_on_batch(self, images):
        place = np.linspace(-1, 1, images.shape[1], dtype=np.float32).reshape(1, -1, 1, 1, 1)
        return np.concatenate([np.zeros_like(images), images + place], axis=-1)


class First:
    """A stand-in that answers with the first voxel along x."""

    def predict_on_batch(self, images):
        return images[:, 0].reshape(len(images), -1).mean(axis=1, keepdims=True)


def predictor(model, task, mirror) -> Predictor:
    recipe = Recipe("x", {}, IMAGE.shape[1:], "volume", task.as_json())
    return Predictor([Network(model, recipe)], study(task.name, {"volume": "whole"}), mirror=mirror)


def test_label_maps_are_averaged_in_place():
    made = predictor(Leaning(), SegmentTask({1: "a"}), ("x",))
    found = made.answer(FeedCase("c", Voxels(IMAGE), (1, 1, 1))).probabilities[..., 1]
    place = np.linspace(-1, 1, 6).reshape(-1, 1, 1)
    expected = [1 / (1 + np.exp(-IMAGE[0, ..., 0] - sign * place)) for sign in (1, -1)]
    np.testing.assert_allclose(found, np.mean(expected, axis=0), atol=1e-5)
    plain = made.with_mirror(()).answer(FeedCase("c", Voxels(IMAGE), (1, 1, 1))).probabilities[..., 1]
    np.testing.assert_allclose(plain, expected[0], atol=1e-5)


def test_values_are_averaged():
    made = predictor(First(), RegressTask(0.0, 1.0), ("x",))
    found = made.answer(FeedCase("c", Voxels(IMAGE), (1, 1, 1))).units["c"]
    assert float(found[0]) == pytest.approx((IMAGE[0, 0].mean() + IMAGE[0, -1].mean()) / 2, abs=1e-5)


@pytest.mark.parametrize(
    ("labels", "codes", "sample", "axes"),
    [
        ({1: "lesion"}, "RAS", Sample(volume="whole"), ("x",)),
        ({1: "lesion"}, "PSR", Sample(patch=(8, 8, 8)), ("z",)),
        ({1: "lesion"}, "RAS", Sample(slices=Slices(axis="x")), ()),
        ({1: "lesion"}, "ASR", Sample(patch=(8, 1, 8)), ("y",)),
        ({1: "left lesion"}, "RAS", Sample(volume="whole"), ()),
    ],
)
def test_only_left_and_right_are_exchanged_and_only_where_that_leaves_the_truth_true(labels, codes, sample, axes):
    geometry = Geometry.from_spacing((8, 8, 8)).reoriented(codes)
    assert true_mirrors(Cohort((), labels=labels), geometry, sample) == axes


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"axes": "xw"}', '{"axes": ["w"]}', '{"axes": [["x"]]}'])
def test_a_damaged_record_is_told(tmp_path, content):
    (tmp_path / MIRROR).write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match="damaged"):
        mirror_in(tmp_path)


def test_what_is_chosen_is_chosen_on_validation_once(tmp_path, monkeypatch):
    from voxtempo.inference.postprocess import Pair
    from voxtempo.workflow import mirror as module
    from voxtempo.workflow import pairs as maps
    from voxtempo.workflow.voice import Voice

    task = SegmentTask({1: "a"})
    truth = np.zeros((6, 6, 6), np.uint8)
    truth[1:5, 1:5, 1:5] = 1
    asked = []

    def pairs(predictor, task, cases, prepared):
        asked.append(predictor.mirror)
        made = []
        for number in range(6):
            found = truth.copy()
            found[1, 1, : 4 if predictor.mirror else 3 - number % 2] = 1
            found[1, 1, 4 if predictor.mirror else 3 :] = 0
            made.append(Pair(found, truth, (1, 1, 1), f"p{number}"))
        return made

    monkeypatch.setattr(maps, "validation_pairs", pairs)
    own = study("segment", {"volume": "whole"}, evaluate={"mirror": "auto"})
    prepared = {"a": SimpleNamespace(image=SimpleNamespace(geometry=Geometry.from_spacing((6, 6, 6))))}
    one = predictor(Leaning(), task, ())
    cohort = Cohort((), labels={1: "a"})
    for _ in range(2):
        validation = maps.ValidationMaps(sides(named("t"), named("v")).validation, prepared)
        settled = module.settle_mirror(tmp_path, own, cohort, validation, one, Voice())
        assert settled.mirror == ("x",)
    assert asked == [(), ("x",)]
    record = json.loads((tmp_path / MIRROR).read_text(encoding="utf-8"))
    assert record["dice_after"] > record["dice_before"]
    assert record["subjects"] == 6
    other = tmp_path / "other"
    other.mkdir()
    nobody = maps.ValidationMaps(sides(named("t")).validation, prepared)
    assert module.settle_mirror(other, own, cohort, nobody, one, Voice()).mirror == ()
