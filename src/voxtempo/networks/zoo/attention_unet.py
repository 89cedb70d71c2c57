"""U-Nets whose skip connections pass attention gates: the plain one, and one that sees its input at several scales."""

from __future__ import annotations

from voxtempo.levels import Axes, plan_levels
from voxtempo.networks.attention_gate import attention_gate
from voxtempo.networks.blocks import (
    Activation,
    Norm,
    Style,
    conv_block,
    conv_blocks,
    drop_channels,
    pool,
    residual_unit,
    space,
)
from voxtempo.networks.card import Features, network
from voxtempo.networks.decoder import decode, encode, joined
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.options import Count, Share, Widths
from voxtempo.networks.resize import Interpolation

SOURCE = "Oktay et al. 2018, Attention U-Net: learning where to look for the pancreas, MIDL, arXiv:1804.03999"
MULTISCALE = (
    "Abraham, Khan 2019, A novel focal Tversky loss function with improved attention U-Net, ISBI, arXiv:1810.07842"
)


@network(
    "attention_unet2d",
    input="slice",
    tasks=("segment", "classify", "regress"),
    summary="U-Net for slices with attention gates on its skip connections.",
    source=SOURCE,
)
@network(
    "attention_unet3d",
    input="volume",
    tasks=("segment", "classify", "regress"),
    summary="U-Net for volumes with attention gates on its skip connections.",
    source=SOURCE,
)
def attention_unet(
    inputs: Tensor,
    *,
    width: Count = 16,
    widths: Widths | None = None,
    max_width: Count = 320,
    depth: Count | None = None,
    convolutions: Count = 2,
    upsampling: Interpolation = "nearest",
    deep_supervision: bool = False,
    norm: Norm = "instance",
    activation: Activation = "leaky_relu",
) -> Features:
    """Convolutions with strides, and a decoder that takes in each level where the coarser map finds it worth it.

    Parameters
    ----------
    inputs : (batch, x, y[, z], channels); z may be 1.
    width : channels of the finest level; each coarser one has twice as many.
    widths : channels of every level, instead of ``width`` and ``depth``.
    max_width : no level is wider.
    depth : number of levels; planned from the input's shape: the median axis is halved while it keeps 4 voxels.
    convolutions : convolutions a level, in the encoder and in the decoder.
    upsampling : "nearest" (fastest) or "linear"; a 1x1 convolution before it halves the channels.
    deep_supervision : in training, the decoder's coarser maps are compared with the truth too.
    norm, activation : of every convolution; the leaky slope is 0.01.

    Returns
    -------
    Features with one level a scale and the decoded map.

    References
    ----------
    Oktay et al. 2018, "Attention U-Net: learning where to look for the pancreas", MIDL, arXiv:1804.03999.
    """
    style = Style(norm, activation)
    strides, widths = plan_levels(space(inputs), width, widths, max_width, depth)

    def stage(x: Tensor, filters: int, stride: Axes | None = None) -> Tensor:
        return conv_blocks(x, filters, style, convolutions, stride)

    def join(x: Tensor, level: Tensor) -> Tensor:
        return stage(joined(x, attention_gate(level, x, style), upsampling), level.shape[-1])

    return decode(encode(inputs, strides, widths, stage), join, deep_supervision)


@network(
    "attention_multiscale_unet2d",
    input="slice",
    tasks=("segment",),
    summary="Residual U-Net for slices that sees them at every scale, with attention gates and deep supervision.",
    source=MULTISCALE,
)
@network(
    "attention_multiscale_unet3d",
    input="volume",
    tasks=("segment",),
    summary="Residual U-Net for volumes that sees them at every scale, with attention gates and deep supervision.",
    source=MULTISCALE,
)
def attention_multiscale_unet(
    inputs: Tensor,
    *,
    width: Count = 16,
    widths: Widths | None = None,
    max_width: Count = 320,
    depth: Count | None = None,
    convolutions: Count = 2,
    dropout: Share = 0.1,
    upsampling: Interpolation = "nearest",
    deep_supervision: bool = True,
    norm: Norm = "instance",
    activation: Activation = "leaky_relu",
) -> Features:
    """Residual units; the averaged input beside every coarser level; gates on the way back; answers at every scale.

    Parameters
    ----------
    inputs : (batch, x, y[, z], channels); z may be 1.
    width : channels of the finest level; each coarser one has twice as many.
    widths : channels of every level, instead of ``width`` and ``depth``.
    max_width : no level is wider.
    depth : number of levels; planned from the input's shape: the median axis is halved while it keeps 4 voxels.
    convolutions : convolutions of a residual unit; one unit a level, in the encoder and in the decoder.
    dropout : share of channels dropped after every level but the finest, encoder and decoder, in training. Called with
        ``training=True`` the network draws another sample of its answers (Monte Carlo dropout); instance
        normalisation, unlike that over the batch, is the same in both.
    upsampling : "nearest" (fastest) or "linear"; a 1x1 convolution before it halves the channels.
    deep_supervision : in training, the decoder's coarser maps are compared with the truth too.
    norm, activation : of every convolution; the leaky slope is 0.01.

    Returns
    -------
    Features with one level a scale and the decoded map.

    References
    ----------
    Abraham, Khan 2019, "A novel focal Tversky loss function with improved attention U-Net for lesion segmentation",
    ISBI, arXiv:1810.07842; dropout of whole channels: Tompson et al. 2015, CVPR, arXiv:1411.4280; its use after
    training: Gal, Ghahramani 2016, "Dropout as a Bayesian approximation", ICML, arXiv:1506.02142.
    """
    style = Style(norm, activation)
    strides, widths = plan_levels(space(inputs), width, widths, max_width, depth)

    picture = inputs

    def stage(x: Tensor, filters: int, stride: Axes | None) -> Tensor:
        nonlocal picture
        if stride is None:
            return residual_unit(x, filters, style, convolutions=convolutions)
        picture = pool(picture, stride, "mean")
        x = keras.layers.Concatenate()([pool(x, stride), conv_block(picture, filters // 2 or 1, style)])
        return drop_channels(residual_unit(x, filters, style, convolutions=convolutions), dropout)

    def join(x: Tensor, level: Tensor) -> Tensor:
        x = joined(x, attention_gate(level, x, style), upsampling)
        x = residual_unit(x, level.shape[-1], style, convolutions=convolutions)
        return x if level is levels[0] else drop_channels(x, dropout)

    levels = encode(inputs, strides, widths, stage)
    return decode(levels, join, deep_supervision)
