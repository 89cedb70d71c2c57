"""Pyramid scene parsing: every voxel is told what whole quarters, ninths and more of the picture look like."""

from __future__ import annotations

from voxtempo.networks.blocks import Activation, Norm, Style, conv, conv_block, space
from voxtempo.networks.card import Features, network
from voxtempo.networks.dilated_encoder import encode_dilated
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.options import Count, Widths
from voxtempo.networks.resize import average_to, resize

SOURCE = "Zhao et al. 2017, Pyramid scene parsing network, CVPR, arXiv:1612.01105"


@network(
    "pspnet2d",
    input="slice",
    tasks=("segment", "classify", "regress"),
    summary="Dilated residual encoder for slices with averages over a pyramid of regions.",
    source=SOURCE,
)
@network(
    "pspnet3d",
    input="volume",
    tasks=("segment", "classify", "regress"),
    summary="Dilated residual encoder for volumes with averages over a pyramid of regions.",
    source=SOURCE,
)
def pspnet(
    inputs: Tensor,
    *,
    widths: Widths = (16, 32, 64, 128),
    units: Count = 2,
    output_stride: Count = 4,
    bins: Widths = (1, 2, 3, 6),
    deep_supervision: bool = False,
    norm: Norm = "instance",
    activation: Activation = "relu",
) -> Features:
    """An encoder with dilated kernels, averages of its last map over coarse grids beside it, one convolution, a resize.

    Parameters
    ----------
    inputs : (batch, x, y[, z], channels); z may be 1.
    widths : channels of every level, from fine to coarse.
    units : residual units with pre-activation a level.
    output_stride : voxels of the input along one of the coarsest grid; later levels dilate. The paper has 8, for
        photographs of a thousand pixels a side.
    bins : regions along each axis that the last map is averaged over, one pyramid level each.
    deep_supervision : in training, the last level but one is compared with the truth too (the paper's auxiliary loss).
    norm, activation : of every unit. The averages are not normalised: one number has no variance.

    Returns
    -------
    Features with one level a scale and a map on the coarsest level's grid, which the head enlarges linearly.

    References
    ----------
    Zhao et al. 2017, "Pyramid scene parsing network", CVPR, arXiv:1612.01105.
    """
    style = Style(norm, activation)
    levels = encode_dilated(inputs, widths, units, output_stride, style)
    x = levels[-1]
    share = max(1, x.shape[-1] // len(bins))
    regions = [style.activate(conv(average_to(x, cells), share, kernel=1, bias=True)) for cells in bins]
    pyramid = keras.layers.Concatenate()([x, *(resize(region, space(x), "linear") for region in regions)])
    auxiliary = tuple(levels[-2:-1]) if deep_supervision else ()
    return Features(levels=tuple(levels), dense=conv_block(pyramid, x.shape[-1], style), deep=auxiliary)
