"""Convolution, normalisation, activation, pooling and residual units for one, two or three axes of space.

Every block reads the number of spatial axes from its input, (batch, *space, channels), and leaves axes alone that are
too small: an axis of one voxel (a slice kept as a volume) gets kernels of one voxel, and nothing strides along an axis
that would fall below ``smallest`` voxels. So one graph serves volumes, thin slabs and z = 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from voxtempo.levels import kernel_along
from voxtempo.networks.keras_seam import Tensor, keras

Norm = Literal["batch", "instance", "none"]
Activation = Literal["relu", "leaky_relu", "elu", "gelu", "silu"]
Pooling = Literal["max", "mean"]


@dataclass(frozen=True)
class Style:
    """How every block of one network normalises and activates."""

    norm: Norm = "instance"
    activation: Activation = "leaky_relu"
    slope: float = 0.01

    def normalise(self, x: Tensor) -> Tensor:
        """Normalise over the batch and space ("batch"), over space alone ("instance"), or not at all."""
        if self.norm == "batch":
            return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)
        if self.norm == "instance":
            from voxtempo.networks.instance_norm import InstanceNorm

            return InstanceNorm()(x)
        return x

    def activate(self, x: Tensor) -> Tensor:
        """Apply the activation; the leaky one has ``slope`` below zero."""
        if self.activation == "leaky_relu":
            return keras.layers.LeakyReLU(negative_slope=self.slope)(x)
        return keras.layers.Activation(self.activation)(x)


def space(x: Tensor) -> tuple[int, ...]:
    """Return the sizes of the spatial axes."""
    return tuple(x.shape[1:-1])


def dilation_along(sizes: tuple[int, ...], dilation: int) -> tuple[int, ...]:
    """Return the dilation for each axis: no more than reaches from the first voxel to the last.

    >>> dilation_along((64, 5, 1), 6)
    (6, 4, 1)
    """
    return tuple(max(1, min(dilation, n - 1)) for n in sizes)


def conv(
    x: Tensor,
    filters: int,
    kernel: int | tuple[int, ...] = 3,
    stride: tuple[int, ...] | None = None,
    bias: bool = False,
    dilation: int = 1,
) -> Tensor:
    """Convolve with "same" padding, He-normal weights; ``stride`` has one number an axis (default: 1).

    ``dilation`` is the distance between the voxels that a kernel sees; it excludes a stride.
    """
    sizes = space(x)
    layer = {1: keras.layers.Conv1D, 2: keras.layers.Conv2D, 3: keras.layers.Conv3D}[len(sizes)]
    return layer(
        filters,
        kernel_along(sizes, kernel),
        strides=stride or (1,) * len(sizes),
        padding="same",
        dilation_rate=dilation_along(sizes, dilation),
        use_bias=bias,
        kernel_initializer="he_normal",
    )(x)


def conv_block(
    x: Tensor,
    filters: int,
    style: Style,
    stride: tuple[int, ...] | None = None,
    kernel: int | tuple[int, ...] = 3,
    dilation: int = 1,
) -> Tensor:
    """Convolution, normalisation, activation."""
    x = conv(x, filters, kernel, stride, bias=style.norm == "none", dilation=dilation)
    return style.activate(style.normalise(x))


def conv_blocks(
    x: Tensor,
    filters: int,
    style: Style,
    count: int,
    stride: tuple[int, ...] | None = None,
    kernel: int | tuple[int, ...] = 3,
) -> Tensor:
    """``count`` blocks one after another; the first strides."""
    for i in range(count):
        x = conv_block(x, filters, style, stride if i == 0 else None, kernel)
    return x


def drop_channels(x: Tensor, share: float) -> Tensor:
    """Drop whole channels in training (Tompson et al. 2015, CVPR, arXiv:1411.4280); none if the share is 0."""
    together = (None, *[1] * len(space(x)), x.shape[-1])
    return keras.layers.Dropout(share, noise_shape=together)(x) if share > 0 else x


def pool(x: Tensor, stride: tuple[int, ...], kind: Pooling = "max") -> Tensor:
    """Pool cells of ``stride`` voxels; partial cells at the far edge count too.

    Means are float32 whatever the compute precision: PyTorch has no other for volumes on processors.
    """
    if max(stride) == 1:
        return x
    axes = len(stride)
    if kind == "max":
        layer = (keras.layers.MaxPooling1D, keras.layers.MaxPooling2D, keras.layers.MaxPooling3D)[axes - 1]
        return layer(stride, strides=stride, padding="same")(x)
    layer = (keras.layers.AveragePooling1D, keras.layers.AveragePooling2D, keras.layers.AveragePooling3D)[axes - 1]
    missing = [-n % s for n, s in zip(space(x), stride, strict=True)]
    if max(missing) < 2:
        return layer(stride, strides=stride, padding="same", dtype="float32")(x)
    # PyTorch's "same" is another than TensorFlow's where a cell lacks more than one voxel, so the edges are made here.
    before = [m // 2 for m in missing]
    edges = [(0, 0), *((b, m - b) for b, m in zip(before, missing, strict=True)), (0, 0)]
    cells = layer(stride, strides=stride, dtype="float32")(keras.ops.pad(keras.ops.cast(x, "float32"), edges))
    return keras.ops.multiply(cells, _whole_to_partial(space(x), stride, before)[None, ..., None])


def _whole_to_partial(sizes: tuple[int, ...], stride: tuple[int, ...], before: list[int]) -> NDArray[np.float32]:
    """Return for every cell the voxels of a whole cell over its own: what a mean over a whole cell's voxels lacks."""
    factors = np.ones((), dtype=np.float32)
    for n, s, b in zip(sizes, stride, before, strict=True):
        own = np.bincount((np.arange(n) + b) // s, minlength=-(-n // s))
        factors = np.multiply.outer(factors, (s / own).astype(np.float32))
    return factors


def pool_to_vector(x: Tensor, grid: int = 1) -> Tensor:
    """Average the map over a coarse grid of at most ``grid`` cells along each axis and flatten it.

    A grid of 1 is global average pooling, which forgets where things are; a finer grid keeps it, at the price of a
    vector that is as many times longer.

    Returns
    -------
    (batch, cells x channels).
    """
    if grid > 1:
        x = pool(x, tuple(math.ceil(n / grid) for n in space(x)), "mean")
        return keras.layers.Flatten()(x)
    return keras.ops.mean(x, axis=list(range(1, len(x.shape) - 1)))


def _shortcut(x: Tensor, filters: int, stride: tuple[int, ...] | None) -> Tensor:
    if stride is not None:
        x = pool(x, stride, "mean")
    return x if x.shape[-1] == filters else conv(x, filters, kernel=1)


def residual_unit(
    x: Tensor,
    filters: int,
    style: Style,
    stride: tuple[int, ...] | None = None,
    convolutions: int = 2,
    kernel: int | tuple[int, ...] = 3,
) -> Tensor:
    """Residual unit with the activation after the sum (He et al. 2016, "Deep residual learning", CVPR).

    The shortcut is the identity, or average pooling and a 1x1 convolution where the size or the width changes (He et
    al. 2019, "Bag of tricks", CVPR).
    """
    y = x
    for i in range(convolutions):
        y = conv(y, filters, kernel, stride if i == 0 else None, bias=style.norm == "none")
        y = style.normalise(y)
        if i < convolutions - 1:
            y = style.activate(y)
    return style.activate(keras.layers.Add()([y, _shortcut(x, filters, stride)]))


def preactivation_unit(
    x: Tensor, filters: int, style: Style, stride: tuple[int, ...] | None = None, dilation: int = 1
) -> Tensor:
    """Residual unit of two convolutions, each after its normalisation and activation, with a clean identity path.

    A ``dilation`` widens what both see; it excludes a stride.

    He et al. 2016, "Identity mappings in deep residual networks", ECCV, arXiv:1603.05027.
    """
    bias = style.norm == "none"
    y = style.activate(style.normalise(x))
    y = conv(y, filters, stride=stride, bias=bias, dilation=dilation)
    y = style.activate(style.normalise(y))
    y = conv(y, filters, bias=bias, dilation=dilation)
    return keras.layers.Add()([y, _shortcut(x, filters, stride)])
