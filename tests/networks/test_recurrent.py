"""Recurrent layers against their formulas, and the CNNs that end in one."""

from __future__ import annotations

import numpy as np
import pytest

from voxtempo.errors import StudyError
from voxtempo.networks import Classify, build_network
from voxtempo.networks.blocks import Style
from voxtempo.networks.conv_lstm import ConvLSTM
from voxtempo.networks.keras_seam import keras
from voxtempo.networks.recurrent import recurrent
from voxtempo.networks.volume_cnn import describe_volumes

RNG = np.random.default_rng(7)
FAMILY = ("cnn_lstm", "cnn_gru", "fmri_cnn_lstm", "convlstm3d")


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def lstm(x: np.ndarray, kernel: np.ndarray, states: np.ndarray, bias: np.ndarray) -> np.ndarray:
    h = c = np.zeros((len(x), len(states)))
    for t in range(x.shape[1]):
        i, f, g, o = np.split(x[:, t] @ kernel + h @ states + bias, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    return h


def gru(x: np.ndarray, kernel: np.ndarray, states: np.ndarray, bias: np.ndarray) -> np.ndarray:
    h = np.zeros((len(x), len(states)))
    for t in range(x.shape[1]):
        xz, xr, xh = np.split(x[:, t] @ kernel + bias[0], 3, axis=-1)
        hz, hr, hh = np.split(h @ states + bias[1], 3, axis=-1)
        z = sigmoid(xz + hz)
        h = z * h + (1 - z) * np.tanh(xh + sigmoid(xr + hr) * hh)
    return h


def with_random_weights(model: keras.Model, scale: float = 0.5) -> keras.Model:
    model.set_weights([RNG.normal(scale=scale, size=w.shape) for w in model.get_weights()])
    return model


@pytest.mark.parametrize(("kind", "formula"), [("lstm", lstm), ("gru", gru)])
def test_the_last_state_is_the_formulas_in_both_directions(kind: str, formula) -> None:  # type: ignore[no-untyped-def]
    inputs = keras.Input((6, 3))
    x = RNG.normal(size=(2, 6, 3)).astype(np.float32)
    model = with_random_weights(keras.Model(inputs, recurrent(inputs, kind, 4)))
    np.testing.assert_allclose(model.predict_on_batch(x), formula(x, *model.get_weights()), atol=1e-5)
    model = with_random_weights(keras.Model(inputs, recurrent(inputs, kind, 4, bidirectional=True)))
    weights = model.get_weights()
    expected = [formula(x, *weights[:3]), formula(x[:, ::-1], *weights[3:])]
    np.testing.assert_allclose(model.predict_on_batch(x), np.concatenate(expected, axis=1), atol=1e-5)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_the_mean_of_all_states_is_that_of_the_last_states_of_its_beginnings(kind: str) -> None:
    inputs = keras.Input((5, 3))
    mean = keras.Model(inputs, recurrent(inputs, kind, 4, readout="mean"))
    x = RNG.normal(size=(2, 5, 3)).astype(np.float32)
    states = []
    for t in range(1, 6):
        begin = keras.Input((t, 3))
        last = keras.Model(begin, recurrent(begin, kind, 4))
        last.set_weights(mean.get_weights())
        states.append(last.predict_on_batch(x[:, :t]))
    np.testing.assert_allclose(mean.predict_on_batch(x), np.mean(states, axis=0), atol=1e-6)


def test_dropout_acts_in_training_only() -> None:
    inputs = keras.Input((4, 8))
    model = keras.Model(inputs, recurrent(inputs, "gru", 3, dropout=0.5))
    x = RNG.normal(size=(2, 4, 8)).astype(np.float32)
    still, moving = ([keras.ops.convert_to_numpy(model(x, training=t)) for _ in range(2)] for t in (False, True))
    np.testing.assert_array_equal(*still)
    assert not np.array_equal(*moving)


@pytest.mark.parametrize(("sizes", "kernel"), [((4, 3, 3), (3, 3, 3)), ((5, 4, 1), (3, 3, 1))])
def test_the_convolutional_lstm_is_keras_own(sizes: tuple[int, ...], kernel: tuple[int, ...]) -> None:
    inputs = keras.Input((4, *sizes, 2))
    ours = with_random_weights(keras.Model(inputs, ConvLSTM(3, kernel)(inputs)), 0.2)
    theirs = keras.Model(inputs, keras.layers.ConvLSTM3D(3, kernel, padding="same")(inputs))
    kernel_, states, bias = ours.get_weights()
    theirs.set_weights([kernel_, states, bias + np.repeat([0, 1, 0, 0], 3)])  # theirs has the one in the forget bias
    x = RNG.normal(size=(2, 4, *sizes, 2)).astype(np.float32)
    np.testing.assert_allclose(ours.predict_on_batch(x), theirs.predict_on_batch(x), atol=1e-5)


def test_of_one_voxel_it_is_an_lstm() -> None:
    inputs = keras.Input((6, 1, 1, 1, 3))
    model = with_random_weights(keras.Model(inputs, ConvLSTM(4, (1, 1, 1))(inputs)))
    kernel, states, bias = (w.reshape(*w.shape[-2:]) if w.ndim > 1 else w for w in model.get_weights())
    x = RNG.normal(size=(2, 6, 3)).astype(np.float32)
    expected = lstm(x, kernel, states, bias + np.repeat([0, 1, 0, 0], 4))
    np.testing.assert_allclose(model.predict_on_batch(x[:, :, None, None, None])[:, 0, 0, 0], expected, atol=1e-5)


def test_the_convolutional_lstm_comes_back_from_its_config() -> None:
    again = keras.layers.deserialize(keras.layers.serialize(ConvLSTM(5, (3, 3, 1))))
    assert isinstance(again, ConvLSTM)
    assert (again.filters, again.kernel_size) == (5, (3, 3, 1))


@pytest.mark.parametrize("pooling", ["max", "mean"])
@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_every_volume_is_described_by_itself(pooling: str, norm: str) -> None:
    inputs = keras.Input((4, 8, 6, 5, 1))
    series = describe_volumes(inputs, (3, 4), (3, 5), Style(norm), 2, 6, pooling)
    model = keras.Model(inputs, series)
    x = RNG.normal(size=(1, 4, 8, 6, 5, 1)).astype(np.float32)
    found, order = model.predict_on_batch(x), [2, 0, 3, 1]
    assert np.std(found[0], axis=0).max() > 1e-3
    np.testing.assert_allclose(model.predict_on_batch(x[:, order]), found[:, order], atol=1e-5)


def test_means_cancel_noise_that_maxima_find() -> None:
    x = RNG.normal(size=(1, 1, 16, 16, 16, 1)).astype(np.float32)
    spreads = {}
    for pooling in ("mean", "max"):
        inputs = keras.Input(x.shape[1:])
        # One voxel, weight one: what is left is the pooling itself.
        series = describe_volumes(inputs, (1,), (1,), Style("none", "leaky_relu", slope=1.0), 8, 8, pooling)
        model = keras.Model(inputs, series)
        cells = x[0, 0, ..., 0].reshape(8, 2, 8, 2, 8, 2)
        expected = (cells.mean((1, 3, 5)) if pooling == "mean" else cells.max((1, 3, 5))).reshape(1, -1)
        first, bias, *dense = model.get_weights()
        model.set_weights([np.ones_like(first), np.zeros_like(bias), *dense])
        np.testing.assert_allclose(model.predict_on_batch(x)[:, 0], expected @ dense[0] + dense[1], atol=1e-4)
        spreads[pooling] = abs(expected.mean())
    assert spreads["mean"] < 0.1 < 1 < spreads["max"]


@pytest.mark.parametrize("name", FAMILY)
def test_the_order_of_volumes_matters(name: str) -> None:
    model = build_network(name, (5, 8, 8, 2, 1), Classify(2), {"widths": (4, 4)})
    x = RNG.normal(size=(1, 5, 8, 8, 2, 1)).astype(np.float32)
    assert np.abs(model.predict_on_batch(x) - model.predict_on_batch(x[:, ::-1])).max() > 1e-4


@pytest.mark.parametrize("name", FAMILY)
def test_a_long_series_makes_no_longer_graph(name: str) -> None:
    counts = [len(build_network(name, (t, 8, 8, 4, 1), Classify(2), {"widths": (4, 4)}).layers) for t in (2, 90)]
    assert counts[0] == counts[1]


def test_lstm_and_gru_share_all_but_the_recurrent_layer() -> None:
    options = {"pooling": "mean", "widths": (4, 8), "features": 6, "units": 5}
    counts = [
        build_network(name, (3, 8, 8, 4, 1), Classify(2), options).count_params() for name in ("cnn_lstm", "cnn_gru")
    ]
    assert counts[0] - counts[1] == 4 * (6 + 5 + 1) * 5 - 3 * (6 + 5 + 2) * 5


def test_the_fmri_variant_filters_every_voxel_in_time_first() -> None:
    options = {"temporal_widths": (6, 5), "temporal_kernel": 3, "recurrence": "gru", "norm": "none"}
    model = build_network("fmri_cnn_lstm", (7, 12, 10, 8, 2), Classify(2), options)
    shapes = [tuple(w.shape) for w in model.weights if w.path.endswith("kernel") and len(w.shape) > 2]
    assert shapes == [(3, 1, 2, 6), (3, 1, 6, 5), (3, 3, 3, 5, 8), (5, 5, 5, 8, 16)]
    with pytest.raises(StudyError, match="'kernels' has 1 values and 'widths' 2"):
        build_network("fmri_cnn_lstm", (7, 12, 10, 8, 2), Classify(2), {"kernels": (3,)})
