"""Operations and kept values of U-Nets and residual networks, counted convolution by convolution without building them.

A value is one number of a map that comes out of a convolution, normalisation, activation, pooling, sum, joining or
enlargement: what training keeps for the way back, up to a factor (see ``estimate.memory_mb``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from voxtempo.levels import Axes, kernel_along, levels_wanted, plan_stem, stride_along, strided

WIDEST = {2: 512, 3: 320}


@dataclass
class Tally:
    """What has been counted so far, for a forward pass of one sample.

    Parameters
    ----------
    maps_of_block : maps that follow every convolution of a block: its activation, and its normalisation if it has one.
    """

    maps_of_block: int = 2
    operations: float = 0.0
    values: float = 0.0

    def keep(self, sizes: Axes, channels: int, maps: int = 1) -> None:
        """Count maps."""
        self.values += maps * math.prod(sizes) * channels

    def conv(self, sizes: Axes, inputs: int, outputs: int, kernel: int | Axes = 3, stride: Axes | None = None) -> Axes:
        """Count a convolution with "same" padding (a product and a sum for each tap), and return the sizes after it.

        >>> tally = Tally()
        >>> tally.conv((8, 6), 3, 5, stride=(2, 2)), tally.operations, tally.values
        ((4, 3), 3240.0, 60.0)
        """
        after = strided(sizes, stride) if stride is not None else sizes
        self.operations += 2.0 * math.prod(kernel_along(sizes, kernel)) * math.prod(after) * inputs * outputs
        self.keep(after, outputs)
        return after

    def block(self, sizes: Axes, inputs: int, outputs: int, kernel: int | Axes = 3, stride: Axes | None = None) -> Axes:
        """Count a convolution with its normalisation and activation, and return the sizes after it."""
        after = self.conv(sizes, inputs, outputs, kernel, stride)
        self.keep(after, outputs, self.maps_of_block)
        return after

    def shortcut(self, sizes: Axes, inputs: int, outputs: int, stride: Axes | None) -> None:
        """Count the way around a residual unit: pooling, a 1x1 convolution where the channels change, the sum."""
        if stride is not None and max(stride) > 1:
            sizes = strided(sizes, stride)
            self.keep(sizes, inputs)
        if inputs != outputs:
            self.conv(sizes, inputs, outputs, 1)
        self.keep(sizes, outputs)

    def merge(self, sizes: Axes, levels: Sequence[Axes], widths: Sequence[int], outputs: int) -> None:
        """Count the light decoder of an encoder that has none, and its logits on a grid of ``sizes``."""
        width = max(16, widths[0])
        for level, filters in zip(levels, widths, strict=True):
            self.conv(level, filters, width, 1)
            self.keep(level, width, 2)
        self.block(levels[0], width, width)
        self.conv(levels[0], width, outputs, 1)
        self.keep(sizes, outputs)


def unet_cost(
    sizes: Axes,
    channels: int,
    outputs: int,
    *,
    decoded: bool = True,
    width: int = 16,
    widths: Sequence[int] | None = None,
    max_width: int | None = None,
    depth: int | None = None,
    kernels: Sequence[Axes] | None = None,
    strides: Sequence[Axes] | None = None,
    convolutions: int = 2,
    residual: bool = True,
    units: Sequence[int] | None = None,
    decoder: str = "as_encoder",
    decoder_convolutions: int | None = None,
    skip: str = "concatenate",
    upsampling: str = "nearest",
    deep_supervision: bool = False,
    norm: str = "instance",
    activation: str = "leaky_relu",
) -> Tally:
    """Return the cost of unet2d or unet3d with these options, defaults as there.

    Parameters
    ----------
    sizes : voxels along the axes of space (2 or 3).
    channels : of the input.
    outputs : logits a voxel.
    decoded : whether there is a decoder; classifiers have none.

    Raises
    ------
    StudyError : the options contradict each other or do not fit the sizes.
    """
    tally = Tally(1 if norm == "none" else 2)
    given = None if strides is None else tuple(map(tuple, strides))
    wide = None if kernels is None else tuple(map(tuple, kernels))
    lists = {name: tuple(values) for name, values in (("widths", widths), ("units", units)) if values}
    into = levels_wanted(sizes, depth, given, wide, **lists)
    widest = max_width or WIDEST[len(sizes)]
    widths = widths or [min(width * 2**level, widest) for level in range(len(into) + 1)]

    def stage(at: Axes, inputs: int, level: int, stride: Axes | None, count: int, residual: bool) -> Axes:
        kernel, filters, before, before_channels = wide[level] if wide else 3, widths[level], at, inputs
        for i in range(count):
            at = tally.block(at, inputs, filters, kernel, stride if i == 0 else None)
            inputs = filters
        if residual and count:
            tally.shortcut(before, before_channels, filters, stride)
        return at

    levels: list[Axes] = []
    at, inputs = sizes, channels
    for level, stride in enumerate((None, *into)):
        for unit in range(units[level] if units else 1):
            at = stage(at, inputs, level, stride if unit == 0 else None, convolutions, residual)
            inputs = widths[level]
        levels.append(at)
    if not decoded:
        return tally
    after = convolutions if decoder_convolutions is None else decoder_convolutions
    for level in reversed(range(len(levels) - 1)):
        here, filters = levels[level], widths[level]
        tally.conv(levels[level + 1], inputs, filters, 1)
        tally.keep(here, filters)
        joined = filters if skip == "add" else 2 * filters
        tally.keep(here, joined)
        stage(here, joined, level, None, after, residual and decoder == "as_encoder")
        inputs = filters if after else joined
    for level in range(max(1, len(levels) - 1) if deep_supervision else 1):
        tally.conv(levels[level], widths[level], outputs, 1)
        tally.keep(levels[level], outputs)
    return tally


def resnet_cost(
    sizes: Axes,
    channels: int,
    outputs: int,
    *,
    decoded: bool = False,
    widths: Sequence[int] = (16, 32, 64, 128),
    units: int = 2,
    strides: int = 2,
    stem_stride: int | None = None,
    norm: str = "batch",
    activation: str = "relu",
) -> Tally:
    """Return the cost of resnet2d or resnet3d with these options, defaults as there; ``decoded``: to segment."""
    tally = Tally(1 if norm == "none" else 2)
    stem = stem_stride or plan_stem(sizes)
    at = tally.conv(sizes, channels, widths[0], max(3, 2 * stem - 1), stride_along(sizes, stem))
    levels: list[Axes] = []
    inputs = widths[0]
    for scale, filters in enumerate(widths):
        for unit in range(units):
            stride = stride_along(at, strides) if scale > 0 and unit == 0 else None
            tally.keep(at, inputs, tally.maps_of_block)
            after = tally.block(at, inputs, filters, 3, stride)
            tally.conv(after, filters, filters)
            tally.shortcut(at, inputs, filters, stride)
            at, inputs = after, filters
        if decoded or scale == len(widths) - 1:
            tally.keep(at, filters, tally.maps_of_block)
        levels.append(at)
    if decoded:
        tally.merge(sizes, levels, widths, outputs)
    return tally


def cnn_cost(
    sizes: Axes,
    channels: int,
    outputs: int,
    *,
    decoded: bool = False,
    widths: Sequence[int] = (16, 32, 64),
    kernel: int = 3,
    grid: int = 4,
    units: int = 64,
    norm: str = "batch",
    activation: str = "relu",
) -> Tally:
    """Return the cost of lightweight_cnn with these options, defaults as there; ``decoded``: to segment."""
    tally = Tally(1 if norm == "none" else 2)
    levels: list[Axes] = []
    at, inputs = sizes, channels
    for filters in widths:
        levels.append(tally.block(at, inputs, filters, kernel))
        at = strided(at, stride_along(at, 2))
        tally.keep(at, filters)
        inputs = filters
    if decoded:
        tally.merge(sizes, levels, widths, outputs)
    else:
        tally.operations += 2.0 * grid ** len(sizes) * inputs * units
    return tally
