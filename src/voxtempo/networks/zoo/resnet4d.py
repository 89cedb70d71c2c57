"""A residual network over time and space, with pre-activation."""

from __future__ import annotations

import math

from voxtempo.networks.blocks import Activation, Norm, Style, conv, space, stride_along
from voxtempo.networks.card import Features, network
from voxtempo.networks.conv4d import Convolution, normalise_activate, pool4d, pool4d_to_vector, space_time_conv
from voxtempo.networks.fold_time import over_time
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.options import Count, Share, Widths

LARGE = 2**16


def plan_stem(time: int, sizes: tuple[int, ...]) -> int:
    """Return the smallest power of two by which the first convolution must stride to leave 65,536 voxels x frames.

    >>> plan_stem(20, (12, 15, 13)), plan_stem(20, (32, 32, 24)), plan_stem(20, (64, 64, 36))
    (1, 2, 4)
    """
    stride = 1
    while time * math.prod(n / min(stride, n) for n in sizes) > LARGE:
        stride *= 2
    return stride


@network(
    "resnet4d",
    input="series",
    tasks=("classify", "regress"),
    summary="Residual network with pre-activation over time and space.",
    source="He, Zhang, Ren, Sun 2016, Identity mappings in deep residual networks, ECCV, arXiv:1603.05027",
)
def resnet4d(
    inputs: Tensor,
    *,
    convolution: Convolution = "factorised",
    widths: Widths = (16, 32, 64),
    units: Count = 1,
    kernel: Count = 3,
    time_kernel: Count = 3,
    strides: Count = 2,
    time_strides: Count = 1,
    stem_stride: Count | None = None,
    grid: Count = 4,
    time_grid: Count = 4,
    features: Count = 64,
    dropout: Share = 0.0,
    norm: Norm = "batch",
    activation: Activation = "relu",
) -> Features:
    style = Style(norm, activation)
    time, sizes = inputs.shape[1], space(inputs)[1:]
    stem_stride = stem_stride or plan_stem(time, sizes)
    x = over_time(
        lambda volume: conv(volume, widths[0], max(3, 2 * stem_stride - 1), stride_along(sizes, stem_stride)), inputs
    )
    for scale, width in enumerate(widths):
        for unit in range(units):
            down = scale > 0 and unit == 0
            stride = stride_along(space(x)[1:], strides) if down else (1, 1, 1)
            time_stride = stride_along(space(x)[:1], time_strides)[0] if down else 1
            y = space_time_conv(normalise_activate(x, style), width, style, convolution, kernel, time_kernel, stride, time_stride)
            y = space_time_conv(normalise_activate(y, style), width, style, convolution, kernel, time_kernel)
            x = keras.layers.Add()([y, _shortcut(x, width, stride, time_stride)])
    vector = pool4d_to_vector(normalise_activate(x, style), grid, time_grid)
    if dropout > 0:
        vector = keras.layers.Dropout(dropout)(vector)
    return Features(vector=style.activate(keras.layers.Dense(features, kernel_initializer="he_normal")(vector)))


def _shortcut(x: Tensor, filters: int, stride: tuple[int, ...], time_stride: int) -> Tensor:
    x = pool4d(x, stride, time_stride, "mean")
    return x if x.shape[-1] == filters else over_time(lambda volume: conv(volume, filters, kernel=1), x)
