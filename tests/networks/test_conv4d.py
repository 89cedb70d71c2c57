"""Convolution over time and space against scipy's, and what the networks made of it can and cannot see."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from voxtempo.networks import Classify, build_network
from voxtempo.networks.blocks import Style, conv
from voxtempo.networks.conv4d import (
    conv4d,
    conv_time,
    describe_series,
    normalise_activate,
    pool4d,
    space_time_conv,
)
from voxtempo.networks.fold_time import over_time
from voxtempo.networks.keras_seam import keras

RNG = np.random.default_rng(5)
LINEAR = Style("none", "leaky_relu", slope=1.0)


def kernels(model: keras.Model) -> list[np.ndarray]:
    return [w.numpy() for w in model.weights if w.path.endswith("kernel")]


def dilated(kernel: np.ndarray, dilation: int) -> np.ndarray:
    wide = np.zeros(((len(kernel) - 1) * dilation + 1, *kernel.shape[1:]))
    wide[::dilation] = kernel
    return wide


@pytest.mark.parametrize("sizes", [(5, 7, 3), (5, 3, 1)])
@pytest.mark.parametrize(("kernel", "stride", "time_stride", "dilation"), [(3, 1, 1, 1), (5, 2, 1, 1), (3, 1, 2, 2)])
def test_four_dimensional_convolution_is_scipys(
    sizes: tuple[int, ...], kernel: int, stride: int, time_stride: int, dilation: int
) -> None:
    channels, filters, time = 2, 3, 7
    inputs = keras.Input((time, *sizes, channels))
    strides = tuple(1 if n == 1 else stride for n in sizes)
    model = keras.Model(inputs, conv4d(inputs, filters, 3, kernel, strides, time_stride, dilation))
    x = RNG.normal(size=(2, time, *sizes, channels)).astype(np.float32)
    # Keras has (x, y, z, offset x channel, filter); scipy wants (time, x, y, z) for each channel and filter.
    (weights,) = kernels(model)
    weights = np.moveaxis(weights.reshape(*weights.shape[:3], kernel, channels, filters), 3, 0)
    expected = np.zeros((2, time, *sizes, filters))
    for b, f, c in np.ndindex(2, filters, channels):
        expected[b, ..., f] += ndimage.correlate(x[b, ..., c], dilated(weights[..., c, f], dilation), mode="constant")
    expected = expected[:, ::time_stride, :: strides[0], :: strides[1], :: strides[2]]
    np.testing.assert_allclose(model.predict_on_batch(x), expected, atol=1e-4)


@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(3, 1, 1), (5, 2, 1), (3, 2, 3)])
def test_convolution_over_time_is_scipys_at_every_voxel(kernel: int, stride: int, dilation: int) -> None:
    inputs = keras.Input((9, 3, 2, 1, 2))
    model = keras.Model(inputs, conv_time(inputs, 4, kernel, stride, dilation))
    x = RNG.normal(size=(2, 9, 3, 2, 1, 2)).astype(np.float32)
    weights = kernels(model)[0][:, 0]
    expected = np.zeros((2, 9, 3, 2, 1, 4))
    for f, c in np.ndindex(4, 2):
        wide = dilated(weights[:, c, f], dilation)
        expected[..., f] += ndimage.correlate1d(x[..., c], wide, axis=1, mode="constant")
    np.testing.assert_allclose(model.predict_on_batch(x), expected[:, ::stride], atol=1e-5)


def test_a_kernel_that_is_a_product_can_be_factorised() -> None:
    inputs = keras.Input((6, 5, 4, 3, 1))
    true = keras.Model(inputs, conv4d(inputs, 1, 3, 3))
    steps = keras.Model(inputs, space_time_conv(inputs, 1, LINEAR, "factorised", 3, 3))
    in_space, in_time = kernels(steps)
    # (x, y, z, 1, 1) and (time, 1, 1, 1): side by side, the offsets in time are the channels of the true one.
    true.set_weights([in_space * in_time.reshape(1, 1, 1, -1, 1)])
    x = RNG.normal(size=(2, 6, 5, 4, 3, 1)).astype(np.float32)
    np.testing.assert_allclose(steps.predict_on_batch(x), true.predict_on_batch(x), atol=1e-5)


def test_single_frames_get_kernels_of_one_frame() -> None:
    inputs = keras.Input((1, 5, 4, 1, 2))
    assert kernels(keras.Model(inputs, conv4d(inputs, 3, 3, 5)))[0].shape == (3, 3, 1, 2, 3)
    assert kernels(keras.Model(inputs, conv_time(inputs, 3, 5)))[0].shape == (1, 1, 2, 3)


def test_a_kernel_of_one_frame_is_a_convolution_of_every_volume() -> None:
    inputs = keras.Input((4, 5, 4, 3, 2))
    both = keras.Model(inputs, [conv4d(inputs, 3, 3, 1), over_time(lambda volume: conv(volume, 3), inputs)])
    weights = both.get_weights()
    both.set_weights([weights[0], weights[0]])
    one, other = both.predict_on_batch(RNG.normal(size=(1, 4, 5, 4, 3, 2)).astype(np.float32))
    np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize(("kind", "reduce"), [("mean", np.mean), ("max", np.max)])
def test_pooling_takes_cells_of_time_and_space(kind: str, reduce) -> None:  # type: ignore[no-untyped-def]
    x = RNG.normal(size=(2, 6, 4, 2, 1, 3)).astype(np.float32)
    cells = x.reshape(2, 3, 2, 2, 2, 1, 2, 1, 3)
    found = keras.ops.convert_to_numpy(pool4d(x, (2, 2, 1), 2, kind))
    np.testing.assert_allclose(found, reduce(cells, (2, 4, 6)), atol=1e-6)
    assert pool4d(x[:, :5], (1, 1, 1), 2, kind).shape == (2, 3, 4, 2, 1, 3)


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_statistics_are_over_time_and_space_together(norm: str) -> None:
    inputs = keras.Input((5, 3, 2, 2, 2))
    model = keras.Model(inputs, normalise_activate(inputs, Style(norm, "leaky_relu", slope=1.0)))
    x = RNG.normal(2.0, 3.0, (4, 5, 3, 2, 2, 2)).astype(np.float32)
    axes = (0, 1, 2, 3, 4) if norm == "batch" else (1, 2, 3, 4)
    expected = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(model(x, training=True)), expected, atol=1e-4)


def test_a_coarse_grid_of_time_remembers_when() -> None:
    inputs = keras.Input((8, 4, 4, 2, 3))
    x = RNG.normal(size=(1, 8, 4, 4, 2, 3)).astype(np.float32)
    swapped = np.concatenate([x[:, 4:], x[:, :4]], axis=1)
    for time_grid, remembers in ((1, False), (2, True)):
        model = keras.Model(inputs, describe_series(inputs, LINEAR, 2, time_grid, 5))
        assert model.weights[0].shape == (2 * 2 * 2 * time_grid * 3, 5)
        difference = np.abs(model.predict_on_batch(x) - model.predict_on_batch(swapped)).max()
        assert (difference > 1e-3) == remembers


@pytest.mark.parametrize("convolution", ["full", "factorised"])
@pytest.mark.parametrize("name", ["spatiotemporal_cnn", "resnet4d"])
def test_order_is_seen_by_kernels_in_time_and_by_nothing_else(name: str, convolution: str) -> None:
    options = {"convolution": convolution, "widths": (4, 4), "time_strides": 1, "time_grid": 1}
    x = RNG.normal(size=(1, 6, 8, 8, 4, 1)).astype(np.float32)
    shuffled = x[:, [3, 0, 5, 1, 4, 2]]
    for time_kernel, sees in ((1, False), (3, True)):
        model = build_network(name, x.shape[1:], Classify(2), {**options, "time_kernel": time_kernel})
        difference = np.abs(model.predict_on_batch(x) - model.predict_on_batch(shuffled)).max()
        assert (difference > 1e-4) == sees


@pytest.mark.parametrize("name", ["spatiotemporal_cnn", "resnet4d"])
@pytest.mark.parametrize(
    "options",
    [
        {"convolution": "full", "time_strides": 2, "dropout": 0.5},
        {"norm": "instance", "grid": 1},
        {"norm": "none", "convolution": "full", "time_grid": 1},
    ],
)
def test_variants_build_for_short_flat_and_many_channelled_series(name: str, options: dict[str, object]) -> None:
    for shape in ((1, 7, 6, 1, 1), (5, 9, 8, 3, 4)):
        model = build_network(name, shape, Classify(3), {"widths": (4, 6), **options})
        assert np.isfinite(model.predict_on_batch(np.ones((2, *shape), np.float32))).all()


def test_factorised_has_the_weights_counted_by_hand() -> None:
    options = {"widths": (3,), "norm": "none", "time_kernel": 5, "grid": 1, "time_grid": 1, "features": 2}
    counts = {
        convolution: build_network(
            "spatiotemporal_cnn", (6, 8, 8, 8, 2), Classify(2), {**options, "convolution": convolution}
        ).count_params()
        for convolution in ("full", "factorised")
    }
    end = (3 * 2 + 2) + (2 * 2 + 2)
    assert counts["full"] == 27 * 5 * 2 * 3 + 3 + end
    assert counts["factorised"] == (27 * 2 * 3 + 3) + (5 * 3 * 3 + 3) + end


@pytest.mark.parametrize("name", ["spatiotemporal_cnn", "resnet4d"])
def test_what_only_time_tells_is_learned_through_noise(name: str) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(160) % 2
    turn = np.arange(12) / 6 + rng.uniform(size=(160, 1))
    course = np.where(y[:, None] == 1, turn, -turn) % 1.0 - 0.5
    x = rng.normal(size=(160, 12, 6, 6, 4, 1)).astype(np.float32)
    x[:, :, 2:5, 2:5, 1:3, 0] += 6 * course[:, :, None, None, None]
    model = build_network(name, x.shape[1:], Classify(2))
    model.compile(keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(True), jit_compile=False)
    model.fit(x[:96], y[:96], batch_size=8, epochs=12, verbose=0)
    assert (model.predict_on_batch(x[96:]).argmax(1) == y[96:]).mean() >= 0.9
