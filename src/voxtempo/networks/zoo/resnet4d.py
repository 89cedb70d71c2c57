"""A residual network over time and space, with pre-activation."""

from __future__ import annotations

import math
from functools import partial

from voxtempo.levels import stride_along
from voxtempo.networks.blocks import Activation, Norm, Style, conv, space
from voxtempo.networks.card import Features, network
from voxtempo.networks.conv4d import Convolution, describe_series, normalise_activate, pool4d, space_time_conv
from voxtempo.networks.fold_time import over_time
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.options import Count, Share, Widths

LARGE = 2**16


def plan_stem(time: int, sizes: tuple[int, ...]) -> int:
    """Return the power of two, at least 2, by which the stem must pool to leave 65,536 voxels in all frames together.

    >>> plan_stem(20, (12, 15, 13)), plan_stem(20, (32, 32, 24)), plan_stem(20, (64, 64, 36))
    (2, 2, 4)
    """
    stride = 2
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
    widths: Widths = (8, 16, 32),
    units: Count = 1,
    kernel: Count = 3,
    time_kernel: Count = 5,
    strides: Count = 2,
    time_strides: Count = 2,
    stem_stride: Count | None = None,
    grid: Count = 4,
    time_grid: Count = 2,
    features: Count = 64,
    dropout: Share = 0.0,
    norm: Norm = "batch",
    activation: Activation = "leaky_relu",
) -> Features:
    """A stem over space, then residual units of two convolutions over time and space, ``units`` for each width.

    Maps shrink by averaging and never by skipping voxels, in the stem and in shortcuts alike, so that what is weak in
    single voxels is not lost before it is seen.

    Parameters
    ----------
    inputs : (batch, time, x, y, z, channels); z and time may be 1.
    convolution : "full" convolves over all four axes at once; "factorised" over space, and then over time at each voxel,
        in about ``time_kernel`` times fewer weights and multiplications.
    widths : channels of each scale, from fine to coarse; the stem has those of the first.
    units : residual units a scale.
    kernel : voxels along each side of the kernels.
    time_kernel : frames of the kernels.
    strides : voxels averaged between scales, along axes that are large enough.
    time_strides : frames averaged between scales; 1 keeps them all.
    stem_stride : voxels averaged after the stem's convolution; planned so that at most 65,536 voxels are left in all
        frames together, and at least 2.
    grid : cells along each axis of space that the last map is averaged to; 1 forgets where things are.
    time_grid : cells of time that the last map is averaged to; 1 forgets when things are, except within the frames that
        all convolutions together reach (57 with the other defaults).
    features : size of the vector that describes the series.
    dropout : share of the cells' channels that is dropped in training.
    norm, activation : of every unit.

    Returns
    -------
    Features with a vector only.

    References
    ----------
    He, Zhang, Ren, Sun 2016, "Identity mappings in deep residual networks", ECCV, arXiv:1603.05027; Tran et al. 2018,
    "A closer look at spatiotemporal convolutions for action recognition", CVPR, arXiv:1711.11248.
    """
    style = Style(norm, activation)
    time, sizes = inputs.shape[1], space(inputs)[1:]
    x = over_time(lambda volume: conv(volume, widths[0], kernel), inputs)
    x = pool4d(x, stride_along(sizes, stem_stride or plan_stem(time, sizes)), kind="mean")
    for scale, width in enumerate(widths):
        for unit in range(units):
            y = normalise_activate(x, style)
            if scale > 0 and unit == 0:
                cells, frames = stride_along(space(x)[1:], strides), stride_along(space(x)[:1], time_strides)[0]
                x, y = (pool4d(z, cells, frames, "mean") for z in (x, y))
            y = space_time_conv(y, width, style, convolution, kernel, time_kernel)
            y = space_time_conv(normalise_activate(y, style), width, style, convolution, kernel, time_kernel)
            if x.shape[-1] != width:
                x = over_time(partial(conv, filters=width, kernel=1), x)
            x = keras.layers.Add()([y, x])
    return Features(vector=describe_series(normalise_activate(x, style), style, grid, time_grid, features, dropout))
