"""Deep supervision: what training compares, and that nothing of it is left in what is stored and predicts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fold_sides import named, sides
from hypothesis import given
from hypothesis import strategies as st

from voxtempo.cohort.study import Train
from voxtempo.errors import StudyError
from voxtempo.feed import Batches, FeedCase, LabelMap, VolumeSampler, Voxels
from voxtempo.learning import backend
from voxtempo.learning.checkpoints import Checkpoints
from voxtempo.learning.deep_supervision import nearest_voxels, on_grid, to_predict, to_train, weights_of
from voxtempo.learning.fit import Watch, fit
from voxtempo.learning.losses import build_loss
from voxtempo.learning.optimisers import make_optimiser
from voxtempo.learning.recipe import Recipe
from voxtempo.learning.tasks import SegmentTask
from voxtempo.learning.weights import read_variables, read_weights, write_weights
from voxtempo.networks import Classify, build_network, networks

TASK = SegmentTask({1: "ball"})
SPACE = (8, 8, 4)
OPTIONS = {"widths": [3, 4], "convolutions": 1, "residual": False}
RECIPE = Recipe("unet3d", {**OPTIONS, "deep_supervision": True}, (*SPACE, 1), "volume", TASK.as_json(), dropout=0.2)
TRAIN = Train.model_validate({"epochs": 2, "batch": 2, "rate": 1e-2, "patience": 50, "checkpoint_minutes": 1e-6})


def feed(count: int, side: str = "training") -> Batches:
    rng = np.random.default_rng(count)
    cases = []
    for i in range(count):
        mask = np.zeros((1, *SPACE, 1), np.int32)
        mask[:, 1 + i % 3 : 5 + i % 3, 2:6, 1:3] = 1
        image = (rng.normal(size=mask.shape) + 3 * mask).astype(np.float32)
        cases.append(FeedCase(f"{side}{i}", Voxels(image), (1, 1, 1), mask=LabelMap(mask)))
    view = getattr(sides(*(named(f"{each}{i}" for i in range(count)) for each in ("training", "validation"))), side)
    return Batches(cases, VolumeSampler(SPACE), batch=2, kind="volume", task="segment", seed=1, view=view)


def compiled(recipe: Recipe = RECIPE):
    keras = backend.start(0)
    model = to_train(recipe.build(supervised=True))
    model.compile(make_optimiser(TRAIN), build_loss("segment"), jit_compile=backend.compile_whole_graph())
    model.optimizer.build(model.trainable_variables)
    keras.utils.set_random_seed(0)
    return model


def trained(folder: Path, watch: Watch | None = None, recipe: Recipe = RECIPE):
    model = compiled(recipe)
    return model, fit(model, TASK, feed(6), feed(2, "validation"), TRAIN, Checkpoints(folder), watch)


@given(st.integers(1, 6))
def test_each_answer_weighs_half_the_one_before_and_together_they_weigh_one(answers: int) -> None:
    weights = np.array(weights_of(answers))
    assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(weights[1:], weights[:-1] / 2)


@given(st.integers(1, 40), st.integers(1, 40))
def test_the_picked_voxel_holds_the_cells_centre(target: int, more: int) -> None:
    size = target + more - 1
    voxels = nearest_voxels(size, target)
    centres = (np.arange(target) + 0.5) * size / target
    assert (voxels <= centres).all()
    assert (centres <= voxels + 1).all()
    assert len(set(voxels.tolist())) == target


def test_label_maps_are_picked_axis_by_axis() -> None:
    labels = np.random.default_rng(0).integers(-1, 5, (2, 9, 4, 5))
    found = np.asarray(on_grid(labels, (3, 4, 2)))
    np.testing.assert_array_equal(found, labels[:, 1::3][..., [1, 3]])


def test_the_loss_is_the_weighted_sum_over_grids() -> None:
    model, loss = compiled(replace(RECIPE, dropout=0.0)), build_loss("segment")
    batch = next(iter(feed(2).cover()))
    full, coarse = (np.asarray(answer) for answer in model(batch.image, training=True))
    assert coarse.shape[1:-1] == (4, 4, 2)
    target = np.asarray(batch.target)
    expected = 2 / 3 * float(loss(target, full)) + 1 / 3 * float(loss(target[:, 1::2, 1::2, 1::2], coarse))
    assert float(model.train_on_batch(batch.image, batch.target)) == pytest.approx(expected, rel=1e-4)


def test_every_answer_teaches_its_weights() -> None:
    model = compiled()
    before = {name: value.copy() for name, value in read_variables(model.trainable_variables).items()}
    batch = next(iter(feed(2).cover()))
    for _ in range(3):
        model.train_on_batch(batch.image, batch.target)
    after = read_variables(model.trainable_variables)
    assert all(not np.array_equal(before[name], after[name]) for name in before)
    assert len(model.weights) == len(RECIPE.build().weights) + 2


def test_what_is_stored_is_the_network_without_the_extra_answers(tmp_path: Path) -> None:
    model, progress = trained(tmp_path / "run")
    assert progress.history[-1]["train_loss"] < progress.history[0]["train_loss"]
    network = to_predict(model)
    write_weights(network, tmp_path / "weights.safetensors")
    (tmp_path / "network.json").write_text(RECIPE.dumps(), encoding="utf-8")
    again = Recipe.loads(tmp_path / "network.json").build()
    read_weights(again, tmp_path / "weights.safetensors")
    images = next(iter(feed(2).cover())).image
    expected = model.predict_on_batch(images)
    assert expected.shape == (2, *SPACE, 2)
    np.testing.assert_array_equal(network.predict_on_batch(images), expected)
    np.testing.assert_array_equal(again.predict_on_batch(images), expected)


def test_training_goes_on_where_it_stopped(tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def die(done: int, total: int, loss: float) -> None:
        nonlocal count
        count += 1
        if count == 4:
            raise Killed

    count = 0
    whole, progress = trained(tmp_path / "whole")
    with pytest.raises(Killed):
        trained(tmp_path / "torn", Watch(step=die))
    again, resumed = trained(tmp_path / "torn")
    ours, theirs = (list(read_variables(model.variables).values()) for model in (whole, again))
    assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert [row["train_loss"] for row in progress.history] == [row["train_loss"] for row in resumed.history]


def test_without_the_option_nothing_is_wrapped() -> None:
    network = replace(RECIPE, options=OPTIONS).build(supervised=True)
    assert to_train(network) is network
    assert to_predict(network) is network


@pytest.mark.parametrize("supervised", [False, True])
def test_the_loss_is_scaled_where_the_network_computes_in_float16(supervised: bool) -> None:
    model = to_train(replace(RECIPE, precision="float16").build(supervised=supervised))
    model.compile(optimizer=make_optimiser(Train(rate=1e-3)), loss=build_loss("segment"))
    assert type(model.optimizer).__name__ == "LossScaleOptimizer"


def test_the_same_seed_gives_both_forms_the_same_weights() -> None:
    plain, supervised = RECIPE.build(), RECIPE.build(supervised=True)
    ours, theirs = (list(read_variables(model.weights).values()) for model in (plain, to_predict(to_train(supervised))))
    assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_deep_supervision_is_refused_where_there_are_no_label_maps() -> None:
    with pytest.raises(StudyError, match="cannot help to classify"):
        build_network("unet2d", (16, 16, 1), Classify(2), {"deep_supervision": True})


@pytest.mark.parametrize("name", [name for name in networks if networks[name].tasks == ("segment",)])
def test_networks_that_only_segment_supervise_from_the_start(name: str) -> None:
    shape = (16, 12, 1) if networks[name].input == "slice" else (16, 12, 8, 1)
    model = build_network(name, shape, TASK.head, {"widths": [4, 6, 8]}, supervised=True)
    assert [output.shape[1] for output in model.outputs] == [16, 8]
