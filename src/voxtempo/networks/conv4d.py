"""Convolution over time and space together, true or factorised, with normalisation and pooling to match.

No framework has a convolution over four axes. A true one is a sum of 3D convolutions, one for each offset in time; laid
side by side as channels, the shifted series need one 3D convolution for all offsets, which sums them by itself. That is
the same arithmetic, and on processors a training step of it is two to ten times faster than summing afterwards.

Maps are (batch, time, x, y, z, channels) throughout. Frames outside the window count as zero, as voxels outside the
volume do.
"""

from __future__ import annotations

import math
from typing import Literal

from voxtempo.networks.blocks import Pooling, Style, conv, pool, space
from voxtempo.networks.fold_time import over_time
from voxtempo.networks.keras_seam import Tensor, keras

Convolution = Literal["full", "factorised"]


def kernel_in_time(time: int, kernel: int) -> int:
    """Return the kernel along time: 1 for a single frame, where the rest would only see padding.

    >>> kernel_in_time(20, 3), kernel_in_time(1, 3)
    (3, 1)
    """
    return 1 if time == 1 else kernel


def conv4d(
    x: Tensor,
    filters: int,
    kernel: int = 3,
    time_kernel: int = 3,
    stride: tuple[int, ...] | None = None,
    time_stride: int = 1,
    time_dilation: int = 1,
    bias: bool = False,
) -> Tensor:
    """Convolve over time and space: y[t] is the sum over j of a 3D convolution of x[t + (j - (k - 1) // 2) dilation].

    Parameters
    ----------
    x : (batch, time, x, y, z, channels).
    filters : channels of the result.
    kernel : voxels along each side of the kernel.
    time_kernel : frames of the kernel, k above.
    stride : voxels between results along each axis of space (default: 1).
    time_stride : frames between results; result i is centred on frame i x time_stride.
    time_dilation : frames between the kernel's frames.
    bias : add a bias to each channel.

    Returns
    -------
    (batch, ceil(time / time_stride), ceil(x / stride), ..., filters).
    """
    shifted = _shifts(x, kernel_in_time(x.shape[1], time_kernel), time_stride, time_dilation)
    return over_time(lambda volume: conv(volume, filters, kernel, stride, bias), shifted)


def _shifts(x: Tensor, kernel: int, stride: int, dilation: int) -> Tensor:
    """Return the frames that each result needs, side by side as channels: (batch, results, x, y, z, kernel x channels)."""
    time = x.shape[1]
    if kernel == 1:
        return x if stride == 1 else x[:, ::stride]
    before = (kernel - 1) // 2 * dilation
    padded = keras.ops.pad(x, [(0, 0), (before, (kernel - 1) * dilation - before), *[(0, 0)] * 4])
    first = [j * dilation for j in range(kernel)]
    return keras.ops.concatenate([padded[:, at : at + time : stride] for at in first], axis=-1)


def conv_time(
    x: Tensor, filters: int, kernel: int = 3, stride: int = 1, dilation: int = 1, bias: bool = False
) -> Tensor:
    """Convolve over time alone, at every voxel by itself: a kernel of 1x1x1 voxels and ``kernel`` frames.

    Frames by voxels are a picture to the framework, so this is one 2D convolution. Parameters and result as ``conv4d``.
    """
    time = x.shape[1]
    kernel = kernel_in_time(time, kernel)
    layer = keras.layers.Conv2D(
        filters,
        (kernel, 1),
        dilation_rate=(dilation, 1),
        padding="same",
        use_bias=bias,
        kernel_initializer="he_normal",
    )
    y = layer(keras.ops.reshape(x, (-1, time, math.prod(x.shape[2:-1]), x.shape[-1])))
    if stride > 1:
        y = y[:, ::stride]
    return keras.ops.reshape(y, (-1, y.shape[1], *x.shape[2:-1], filters))


def space_time_conv(
    x: Tensor,
    filters: int,
    style: Style,
    convolution: Convolution = "factorised",
    kernel: int = 3,
    time_kernel: int = 3,
    cells: tuple[int, ...] = (1, 1, 1),
    pooling: Pooling = "mean",
) -> Tensor:
    """Convolve over time and space, truly ("full") or in two steps ("factorised").

    Factorised, every volume is convolved in 3D, normalised and activated, and then every voxel over time. That has one
    nonlinearity more, and about ``time_kernel`` times fewer weights and multiplications (Tran et al. 2018, "A closer
    look at spatiotemporal convolutions for action recognition", CVPR, arXiv:1711.11248, with one axis of space more).

    Parameters
    ----------
    cells, pooling : voxels and kind of pooling right after the convolution over space, which spares what follows work.
    x, filters, kernel, time_kernel : as in ``conv4d``.

    Returns
    -------
    (batch, time, x, y, z, filters), neither normalised nor activated.
    """
    bias = style.norm == "none"
    if convolution == "full":
        return pool4d(conv4d(x, filters, kernel, time_kernel, bias=bias), cells, kind=pooling)
    x = pool4d(over_time(lambda volume: conv(volume, filters, kernel, bias=bias), x), cells, kind=pooling)
    return conv_time(normalise_activate(x, style), filters, time_kernel, bias=bias)


def normalise_activate(x: Tensor, style: Style) -> Tensor:
    """Normalise, with statistics over space and time together, and activate.

    Statistics of each volume alone would take away what all of a volume does over time.
    """
    # Few axes are quicker on processors; statistics over the batch need no more than one.
    rows = () if style.norm == "batch" else (math.prod(x.shape[1:-1]),)
    flat = keras.ops.reshape(x, (-1, *rows, x.shape[-1]))
    return style.activate(keras.ops.reshape(style.normalise(flat), (-1, *x.shape[1:])))


def pool4d(x: Tensor, stride: tuple[int, ...], time_stride: int = 1, kind: Pooling = "max") -> Tensor:
    """Pool cells of ``stride`` voxels and ``time_stride`` frames; partial cells at the far edges count too."""
    x = over_time(lambda volume: pool(volume, stride, kind), x)
    if time_stride == 1:
        return x
    sizes = x.shape[2:]
    y = pool(keras.ops.reshape(x, (-1, x.shape[1], math.prod(sizes[:-1]), sizes[-1])), (time_stride, 1), kind)
    return keras.ops.reshape(y, (-1, y.shape[1], *sizes))


def describe_series(x: Tensor, style: Style, grid: int, time_grid: int, features: int, dropout: float = 0.0) -> Tensor:
    """Average the map over a coarse grid of space and of time, and describe the cells by an activated vector.

    A grid of 1 forgets where things are, a time grid of 1 when they are: after it, two events tell their order only if
    the convolutions have seen both at once.

    Parameters
    ----------
    x : (batch, time, x, y, z, channels).
    style : its activation follows the dense layer.
    grid : cells along each axis of space at most.
    time_grid : cells along time at most.
    features : size of the vector.
    dropout : share of the cells' channels that is dropped in training.

    Returns
    -------
    (batch, features).
    """
    stride = tuple(math.ceil(n / grid) for n in space(x)[1:])
    cells = keras.layers.Flatten()(pool4d(x, stride, math.ceil(x.shape[1] / time_grid), "mean"))
    if dropout > 0:
        cells = keras.layers.Dropout(dropout)(cells)
    return style.activate(keras.layers.Dense(features, kernel_initializer="he_normal")(cells))
