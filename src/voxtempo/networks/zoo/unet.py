"""U-Nets for slices and volumes: plain or with residual units, as deep as the input's shape allows."""

from __future__ import annotations

import math
import statistics
from typing import Literal

from voxtempo.errors import StudyError
from voxtempo.networks.blocks import (
    Activation,
    Norm,
    Style,
    conv,
    conv_block,
    residual_unit,
    space,
    stride_along,
    strided,
)
from voxtempo.networks.card import Features, network
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.options import Count, Widths
from voxtempo.networks.resize import Interpolation, resize

Skip = Literal["concatenate", "add"]
SOURCE = (
    "Ronneberger, Fischer, Brox 2015, U-Net, MICCAI, arXiv:1505.04597; Cicek et al. 2016, 3D U-Net, arXiv:1606.06650; "
    "residual encoder: Isensee et al. 2024, nnU-Net revisited, arXiv:2404.09556"
)
MAX_DEPTH = 6
COARSEST = 4


def plan_depth(sizes: tuple[int, ...]) -> int:
    """Return how many levels fit: the median axis is halved while it keeps 4 voxels; axes of one voxel do not count.

    >>> plan_depth((48, 64, 48)), plan_depth((256, 256, 20)), plan_depth((192, 192)), plan_depth((64, 64, 1))
    (4, 6, 6, 5)
    """
    halvings = []
    for n in (n for n in sizes if n > 1):
        count = 0
        while n >= 2 * COARSEST:
            n = math.ceil(n / 2)
            count += 1
        halvings.append(count)
    return min(MAX_DEPTH, 1 + int(statistics.median_low(halvings))) if halvings else 1


def plan_strides(sizes: tuple[int, ...], depth: int | None) -> list[tuple[int, ...]]:
    """Return the stride into each level after the first.

    A planned depth keeps at least 4 voxels along an axis, a depth that was asked for keeps at least 2.

    Raises
    ------
    StudyError : no axis is large enough for so many levels.
    """
    smallest = COARSEST if depth is None else 2
    levels = depth or plan_depth(sizes)
    strides: list[tuple[int, ...]] = []
    at = sizes
    for level in range(1, levels):
        stride = stride_along(at, 2, smallest)
        if max(stride) == 1:
            raise StudyError(
                f"A U-Net of {levels} levels does not fit an input of {' x '.join(map(str, sizes))}: "
                f"level {level} has {' x '.join(map(str, at))}. Give a depth of at most {level}, or a larger sample."
            )
        strides.append(stride)
        at = strided(at, stride)
    return strides


def _unet(
    inputs: Tensor,
    width: int,
    widths: tuple[int, ...] | None,
    max_width: int,
    depth: int | None,
    convolutions: int,
    residual: bool,
    skip: Skip,
    upsampling: Interpolation,
    style: Style,
) -> Features:
    if widths is not None and depth is not None and depth != len(widths):
        raise StudyError(f"U-Net: depth is {depth}, but 'widths' has {len(widths)} values. Give one of the two.")
    strides = plan_strides(space(inputs), len(widths) if widths is not None else depth)
    widths = widths or tuple(min(width * 2**level, max_width) for level in range(len(strides) + 1))

    def stage(x: Tensor, filters: int, stride: tuple[int, ...] | None) -> Tensor:
        if residual:
            return residual_unit(x, filters, style, stride, convolutions)
        for i in range(convolutions):
            x = conv_block(x, filters, style, stride if i == 0 else None)
        return x

    levels = [stage(inputs, widths[0], None)]
    for filters, stride in zip(widths[1:], strides, strict=True):
        levels.append(stage(levels[-1], filters, stride))
    x = levels[-1]
    for level in reversed(levels[:-1]):
        filters = level.shape[-1]
        x = resize(conv(x, filters, kernel=1), space(level), upsampling)
        join = keras.layers.Add() if skip == "add" else keras.layers.Concatenate()
        x = stage(join([x, level]), filters, None)
    return Features(levels=tuple(levels), dense=x)


@network(
    "unet2d",
    input="slice",
    tasks=("segment", "classify", "regress"),
    summary="U-Net for slices, plain or with residual units.",
    source=SOURCE,
)
def unet2d(
    inputs: Tensor,
    *,
    width: Count = 16,
    widths: Widths | None = None,
    max_width: Count = 512,
    depth: Count | None = None,
    convolutions: Count = 2,
    residual: bool = True,
    skip: Skip = "concatenate",
    upsampling: Interpolation = "nearest",
    norm: Norm = "instance",
    activation: Activation = "leaky_relu",
) -> Features:
    """Encoder and decoder joined at every level.

    Parameters
    ----------
    inputs : (batch, x, y, channels).
    width : channels of the finest level; each coarser one has twice as many.
    widths : channels of every level, instead of ``width`` and ``depth``.
    max_width : no level is wider.
    depth : number of levels; planned from the input's shape: the median axis is halved while it keeps 4 pixels.
    convolutions : convolutions a level, in the encoder and in the decoder.
    residual : add a shortcut around the convolutions of each level.
    skip : how the decoder takes in the encoder's map; "add" halves the cost of the finest level's first convolution.
    upsampling : "nearest" (fastest) or "linear"; a 1x1 convolution before it halves the channels.
    norm, activation : of every convolution; the leaky slope is 0.01.

    Returns
    -------
    Features with one level a scale and the decoded map.

    References
    ----------
    Ronneberger, Fischer, Brox 2015, "U-Net", MICCAI, arXiv:1505.04597; Isensee et al. 2024, "nnU-Net revisited",
    MICCAI, arXiv:2404.09556 (strided convolutions, instance norm, leaky ReLU, residual units).
    """
    style = Style(norm, activation)
    return _unet(inputs, width, widths, max_width, depth, convolutions, residual, skip, upsampling, style)


@network(
    "unet3d",
    input="volume",
    tasks=("segment", "classify", "regress"),
    summary="U-Net for volumes, plain or with residual units.",
    source=SOURCE,
)
def unet3d(
    inputs: Tensor,
    *,
    width: Count = 16,
    widths: Widths | None = None,
    max_width: Count = 320,
    depth: Count | None = None,
    convolutions: Count = 2,
    residual: bool = True,
    skip: Skip = "concatenate",
    upsampling: Interpolation = "nearest",
    norm: Norm = "instance",
    activation: Activation = "leaky_relu",
) -> Features:
    """Encoder and decoder joined at every level.

    Parameters
    ----------
    inputs : (batch, x, y, z, channels); z may be 1.
    width : channels of the finest level; each coarser one has twice as many.
    widths : channels of every level, instead of ``width`` and ``depth``.
    max_width : no level is wider.
    depth : number of levels; planned from the input's shape: the median axis is halved while it keeps 4 voxels, and
        shorter axes stop earlier.
    convolutions : convolutions a level, in the encoder and in the decoder.
    residual : add a shortcut around the convolutions of each level.
    skip : how the decoder takes in the encoder's map; "add" halves the cost of the finest level's first convolution.
    upsampling : "nearest" (fastest) or "linear"; a 1x1 convolution before it halves the channels.
    norm, activation : of every convolution; the leaky slope is 0.01.

    Returns
    -------
    Features with one level a scale and the decoded map.

    References
    ----------
    Cicek et al. 2016, "3D U-Net", MICCAI, arXiv:1606.06650; Isensee et al. 2024, "nnU-Net revisited", MICCAI,
    arXiv:2404.09556 (strided convolutions, instance norm, leaky ReLU, residual units).
    """
    style = Style(norm, activation)
    return _unet(inputs, width, widths, max_width, depth, convolutions, residual, skip, upsampling, style)
