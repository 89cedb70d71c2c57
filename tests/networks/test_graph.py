"""Series as graphs: against numpy and scikit-learn, and what the two networks of graphs can and cannot see."""

from __future__ import annotations

import numpy as np
import pytest

from voxtempo.errors import StudyError
from voxtempo.networks import build_network, head_for
from voxtempo.networks.graph import (
    as_regions,
    cell_side,
    correlation,
    correlation_graph,
    distance_graph,
    partial_correlation,
)


def courses(batch: int = 2, regions: int = 7, volumes: int = 40, channels: int = 1, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(batch, volumes, regions, channels)).cumsum(axis=1)
    mixed += 1.5 * mixed[:, :, :1]
    return (100 + np.moveaxis(mixed, 1, 2)).astype(np.float32)


def series(batch: int = 2, volumes: int = 20, regions: int = 6, seed: int = 0) -> np.ndarray:
    return np.moveaxis(courses(batch, regions, volumes, seed=seed), 1, 2)[:, :, :, None, None]


def array(tensor: object) -> np.ndarray:
    import keras

    return keras.ops.convert_to_numpy(tensor)


def evaluate(function, x: np.ndarray) -> np.ndarray:
    import keras

    return array(function(keras.ops.convert_to_tensor(x)))


def gradient(function, x: np.ndarray) -> np.ndarray:
    """Return the gradient of the sum of what a function gives, whatever the backend."""
    import keras

    if keras.config.backend() == "jax":
        import jax

        return np.asarray(jax.grad(lambda a: function(a).sum())(x))
    if keras.config.backend() == "torch":
        import torch

        tensor = torch.tensor(x, requires_grad=True)
        function(tensor).sum().backward()
        return tensor.grad.numpy()
    import tensorflow as tf

    tensor = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        total = tf.reduce_sum(function(tensor))
    return tape.gradient(total, tensor).numpy()


def test_correlation_is_numpys_and_lags_look_later():
    x = courses(channels=2)
    found = evaluate(correlation, x)
    for sample in range(2):
        for channel in range(2):
            np.testing.assert_allclose(found[sample, channel], np.corrcoef(x[sample, ..., channel]), atol=1e-4)
    z = (x - x.mean(axis=2, keepdims=True)) / x.std(axis=2, keepdims=True)
    lagged = evaluate(lambda a: correlation(a, 3), x)
    expected = np.einsum("bitc,bjtc->bcij", z[:, :, :-3], z[:, :, 3:]) / 40
    np.testing.assert_allclose(lagged, expected, atol=1e-4)
    assert np.abs(lagged - np.swapaxes(lagged, 2, 3)).max() > 0.05
    assert not evaluate(lambda a: correlation(a, 40), x).any()


def test_partial_correlation_is_that_of_what_others_leave():
    x = courses(regions=5, volumes=400)
    found = evaluate(lambda a: partial_correlation(a, 0.0), x)[0, 0]
    z = x[0, ..., 0] - x[0, ..., 0].mean(axis=1, keepdims=True)
    for i, j in ((0, 1), (2, 4)):
        others = np.delete(z, [i, j], axis=0).T
        rest = [z[k] - others @ np.linalg.lstsq(others, z[k], rcond=None)[0] for k in (i, j)]
        assert found[i, j] == pytest.approx(np.corrcoef(rest)[0, 1], abs=2e-3)
    np.testing.assert_allclose(np.diag(found), 1, atol=1e-5)
    shrunk = evaluate(lambda a: partial_correlation(a, 0.1), courses(regions=30, volumes=10))  # singular without
    assert np.isfinite(shrunk).all()
    assert np.abs(shrunk).max() <= 1 + 1e-5


@pytest.mark.parametrize("value", [0.0, 1000.0, 123456.7])
def test_a_constant_region_has_no_edges_and_finite_gradients(value):
    x = courses(regions=6, volumes=101)
    x[:, 2] = value
    x[:, 4] = value / 3
    assert np.abs(evaluate(correlation, x)[:, :, 2]).max() < 1e-2
    assert np.abs(evaluate(lambda a: correlation(a, 2), x)[:, :, 2]).max() < 1e-2
    functions = [
        correlation,
        lambda a: partial_correlation(a, 0.1),
        lambda a: correlation_graph(a, 2),
        lambda a: correlation_graph(a, 2, absolute=True),
    ]
    for function in functions:
        for sample in (x, x[:, :, :1], np.full_like(x, value)):
            assert np.isfinite(evaluate(function, sample)).all()
            assert np.isfinite(gradient(function, sample)).all()


