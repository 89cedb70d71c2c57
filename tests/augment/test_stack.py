"""The stack: what is drawn, when, in which order, and what a study may say."""

from __future__ import annotations

import json

import numpy as np
import pytest

from voxtempo.augment import Stack, build_transforms, transforms
from voxtempo.cohort.study import Named
from voxtempo.errors import StudyError

SHAPE, SPACING = (16, 14, 12), (1.0, 1.0, 1.0)


def sample(seed=0, volumes=1):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((volumes, *SHAPE, 2), dtype=np.float32), rng.integers(0, 3, SHAPE).astype(np.uint8)


@pytest.mark.parametrize("task", ["classify", "regress", "segment"])
@pytest.mark.parametrize("series", [False, True])
def test_default_replays_bit_by_bit(task, series):
    stack = build_transforms("default", task=task, series=series)
    image, label = sample(volumes=5 if series else 1)
    for seed in range(20):
        drawn = stack.draw(np.random.default_rng(seed), SHAPE, SPACING)
        stored = json.loads(json.dumps(drawn))
        assert stored == drawn
        first, first_label = stack.apply(image, label, drawn)
        again, again_label = stack.apply(image, label, stored)
        elsewhere, _ = Stack().apply(image, label, stored)
        assert np.array_equal(first, again)
        assert np.array_equal(first, elsewhere)
        assert np.array_equal(first_label, again_label)
        assert np.isfinite(first).all()


def test_none_is_empty_and_changes_nothing():
    stack = build_transforms("none", task="segment")
    assert not stack
    image, label = sample()
    drawn = stack.draw(np.random.default_rng(0), SHAPE, SPACING)
    assert drawn == []
    assert np.array_equal(stack.apply(image, label, drawn)[0], image)


@pytest.mark.parametrize("spec", ["none", "default"])
def test_size_cuts_the_patch_whatever_is_drawn(spec):
    stack = build_transforms(spec, task="segment")
    image, label = sample()
    plain = 0
    for seed in range(30):
        drawn = stack.draw(np.random.default_rng(seed), SHAPE, SPACING, size=(8, 8, 6))
        cut, cut_label = stack.apply(image, label, drawn)
        assert cut.shape == (1, 8, 8, 6, 2)
        assert cut_label.shape == (8, 8, 6)
        if len(drawn) == 1 and drawn[0]["params"]["rotation"] == [0, 0, 0]:
            plain += 1
            assert np.array_equal(cut, image[:, 4:12, 3:11, 3:9])
    assert plain > 0
    assert all(r >= s for r, s in zip(stack.reach((8, 8, 6), SPACING), (8, 8, 6), strict=True))


def test_probability_is_the_share_of_samples():
    stack = build_transforms([Named(name="noise", options={"amount": 0.1, "probability": 0.25})], task="segment")
    rng = np.random.default_rng(0)
    share = np.mean([len(stack.draw(rng, SHAPE, SPACING)) for _ in range(2000)])
    assert share == pytest.approx(0.25, abs=0.03)


def test_what_default_mirrors():
    def flips(**options):
        return build_transforms("default", task="segment", **options).transforms[0].flip

    assert flips() == ("x",)
    assert flips(flip=("y",)) == ("y",)
    assert flips(series=True) == ()
    assert flips(names=["anterior", "posterior"]) == ("x",)
    assert flips(names=["WMLesion", "FLAIRCore", "ventricleBrightLow"]) == ("x",)
    for sided in (
        ["left hippocampus"],
        ["hand_R", "foot"],
        ["ctx-lh-cuneus"],
        ["Right"],
        ["LeftHand"],
        ["HippocampusL"],
        ["lVentricle"],
    ):
        assert flips(names=sided) == ()


def test_series_default_treats_all_volumes_alike_but_for_noise():
    stack = build_transforms("default", task="classify", series=True)
    image = np.repeat(sample()[0], 4, axis=0)
    for seed in range(10):
        drawn = [d for d in stack.draw(np.random.default_rng(seed), SHAPE, SPACING) if d["name"] != "noise"]
        changed, _ = stack.apply(image, None, drawn)
        assert np.array_equal(changed, np.repeat(changed[:1], 4, axis=0))


def test_study_options():
    stack = build_transforms(
        [
            Named(name="spatial", options={"rotation": 5, "flip": ["x", "y"], "probability": 0.5}),
            Named(name="noise", options=0.05),
            Named(name="gamma", options=[0.9, 1.1]),
            Named(name="blur"),
        ],
        task="segment",
    )
    spatial, noise, gamma, blur = stack.transforms
    assert (spatial.rotation, spatial.flip, spatial.probability) == (5.0, ("x", "y"), 0.5)
    assert noise.amount == 0.05
    assert gamma.power == (0.9, 1.1)
    assert blur == transforms["blur"]()


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (Named(name="gama"), "Did you mean 'gamma'"),
        (Named(name="noise", options={"amont": 1}), "Did you mean 'amount'"),
        (Named(name="noise", options={"kind": "pink"}), "noise.kind.*gaussian"),
        (Named(name="noise", options={"amount": "much"}), r"noise.amount.*'much'"),
        (Named(name="spatial", options={"elastic": 20}), "folds"),
        (Named(name="gamma", options=[2, 1]), "low <= high"),
    ],
)
def test_bad_options_are_one_clear_error(named, message):
    with pytest.raises(StudyError, match=message):
        build_transforms([named], task="segment")


def test_unknown_word():
    with pytest.raises(StudyError, match="neither 'default' nor 'none'"):
        build_transforms("strong", task="segment")
