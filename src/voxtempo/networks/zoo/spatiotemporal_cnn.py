"""Convolutions over time and space together."""

from __future__ import annotations

from voxtempo.networks.blocks import Activation, Norm, Style, space, stride_along
from voxtempo.networks.card import Features, network
from voxtempo.networks.conv4d import Convolution, normalise_activate, pool4d, pool4d_to_vector, space_time_conv
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.options import Count, Share, Widths


@network(
    "spatiotemporal_cnn",
    input="series",
    tasks=("classify", "regress"),
    summary="Convolutions over time and space, true or factorised.",
    source="Bengs, Gessert, Schlaefer 2020, 4D spatio-temporal deep learning with 4D fMRI data, arXiv:2004.10165",
)
def spatiotemporal_cnn(
    inputs: Tensor,
    *,
    convolution: Convolution = "factorised",
    widths: Widths = (8, 16, 32),
    kernel: Count = 3,
    time_kernel: Count = 5,
    pool_time: bool = False,
    grid: Count = 4,
    time_grid: Count = 4,
    features: Count = 64,
    dropout: Share = 0.0,
    norm: Norm = "batch",
    activation: Activation = "leaky_relu",
) -> Features:
    style = Style(norm, activation)
    x = inputs
    for width in widths:
        cells = stride_along(space(x)[1:], 2)
        x = space_time_conv(x, width, style, convolution, kernel, time_kernel, pooling=cells)
        if pool_time:
            x = pool4d(x, (1, 1, 1), *stride_along((x.shape[1],), 2))
        x = normalise_activate(x, style)
    vector = pool4d_to_vector(x, grid, time_grid)
    if dropout > 0:
        vector = keras.layers.Dropout(dropout)(vector)
    return Features(vector=style.activate(keras.layers.Dense(features, kernel_initializer="he_normal")(vector)))