def test_the_graph_has_the_strongest_edges_and_fades_instead_of_jumping():
    x = courses(1, regions=12, volumes=30)
    strength = np.corrcoef(x[0, ..., 0]) * (1 - np.eye(12))
    for absolute in (False, True):
        wanted = np.abs(strength) if absolute else np.maximum(strength, 0)
        graph = evaluate(lambda a, absolute=absolute: correlation_graph(a, 3, absolute), x)[0]
        np.testing.assert_allclose(graph, graph.T, atol=1e-6)
        assert not np.diag(graph).any()
        strongest = np.argsort(-wanted, axis=1)[:, :3]
        expected = np.zeros((12, 12), bool)
        np.put_along_axis(expected, strongest, True, axis=1)
        np.testing.assert_array_equal(graph > 1e-6, (expected & (wanted > 0)) | (expected & (wanted > 0)).T)
        assert np.linalg.eigvalsh(graph).max() < 1 + 1e-4
    whole = evaluate(lambda a: correlation_graph(a, 50), x)[0]
    assert ((whole > 0) == (strength > 0)).all()
    path = np.linspace(0, 1, 400, dtype=np.float32)[:, None, None, None]
    walk = evaluate(lambda a: correlation_graph(a, 3), (1 - path) * x + path * courses(1, 12, 30, seed=5))
    assert (np.diff(walk > 0, axis=0) != 0).any()  # edges come and go on the way
    assert np.abs(np.diff(walk, axis=0)).max() < 0.05


def test_distance_edges_are_scikit_learns_neighbours():
    from sklearn.neighbors import kneighbors_graph

    points = np.random.default_rng(0).normal(0, 30, (40, 3))
    near = kneighbors_graph(points, 5).toarray() > 0
    graph = distance_graph(points, 5)
    np.testing.assert_array_equal(graph > 0, near | near.T)
    np.testing.assert_allclose(graph, graph.T)
    assert np.linalg.eigvalsh(graph).max() == pytest.approx(1, abs=1e-5)
    assert distance_graph(points[:1], 5).tolist() == [[0.0]]
    assert np.isfinite(distance_graph(np.zeros((4, 3)), 2)).all()


def test_volumes_become_cells_and_regions_stay():
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 4, 2, 2)).astype(np.float32)
    side = cell_side((5, 4, 2), 10)
    assert side == 2
    cells, places = as_regions(x, 10)
    assert cells.shape == (2, 6, 3, 2)
    for number, (i, j) in enumerate((i, j) for i in (0, 2, 4) for j in (0, 2)):
        expected = x[:, :, i : i + 2, j : j + 2].mean(axis=(2, 3, 4))
        np.testing.assert_allclose(array(cells)[:, number], expected, atol=1e-6)
        assert places[number].tolist() == [i, j, 0]
    every, _ = as_regions(x, 1000)
    np.testing.assert_array_equal(array(every)[:, :, 1], x[:, 1].reshape(2, 40, 2))
    flat = x[:, :, :, :1, :1]
    kept, nowhere = as_regions(flat, 2)
    assert nowhere is None
    np.testing.assert_array_equal(array(kept), np.swapaxes(flat[:, :, :, 0, 0], 1, 2))


def test_features_pass_along_edges():
    from voxtempo.networks.graph_layers import GraphMix, LearnedGraph

    rng = np.random.default_rng(0)
    x, graph = rng.normal(size=(2, 5, 4, 3)).astype(np.float32), rng.uniform(size=(2, 5, 5)).astype(np.float32)
    mix = GraphMix()
    np.testing.assert_allclose(array(mix(x, graph)), np.einsum("brs,bstc->brtc", graph, x), atol=1e-5)
    factors = rng.uniform(size=(5, 5)).astype(np.float32)
    mix.set_weights([factors])
    np.testing.assert_allclose(array(mix(x, graph[0])), np.einsum("rs,bstc->brtc", graph[0] * factors, x), atol=1e-5)
    assert GraphMix(importance=False)(x, graph).shape == x.shape
    learned = LearnedGraph(4)
    np.testing.assert_allclose(array(learned(x)).sum(axis=-1), np.ones((1, 5)), atol=1e-6)
    assert len(learned.trainable_variables) == 2


def test_an_edge_takes_in_its_row_and_its_column():
    import keras

    from voxtempo.networks.zoo.brainnet_cnn import _edge_to_edge

    x = np.random.default_rng(0).normal(size=(2, 6, 6, 3)).astype(np.float32)
    inputs = keras.Input((6, 6, 3))
    model = keras.Model(inputs, _edge_to_edge(inputs, 4))
    row, row_bias, column, column_bias = (w for layer in model.layers for w in layer.get_weights())
    line = {"use_bias": True, "padding": "valid"}
    across, along = keras.layers.Conv2D(4, (1, 6), **line), keras.layers.Conv2D(4, (6, 1), **line)
    across.build(x.shape)
    along.build(x.shape)
    across.set_weights([row.reshape(1, 6, 3, 4), row_bias + 0.5])
    along.set_weights([column.reshape(6, 1, 3, 4), column_bias])
    expected = array(across(x)) + array(along(x)) - 0.5  # the two broadcast to (6, 6)
    np.testing.assert_allclose(array(model(x)), expected, atol=1e-5)


def network(name: str, shape: tuple[int, ...], **options: object):
    return build_network(name, shape, head_for("classify", 2), options)


