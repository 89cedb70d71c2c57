"""Fully convolutional networks: every level of a residual encoder casts a vote, and the votes are enlarged and added."""

from __future__ import annotations

from voxtempo.networks.blocks import Activation, Norm, Style, conv, space
from voxtempo.networks.card import Features, network
from voxtempo.networks.decoder import decode
from voxtempo.networks.dilated_encoder import encode_dilated
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.options import Count, Widths
from voxtempo.networks.resize import resize

SOURCE = (
    "Long, Shelhamer, Darrell 2015, Fully convolutional networks for semantic segmentation, CVPR, arXiv:1411.4038; "
    "residual as in DLTK (Pawlowski et al. 2017, arXiv:1711.06853)"
)


@network(
    "fcn2d",
    input="slice",
    tasks=("segment", "classify", "regress"),
    summary="Fully convolutional residual network for slices: the votes of all scales are added.",
    source=SOURCE,
)
@network(
    "fcn3d",
    input="volume",
    tasks=("segment", "classify", "regress"),
    summary="Fully convolutional residual network for volumes: the votes of all scales are added.",
    source=SOURCE,
)
def fcn(
    inputs: Tensor,
    *,
    widths: Widths = (16, 32, 64, 128),
    units: Count = 2,
    votes: Count = 16,
    deep_supervision: bool = False,
    norm: Norm = "instance",
    activation: Activation = "relu",
) -> Features:
    """Residual units and strides; a 1x1 convolution of every level, enlarged linearly and added to the next finer one.

    Parameters
    ----------
    inputs : (batch, x, y[, z], channels); z may be 1.
    widths : channels of every level, from fine to coarse.
    units : residual units with pre-activation a level.
    votes : channels of what is added up. A paper's vote is one number a label; here the head makes labels of the sum,
        which is the same for as many votes as labels, and more can say more.
    deep_supervision : in training, the sums of the coarser votes are compared with the truth too.
    norm, activation : of every unit.

    Returns
    -------
    Features with one level a scale and the sum of the votes.

    References
    ----------
    Long, Shelhamer, Darrell 2015, "Fully convolutional networks for semantic segmentation", CVPR, arXiv:1411.4038;
    residual encoder and sum of all scales: Pawlowski et al. 2017, "DLTK", arXiv:1711.06853.
    """
    levels = encode_dilated(inputs, widths, units, None, Style(norm, activation))
    cast = [conv(level, votes, kernel=1, bias=True) for level in levels]
    summed = decode(
        cast, lambda x, vote: keras.layers.Add()([resize(x, space(vote), "linear"), vote]), deep_supervision
    )
    return Features(levels=tuple(levels), dense=summed.dense, deep=summed.deep)
