"""SegResNet: an encoder with many residual units and a slender decoder."""

from __future__ import annotations

from voxtempo.levels import Axes, fitting_depth, plan_levels
from voxtempo.networks.blocks import Activation, Norm, Style, conv, drop_channels, preactivation_unit, space
from voxtempo.networks.card import Features, network
from voxtempo.networks.decoder import decode, encode, joined
from voxtempo.networks.keras_seam import Tensor
from voxtempo.networks.options import Count, Share, Widths
from voxtempo.networks.resize import Interpolation

SOURCE = (
    "Myronenko 2018, 3D MRI brain tumor segmentation using autoencoder regularization, BrainLes, arXiv:1810.11654 "
    "(without its autoencoder branch)"
)


@network(
    "segresnet2d",
    input="slice",
    tasks=("segment", "classify", "regress"),
    summary="Deep residual encoder and slender decoder for slices, without the paper's autoencoder branch.",
    source=SOURCE,
)
@network(
    "segresnet3d",
    input="volume",
    tasks=("segment", "classify", "regress"),
    summary="Deep residual encoder and slender decoder for volumes, without the paper's autoencoder branch.",
    source=SOURCE,
)
def segresnet(
    inputs: Tensor,
    *,
    width: Count = 16,
    max_width: Count = 320,
    units: Widths = (1, 2, 2, 4),
    decoder_units: Count = 1,
    dropout: Share = 0.0,
    upsampling: Interpolation = "linear",
    deep_supervision: bool = False,
    norm: Norm = "instance",
    activation: Activation = "relu",
) -> Features:
    """Residual units with pre-activation, strided convolutions between levels, and sums with the encoder on the way back.

    Parameters
    ----------
    inputs : (batch, x, y[, z], channels); z may be 1.
    width : channels of the finest level; each coarser one has twice as many. The paper has 32.
    max_width : no level is wider.
    units : residual units of every level of the encoder; its length is the number of levels, fewer if the input is small.
    decoder_units : residual units of every level of the decoder.
    dropout : share of the first convolution's channels dropped in training. The paper has 0.2.
    upsampling : "nearest" or "linear"; a 1x1 convolution before it halves the channels.
    deep_supervision : in training, the decoder's coarser maps are compared with the truth too.
    norm, activation : of every unit; instance normalisation takes the place of the paper's normalisation over groups.

    Returns
    -------
    Features with one level a scale and the decoded map.

    Notes
    -----
    The paper's second decoder, a variational autoencoder that paints the input again to regularise the encoder, is left
    out.

    References
    ----------
    Myronenko 2018, "3D MRI brain tumor segmentation using autoencoder regularization", BrainLes, arXiv:1810.11654.
    """
    style = Style(norm, activation)
    depth = fitting_depth(space(inputs), len(units))
    strides, widths = plan_levels(space(inputs), width, None, max_width, depth)

    remaining = iter(units)

    def repeat(x: Tensor, count: int) -> Tensor:
        for _ in range(count):
            x = preactivation_unit(x, x.shape[-1], style)
        return x

    def stage(x: Tensor, filters: int, stride: Axes | None) -> Tensor:
        x = conv(x, filters, stride=stride, bias=norm == "none")
        return repeat(drop_channels(x, dropout) if stride is None else x, next(remaining))

    def join(x: Tensor, level: Tensor) -> Tensor:
        return repeat(joined(x, level, upsampling, "add"), decoder_units)

    def finish(x: Tensor) -> Tensor:
        return style.activate(style.normalise(x))

    levels = encode(inputs, strides, widths, stage)
    features = decode(levels, join, deep_supervision)
    return Features(
        levels=(*levels[:-1], finish(levels[-1])),
        dense=finish(features.dense),
        deep=tuple(map(finish, features.deep)),
    )