def test_regions_in_another_order_are_the_same_graph():
    x = series()
    order = np.random.default_rng(3).permutation(6)
    points = np.random.default_rng(4).normal(0, 20, (6, 3))
    for edges in ("correlation", "absolute", "distance"):
        options = {"edges": edges, "importance": False, "readout": "mean", "neighbours": 2, "widths": (4, 8)}
        at = {"coordinates": points.tolist()} if edges == "distance" else {}
        model = network("st_gcn", x.shape[1:], **options, **at)
        at = {"coordinates": points[order].tolist()} if at else {}
        turned = network("st_gcn", x.shape[1:], **options, **at)
        expected = model.predict_on_batch(x)
        np.testing.assert_allclose(turned.predict_on_batch(x[:, :, order]), expected, rtol=1e-5, atol=1e-4)
        other = model.predict_on_batch(np.concatenate([x[:, ::-1, :3], x[:, :, 3:]], axis=2))
        assert np.abs(other - expected).max() > 1e-3


def test_correlation_forgets_order_and_size_and_lags_remember_order():
    x = series(volumes=24)
    shuffled = x[:, np.random.default_rng(0).permutation(24)]
    static = network("brainnet_cnn", x.shape[1:], lags=(0,))
    lagged = network("brainnet_cnn", x.shape[1:], lags=(0, 1))
    np.testing.assert_allclose(static.predict_on_batch(shuffled), static.predict_on_batch(x), atol=1e-3)
    assert np.abs(lagged.predict_on_batch(shuffled) - lagged.predict_on_batch(x)).max() > 0.01
    assert np.abs(lagged.predict_on_batch(x[:, ::-1]) - lagged.predict_on_batch(x)).max() > 0.01
    for model in (static, lagged):
        np.testing.assert_allclose(model.predict_on_batch(3 * x - 50), model.predict_on_batch(x), atol=1e-3)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("st_gcn", {"edges": "absolute", "importance": False}),
        ("st_gcn", {"edges": "learned"}),
        ("brainnet_cnn", {"measure": "partial"}),
    ],
)
def test_every_option_trains_where_regions_are_constant(name, options):
    import keras

    for shape in ((6, 6, 1, 1, 1), (1, 5, 1, 1, 2)):
        x = np.random.default_rng(0).normal(size=(4, *shape)).astype(np.float32)
        x[:, :, 0] = 3.0
        model = network(name, shape, **options)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.01), loss, jit_compile=False)
        model.train_on_batch(x, np.arange(4) % 2)
        assert all(np.isfinite(w).all() for w in model.get_weights())


def test_distance_needs_places():
    with pytest.raises(StudyError, match=r"where the regions are.*'parcellate'.*'coordinates'"):
        network("st_gcn", (8, 6, 1, 1, 1), edges="distance")
    with pytest.raises(StudyError, match="2 points, but the series has 6 regions"):
        network("st_gcn", (8, 6, 1, 1, 1), edges="distance", coordinates=[[0, 0, 0], [1, 1, 1]])
    assert network("st_gcn", (8, 6, 5, 4, 1), edges="distance").output_shape == (None, 2)
    assert network("st_gcn", (8, 1, 1, 1, 1), edges="distance", coordinates=[[1, 2, 3]]).output_shape == (None, 2)


def swapped(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two events, each in three regions of nine; which comes first is the class, and when is by chance."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(0, 0.5, (count, 20, 9)), np.arange(count) % 2
    for i in range(count):
        first = rng.uniform(4, 9)
        humps = [2 * np.exp(-0.5 * ((np.arange(20) - at) / 1.5) ** 2) for at in (first, first + 6)]
        for place, hump in zip((0, 5), humps if y[i] else humps[::-1], strict=True):
            x[i, :, place : place + 3] += (hump - hump.mean())[:, None]
    return x[..., None, None, None].astype(np.float32), y


@pytest.mark.parametrize(
    ("name", "options", "low", "high"),
    [
        ("st_gcn", {"widths": (8,), "kernel": 5, "dropout": 0.0}, 0.9, 1.0),
        ("brainnet_cnn", {}, 0.9, 1.0),
        ("brainnet_cnn", {"lags": (0,)}, 0.3, 0.7),
    ],
)
def test_the_order_of_two_events_is_learned_or_cannot_be(name, options, low, high):
    import keras

    (x, y), (new, truth) = swapped(48, 0), swapped(48, 1)
    keras.utils.set_random_seed(0)
    model = build_network(name, x.shape[1:], head_for("classify", 2), options)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(5e-3), loss, jit_compile=False)
    model.fit(x, y, batch_size=16, epochs=15, verbose=0)
    assert low <= (model.predict(new, batch_size=64, verbose=0).argmax(axis=1) == truth).mean() <= high


def test_a_region_a_thousand_times_as_bright_is_heard_no_louder():
    x = series(batch=8)
    x[:, :, 0] *= 1000
    model = network("st_gcn", x.shape[1:], norm="instance", readout="mean", neighbours=2)
    plain = x.copy()
    plain[:, :, 0] /= 1000
    np.testing.assert_allclose(model.predict_on_batch(x), model.predict_on_batch(plain), atol=1e-2)
