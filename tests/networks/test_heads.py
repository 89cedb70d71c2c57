"""Heads, the planned depth of U-Nets, and what is built around them."""

from __future__ import annotations

import random

import numpy as np
import pytest

from voxtempo.errors import StudyError
from voxtempo.levels import plan_strides
from voxtempo.networks import Classify, Features, Regress, Segment, build_features, build_network, building
from voxtempo.networks.keras_seam import keras


def test_heads_prefer_the_vector_to_pooling() -> None:
    inputs = keras.Input((4, 4, 2))
    vector = keras.layers.Flatten()(inputs)
    model = keras.Model(inputs, Classify(3).attach(Features((inputs,), None, vector), (4, 4, 2), 0.0))
    assert model.layers[-1].kernel.shape == (32, 3)


def test_a_network_without_maps_cannot_segment() -> None:
    vector = keras.Input((5,))
    with pytest.raises(StudyError, match="cannot segment"):
        Segment(2).attach(Features(vector=vector), (8, 8, 1), 0.0)
    with pytest.raises(StudyError, match="nothing to regress from"):
        Regress().attach(Features(), (8, 8, 1), 0.0)


def test_an_encoder_without_decoder_segments_at_the_inputs_resolution() -> None:
    model = build_network("resnet3d", (20, 13, 9, 1), Segment(4), {"widths": [4, 8], "stem_stride": 2})
    assert model.output.shape == (None, 20, 13, 9, 4)


def test_dropout_acts_in_training_only() -> None:
    model = build_network("lightweight_cnn", (16, 16, 1), Classify(2), {"norm": "none"}, dropout=0.5)
    x = np.random.default_rng(0).normal(size=(2, 16, 16, 1)).astype(np.float32)
    still = [np.asarray(keras.ops.convert_to_numpy(model(x, training=False))) for _ in range(2)]
    moving = [np.asarray(keras.ops.convert_to_numpy(model(x, training=True))) for _ in range(2)]
    np.testing.assert_array_equal(*still)
    assert not np.array_equal(*moving)


def test_building_leaves_no_trace_in_global_state() -> None:
    random.seed(11)
    state, policy = random.getstate(), keras.config.dtype_policy().name
    build_network("lightweight_cnn", (16, 16, 1), Classify(2), precision="float16", seed=4)
    with pytest.raises(StudyError), building("bfloat16"):
        build_network("unet3d", (16, 16, 1), Classify(2))
    assert random.getstate() == state
    assert keras.config.dtype_policy().name == policy


def test_options_are_checked_and_converted() -> None:
    model = build_network("unet3d", (16, 16, 16, 1), Segment(2), {"widths": [4, 8.0]})
    assert tuple(model.weights[0].shape) == (3, 3, 3, 1, 4)
    for options, message in (
        ({"width": 0}, "option 'width' is 0.*greater than or equal to 1"),
        ({"width": "wide"}, r"option 'width' is 'wide'.*\(int\)"),
        ({"norm": "group"}, "batch | instance | none"),
        ({"withd": 8}, "Did you mean 'width'"),
        ({"widths": []}, "at least 1"),
        ({"depth": 2, "widths": [4, 8, 16]}, "Give one of the two"),
        ({"depth": 9}, "depth of at most 4"),
    ):
        with pytest.raises(StudyError, match=message):
            build_network("unet3d", (16, 16, 16, 1), Segment(2), options)


def test_depth_follows_the_shape_and_short_axes_stop_early() -> None:
    _, features = build_features("unet3d", (64, 64, 10, 1))
    assert [tuple(level.shape[1:-1]) for level in features.levels] == [
        (64, 64, 10),
        (32, 32, 5),
        (16, 16, 5),
        (8, 8, 5),
        (4, 4, 5),
    ]
    assert plan_strides((64, 64, 1), 3) == [(2, 2, 1), (2, 2, 1)]
    assert plan_strides((1, 1, 1), None) == []
    _, narrow = build_features("unet2d", (64, 64, 1), {"width": 8, "max_width": 20})
    assert [level.shape[-1] for level in narrow.levels] == [8, 16, 20, 20, 20]


@pytest.mark.parametrize("options", [{"residual": False}, {"skip": "add"}, {"upsampling": "linear"}, {"norm": "none"}])
def test_unet_variants_build(options: dict[str, object]) -> None:
    model = build_network("unet3d", (16, 13, 8, 1), Segment(2), {"width": 4, **options})
    assert model.output.shape == (None, 16, 13, 8, 2)


def test_a_plain_unet_has_the_parameters_counted_by_hand() -> None:
    options = {"widths": (2, 4), "residual": False, "norm": "none"}
    model = build_network("unet2d", (8, 8, 1), Segment(3), options)
    encoder = (9 * 1 * 2 + 2) + (9 * 2 * 2 + 2) + (9 * 2 * 4 + 4) + (9 * 4 * 4 + 4)
    decoder = 4 * 2 + (9 * 4 * 2 + 2) + (9 * 2 * 2 + 2)
    assert model.count_params() == encoder + decoder + 2 * 3 + 3


def test_the_order_of_volumes_matters_to_the_lstm() -> None:
    model = build_network("cnn_lstm", (4, 8, 8, 1, 1), Classify(2), {"widths": (4, 4), "bidirectional": True})
    x = np.random.default_rng(0).normal(size=(1, 4, 8, 8, 1, 1)).astype(np.float32)
    forward, backward = model.predict_on_batch(x), model.predict_on_batch(x[:, ::-1])
    assert np.abs(forward - backward).max() > 1e-3


def test_a_long_series_makes_no_longer_graph() -> None:
    counts = [len(build_network("cnn_lstm", (t, 8, 8, 8, 1), Classify(2)).layers) for t in (2, 200)]
    assert counts[0] == counts[1]
