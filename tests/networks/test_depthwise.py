"""Depthwise convolution against scipy, global response normalisation against its formula."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from voxtempo.networks.depthwise import DepthwiseConv, ResponseNorm
from voxtempo.networks.keras_seam import keras

RNG = np.random.default_rng(5)


@pytest.mark.parametrize(
    ("space", "size"), [((7, 6), 3), ((6, 5, 4), 3), ((6, 8, 7), 5), ((6, 5, 1), 3), ((1, 6, 5), 5), ((3, 3, 3), 5)]
)
def test_every_channel_is_convolved_by_itself(space: tuple[int, ...], size: int) -> None:
    x = RNG.normal(size=(2, *space, 3)).astype(np.float32)
    layer = DepthwiseConv(size)
    layer.build(x.shape)
    kernel, bias = RNG.normal(size=layer.kernel.shape).astype(np.float32), np.float32([0.5, -1, 2])
    assert kernel.shape == (*(1 if n == 1 else size for n in space), 3)
    layer.kernel.assign(kernel)
    layer.bias.assign(bias)
    expected = np.empty_like(x)
    for sample in range(2):
        for channel in range(3):
            picture = ndimage.correlate(x[sample, ..., channel], kernel[..., channel], mode="constant")
            expected[sample, ..., channel] = picture + bias[channel]
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(x)), expected, atol=1e-4)


def test_new_kernels_keep_the_variance_of_what_is_rectified() -> None:
    layer = DepthwiseConv(5)
    layer.build((None, 9, 9, 9, 400))
    weights = keras.ops.convert_to_numpy(layer.kernel)
    assert (weights**2).sum(axis=(0, 1, 2)).mean() == pytest.approx(2, rel=0.05)


def test_response_norm_is_the_formula_and_begins_as_the_identity() -> None:
    x = RNG.normal(size=(2, 4, 3, 2, 5)).astype(np.float32)
    layer = ResponseNorm()
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(x)), x)
    gamma, beta = RNG.normal(size=(2, 5)).astype(np.float32)
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    energy = np.sqrt((x**2).sum(axis=(1, 2, 3), keepdims=True))
    expected = x + gamma * x * energy / energy.mean(axis=-1, keepdims=True) + beta
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(x)), expected, atol=1e-4)
