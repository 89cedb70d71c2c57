"""U-Nets for slices and volumes: plain or with residual units, as deep as the input's shape allows."""

from __future__ import annotations

from typing import Literal

from voxtempo.levels import levels_wanted
from voxtempo.networks.blocks import Activation, Norm, Style, conv_blocks, residual_unit, space
from voxtempo.networks.card import Features, network
from voxtempo.networks.decoder import Skip, decode, joined
from voxtempo.networks.keras_seam import Tensor
from voxtempo.networks.options import AnyCount, Count, Widths
from voxtempo.networks.resize import Interpolation

Axes = tuple[Count, ...]
Decoder = Literal["as_encoder", "plain"]
WIDEST = {2: 512, 3: 320}
SOURCE = (
    "Ronneberger, Fischer, Brox 2015, U-Net, MICCAI, arXiv:1505.04597; Cicek et al. 2016, 3D U-Net, arXiv:1606.06650; "
    "residual encoder: Isensee et al. 2024, nnU-Net revisited, arXiv:2404.09556"
)


@network(
    "unet2d",
    input="slice",
    tasks=("segment", "classify", "regress"),
    summary="U-Net for slices, plain or with residual units.",
    source=SOURCE,
)
@network(
    "unet3d",
    input="volume",
    tasks=("segment", "classify", "regress"),
    summary="U-Net for volumes, plain or with residual units.",
    source=SOURCE,
)
def unet(
    inputs: Tensor,
    *,
    width: Count = 16,
    widths: Widths | None = None,
    max_width: Count | None = None,
    depth: Count | None = None,
    kernels: tuple[Axes, ...] | None = None,
    strides: tuple[Axes, ...] | None = None,
    convolutions: Count = 2,
    residual: bool = True,
    units: Widths | None = None,
    decoder: Decoder = "as_encoder",
    decoder_convolutions: AnyCount | None = None,
    skip: Skip = "concatenate",
    upsampling: Interpolation = "nearest",
    deep_supervision: bool = False,
    norm: Norm = "instance",
    activation: Activation = "leaky_relu",
) -> Features:
    """Encoder and decoder joined at every level.

    Parameters
    ----------
    inputs : (batch, x, y[, z], channels); z may be 1.
    width : channels of the finest level; each coarser one has twice as many.
    widths : channels of every level, instead of ``width`` and ``depth``.
    max_width : no level is wider; 512 for slices, 320 for volumes.
    depth : number of levels; planned from the input's shape: the median axis is halved while it keeps 4 voxels, and
        shorter axes stop earlier.
    kernels : (x, y[, z]) voxels of the kernels of every level; default 3 along each axis. For thick slices the first
        levels are better 3 x 3 x 1: a neighbour several millimetres away says little.
    strides : (x, y[, z]) stride into every level but the first; planned: 2 along axes that are large enough. For thick
        slices the first are better 2 x 2 x 1.
    convolutions : convolutions a level, in the encoder and in the decoder.
    residual : add a shortcut around the convolutions of each level.
    units : how often each level of the encoder repeats its convolutions; default once.
    decoder : as_encoder, or plain: without shortcuts.
    decoder_convolutions : convolutions a level of the decoder, where it has not as many as the encoder; 0: none.
    skip : how the decoder takes in the encoder's map; "add" halves the cost of the finest level's first convolution.
    upsampling : "nearest" (fastest) or "linear"; a 1x1 convolution before it halves the channels.
    deep_supervision : in training, the decoder's coarser maps are compared with the truth too.
    norm, activation : of every convolution; the leaky slope is 0.01.

    Returns
    -------
    Features with one level a scale and the decoded map.

    Notes
    -----
    nnU-Net's residual encoder is {units: [1, 3, 4, 6, 6, 6], decoder: plain, decoder_convolutions: 1}. DLTK's asymmetric
    residual U-Net, with one residual unit a level in the decoder and several in the encoder, is {units: [1, 3, 3, 3],
    upsampling: linear}; its sums without convolutions after them are {skip: add, decoder_convolutions: 0}.

    References
    ----------
    Ronneberger, Fischer, Brox 2015, "U-Net", MICCAI, arXiv:1505.04597; Cicek et al. 2016, "3D U-Net", MICCAI,
    arXiv:1606.06650; Isensee et al. 2024, "nnU-Net revisited", MICCAI, arXiv:2404.09556 (strided convolutions, instance
    norm, leaky ReLU, residual units); asymmetric: Pawlowski et al. 2017, "DLTK", arXiv:1711.06853.
    """
    style, sizes = Style(norm, activation), space(inputs)
    strides = tuple(levels_wanted(sizes, depth, strides, kernels, widths=widths, units=units))
    widest = max_width or WIDEST[len(sizes)]
    widths = widths or tuple(min(width * 2**level, widest) for level in range(len(strides) + 1))
    kernels = kernels or ((3,) * len(sizes),) * len(widths)
    after = convolutions if decoder_convolutions is None else decoder_convolutions

    def stage(x: Tensor, level: int, stride: Axes | None, count: int, residual: bool) -> Tensor:
        if residual and count:
            return residual_unit(x, widths[level], style, stride, count, kernels[level])
        return conv_blocks(x, widths[level], style, count, stride, kernels[level])

    def join(x: Tensor, level: Tensor) -> Tensor:
        place = next(place for place, finer in enumerate(levels) if finer is level)
        return stage(joined(x, level, upsampling, skip), place, None, after, residual and decoder == "as_encoder")

    levels: list[Tensor] = []
    x = inputs
    for level, stride in enumerate((None, *strides)):
        for unit in range(units[level] if units else 1):
            x = stage(x, level, stride if unit == 0 else None, convolutions, residual)
        levels.append(x)
    return decode(levels, join, deep_supervision)
