"""Blocks against numpy and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from voxtempo.levels import kernel_along, stride_along, strided
from voxtempo.networks.blocks import Style, conv, pool_to_vector, preactivation_unit, residual_unit
from voxtempo.networks.fold_time import fold_time, over_time, unfold_time
from voxtempo.networks.instance_norm import InstanceNorm
from voxtempo.networks.keras_seam import keras
from voxtempo.networks.resize import interpolation_matrix, resize

RNG = np.random.default_rng(3)


def numpy_of(x: object) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(x))


@pytest.mark.parametrize("space", [(7,), (5, 6), (4, 5, 6), (4, 5, 1)])
def test_instance_norm_is_the_formula(space: tuple[int, ...]) -> None:
    x = RNG.normal(3.0, 5.0, (2, *space, 3)).astype(np.float32)
    layer = InstanceNorm(epsilon=1e-3)
    layer.build(x.shape)
    gamma, beta = RNG.normal(size=(2, 3)).astype(np.float32)
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    axes = tuple(range(1, len(space) + 1))
    expected = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-3) * gamma + beta
    np.testing.assert_allclose(numpy_of(layer(x)), expected, atol=1e-5)


def test_instance_norm_keeps_float32_statistics_in_low_precision() -> None:
    # A mean of 1000 and a deviation of 8: bfloat16 statistics (8 bits) would be useless, its inputs still are exact.
    x = (1000 + 8 * RNG.integers(-3, 4, (2, 32, 32, 1))).astype(np.float32)
    low = InstanceNorm(dtype="mixed_bfloat16")
    found = low(keras.ops.cast(x, "bfloat16"))
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
    assert low.gamma.dtype == "float32"
    np.testing.assert_allclose(numpy_of(keras.ops.cast(found, "float32")), numpy_of(InstanceNorm()(x)), atol=0.02)


def test_instance_norm_comes_back_from_its_config() -> None:
    layer = InstanceNorm(epsilon=0.25)
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert isinstance(again, InstanceNorm)
    assert again.epsilon == 0.25


def test_instance_norm_ignores_brightness_and_contrast() -> None:
    x = RNG.normal(size=(1, 8, 8, 8, 2)).astype(np.float32)
    np.testing.assert_allclose(numpy_of(InstanceNorm()(x * 7 + 100)), numpy_of(InstanceNorm()(x)), atol=1e-3)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=3), st.integers(1, 3), st.integers(1, 5))
def test_strides_leave_small_axes_alone(sizes: list[int], stride: int, smallest: int) -> None:
    after = strided(tuple(sizes), stride_along(tuple(sizes), stride, smallest))
    for before, left in zip(sizes, after, strict=True):
        assert left == before or left >= smallest


def test_an_axis_of_one_voxel_gets_a_kernel_of_one_voxel() -> None:
    assert kernel_along((8, 1, 8), 5) == (5, 1, 5)
    layer_input = keras.Input((8, 8, 1, 2))
    assert conv(layer_input, 4)._keras_history.operation.kernel.shape == (3, 3, 1, 2, 4)


@given(st.integers(1, 9), st.integers(0, 9))
@settings(max_examples=30)
def test_linear_interpolation_is_scipys(size: int, more: int) -> None:
    target = size + more
    signal = np.random.default_rng(size).normal(size=size)
    expected = ndimage.zoom(signal, target / size, order=1, mode="nearest", grid_mode=True)
    np.testing.assert_allclose(interpolation_matrix(size, target) @ signal, expected, atol=1e-6)


def test_resize_follows_its_axes() -> None:
    x = RNG.normal(size=(2, 3, 4, 1, 2)).astype(np.float32)
    nearest = numpy_of(resize(x, (6, 7, 1)))
    np.testing.assert_array_equal(nearest, x.repeat(2, 1).repeat(2, 2)[:, :, :7])
    linear = numpy_of(resize(x, (6, 7, 1), "linear"))
    expected = ndimage.zoom(x, (1, 2, 7 / 4, 1, 1), order=1, mode="nearest", grid_mode=True)
    np.testing.assert_allclose(linear, expected, atol=1e-5)
    assert resize(x, (3, 4, 1)) is x


@pytest.mark.parametrize("interpolation", ["nearest", "linear"])
def test_a_constant_stays_constant(interpolation: str) -> None:
    x = np.full((1, 3, 5, 2, 1), 4.0, np.float32)
    np.testing.assert_allclose(numpy_of(resize(x, (9, 6, 4), interpolation)), 4.0, rtol=1e-6)


def test_vectors_are_means_over_cells() -> None:
    x = RNG.normal(size=(2, 8, 4, 1, 3)).astype(np.float32)
    np.testing.assert_allclose(numpy_of(pool_to_vector(x)), x.mean((1, 2, 3)), atol=1e-6)
    cells = x.reshape(2, 2, 4, 2, 2, 1, 3).mean((2, 4)).reshape(2, -1)
    np.testing.assert_allclose(numpy_of(pool_to_vector(x, grid=2)), cells, atol=1e-6)


def test_time_folds_and_unfolds() -> None:
    x = RNG.normal(size=(2, 5, 3, 4, 1, 2)).astype(np.float32)
    np.testing.assert_array_equal(numpy_of(unfold_time(fold_time(x), 5)), x)
    layer = keras.layers.Conv3D(3, 3, padding="same")
    found = numpy_of(over_time(layer, x))
    one_by_one = np.stack([numpy_of(layer(x[:, t])) for t in range(5)], axis=1)
    np.testing.assert_allclose(found, one_by_one, atol=1e-5)


@pytest.mark.parametrize("unit", [residual_unit, preactivation_unit])
def test_a_residual_unit_whose_last_weights_are_zero_is_its_shortcut(unit) -> None:  # type: ignore[no-untyped-def]
    style = Style("none", "relu")
    inputs = keras.Input((6, 6, 4))
    model = keras.Model(inputs, unit(inputs, 4, style))
    last = [layer for layer in model.layers if "conv" in layer.name][-1]
    last.set_weights([np.zeros_like(w) for w in last.get_weights()])
    x = RNG.normal(size=(1, 6, 6, 4)).astype(np.float32)
    expected = np.maximum(x, 0) if unit is residual_unit else x
    np.testing.assert_allclose(model.predict_on_batch(x), expected, atol=1e-6)
