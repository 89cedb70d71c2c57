"""Attention, the encoder, and what says when and where a token is."""

from __future__ import annotations

import numpy as np
import pytest

from voxtempo.networks import build_features, build_network, head_for
from voxtempo.networks.transformer import drop_paths, encode, time_positions, time_waves

SMALL = {"cnn_transformer": {"widths": [4, 8]}, "vit_gru": {"depth": 1}, "swin4d": {"depths": [1, 1]}}
RNG = np.random.default_rng


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return RNG(seed).normal(size=shape).astype(np.float32)


def randomise(model, seed: int = 3) -> None:
    rng = RNG(seed)
    for weight in model.trainable_weights:
        weight.assign(rng.normal(scale=0.3, size=weight.shape))


def test_attention_equals_keras_own() -> None:
    import keras

    from voxtempo.networks.attention import SelfAttention

    features, heads, size = 12, 3, 4
    ours, theirs = SelfAttention(heads), keras.layers.MultiHeadAttention(heads, size)
    x = normal(2, 7, features)
    ours(x)
    theirs(x, x)
    randomise(ours)
    kernel = ours.project.kernel.numpy().reshape(features, 3, heads, size)
    bias = ours.project.bias.numpy().reshape(3, heads, size)
    projections = [part for i in range(3) for part in (kernel[:, i], bias[i])]
    weights = {"query": projections[:2], "key": projections[2:4], "value": projections[4:]}
    theirs.query_dense.set_weights(weights["query"])
    theirs.key_dense.set_weights(weights["key"])
    theirs.value_dense.set_weights(weights["value"])
    theirs.output_dense.set_weights([ours.join.kernel.numpy().reshape(heads, size, features), ours.join.bias.numpy()])
    np.testing.assert_allclose(np.asarray(ours(x)), np.asarray(theirs(x, x)), atol=1e-5)


def test_heads_need_not_divide_the_features() -> None:
    import keras

    inputs = keras.Input((5, 10))
    model = keras.Model(inputs, encode(inputs, depth=1, heads=4))
    assert model.output.shape == (None, 5, 10)


def test_a_new_encoder_only_normalises() -> None:
    import keras

    inputs = keras.Input((5, 8))
    model = keras.Model(inputs, encode(inputs, depth=3, heads=2, dropout=0.1, drop_path=0.2))
    x = normal(2, 5, 8)
    expected = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(model.predict_on_batch(x), expected, atol=1e-5)


def test_without_positions_the_order_is_unknown_and_with_them_it_is_not() -> None:
    import keras

    def mean_of_encoded(positions: bool) -> keras.Model:
        inputs = keras.Input((6, 8))
        x = time_positions(inputs, 2.0) if positions else inputs
        model = keras.Model(inputs, keras.ops.mean(encode(x, depth=1, heads=2), axis=1))
        randomise(model)
        return model

    x = normal(3, 6, 8)
    blind, aware = mean_of_encoded(False), mean_of_encoded(True)
    np.testing.assert_allclose(blind.predict_on_batch(x), blind.predict_on_batch(x[:, ::-1]), atol=1e-5)
    assert np.abs(aware.predict_on_batch(x) - aware.predict_on_batch(x[:, ::-1])).max() > 1e-2


def test_drop_path_drops_whole_branches_of_samples_in_training() -> None:
    import keras

    inputs = keras.Input((4, 6))
    model = keras.Model(inputs, encode(inputs, depth=1, heads=1, drop_path=0.5))
    randomise(model)
    outcomes = np.asarray(model(np.repeat(normal(1, 4, 6), 64, axis=0), training=True))
    assert len(np.unique(outcomes.round(4), axis=0)) == 4, "two branches, each kept or dropped"
    assert drop_paths(0.3, 4) == pytest.approx((0, 0.1, 0.2, 0.3))
    assert drop_paths(0.3, 1) == (0.3,)


@pytest.mark.parametrize("features", [1, 2, 7, 64])
def test_waves_are_those_of_the_formula(features: int) -> None:
    waves = time_waves(9, features, 1.5)
    assert waves.shape == (9, features)
    sines = -(-features // 2)
    for i in range(sines):
        hertz = 0.005 * 100 ** (i / (sines - 1)) if sines > 1 else 0.005
        np.testing.assert_allclose(waves[:, i], np.sin(2 * np.pi * hertz * 1.5 * np.arange(9)), atol=1e-5)
        if sines + i < features:
            np.testing.assert_allclose(waves[:, sines + i], np.cos(2 * np.pi * hertz * 1.5 * np.arange(9)), atol=1e-5)


def test_waves_are_of_seconds_not_of_frames() -> None:
    np.testing.assert_allclose(time_waves(20, 16, 1.0)[::2], time_waves(10, 16, 2.0), atol=1e-6)
    np.testing.assert_array_equal(time_waves(20, 16, None), time_waves(20, 16, 1.0))


def test_positions_are_added_at_every_voxel() -> None:
    x = np.zeros((1, 4, 2, 1, 3, 6), np.float32)
    found = np.asarray(time_positions(x, 2.0))
    np.testing.assert_array_equal(found, np.broadcast_to(time_waves(4, 6, 2.0)[None, :, None, None, None], x.shape))


@pytest.mark.parametrize("name", ["cnn_transformer", "swin4d"])
def test_the_repetition_time_reaches_the_network(name: str) -> None:
    x = normal(1, 6, 8, 8, 4, 1)
    answers = []
    for seconds in (None, 1.0, 3.0):
        model = build_network(
            name, x.shape[1:], head_for("classify", 2), {"repetition_time": seconds, **SMALL[name]}, seed=1
        )
        answers.append(model.predict_on_batch(x))
    np.testing.assert_array_equal(answers[0], answers[1])
    assert np.abs(answers[0] - answers[2]).max() > 1e-4


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cnn_transformer", {"readout": "token"}),
        ("cnn_transformer", {"time_kernel": 1, "norm": "instance", "dropout": 0.1, "drop_path": 0.1}),
        ("vit_gru", {"average": 1, "patch": [3, 5, 2], "grid": 1, "time_kernel": 1, "bidirectional": True}),
        ("vit_gru", {"readout": "last", "drop_path": 0.1}),
    ],
)
def test_options_build_and_give_finite_numbers(name: str, options: dict[str, object]) -> None:
    shape = (4, 11, 8, 3, 2)
    model = build_network(name, shape, head_for("regress", 1), options)
    assert np.isfinite(model.predict_on_batch(normal(2, *shape))).all()


def test_the_token_is_read_out() -> None:
    _, mean = build_features("cnn_transformer", (5, 8, 8, 4, 1))
    _, token = build_features("cnn_transformer", (5, 8, 8, 4, 1), {"readout": "token", "features": 24})
    assert mean.vector.shape == (None, 64)
    assert token.vector.shape == (None, 24)


@pytest.mark.parametrize("name", SMALL)
def test_reversed_time_changes_the_answer(name: str) -> None:
    x = normal(1, 8, 8, 8, 4, 1)
    model = build_network(name, x.shape[1:], head_for("classify", 2), SMALL[name])
    randomise(model)
    assert np.abs(model.predict_on_batch(x) - model.predict_on_batch(x[:, ::-1])).max() > 1e-3
