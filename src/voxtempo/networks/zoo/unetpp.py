"""U-Net++: between encoder and decoder lies a triangle of maps, each joined with all on its level before it."""

from __future__ import annotations

from voxtempo.levels import Axes, plan_levels
from voxtempo.networks.blocks import Activation, Norm, Style, conv_blocks, space
from voxtempo.networks.card import Features, network
from voxtempo.networks.decoder import encode, enlarge
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.options import Count, Widths
from voxtempo.networks.resize import Interpolation

SOURCE = (
    "Zhou et al. 2020, UNet++: redesigning skip connections to exploit multiscale features in image segmentation, "
    "TMI 39(6), arXiv:1912.05074"
)


@network(
    "unetpp2d",
    input="slice",
    tasks=("segment", "classify", "regress"),
    summary="U-Net for slices with nested, dense skip connections.",
    source=SOURCE,
)
@network(
    "unetpp3d",
    input="volume",
    tasks=("segment", "classify", "regress"),
    summary="U-Net for volumes with nested, dense skip connections.",
    source=SOURCE,
)
def unetpp(
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
    """An encoder; then columns of maps, each map from all on its level before it and the coarser one, enlarged.

    Parameters
    ----------
    inputs : (batch, x, y[, z], channels); z may be 1.
    width : channels of the finest level; each coarser one has twice as many.
    widths : channels of every level, instead of ``width`` and ``depth``.
    max_width : no level is wider.
    depth : number of levels; planned from the input's shape: the median axis is halved while it keeps 4 voxels. Every
        level more adds a column at full resolution, so memory grows faster than that of a U-Net.
    convolutions : convolutions a map.
    upsampling : "nearest" (fastest) or "linear"; a 1x1 convolution before it halves the channels.
    deep_supervision : in training, the earlier maps at full resolution, each the end of a shallower U-Net, are compared
        with the truth too.
    norm, activation : of every convolution; the leaky slope is 0.01.

    Returns
    -------
    Features with one level a scale and the decoded map.

    References
    ----------
    Zhou et al. 2020, "UNet++: redesigning skip connections to exploit multiscale features in image segmentation", IEEE
    Transactions on Medical Imaging 39(6), arXiv:1912.05074.
    """
    style = Style(norm, activation)
    strides, widths = plan_levels(space(inputs), width, widths, max_width, depth)

    def stage(x: Tensor, filters: int, stride: Axes | None = None) -> Tensor:
        return conv_blocks(x, filters, style, convolutions, stride)

    levels = encode(inputs, strides, widths, stage)
    rows = [[level] for level in levels]
    for column in range(1, len(levels)):
        for row in range(len(levels) - column):
            before = rows[row]
            below = enlarge(rows[row + 1][column - 1], before[0], upsampling)
            rows[row].append(stage(keras.layers.Concatenate()([*before, below]), widths[row]))
    finest = rows[0]
    earlier = tuple(reversed(finest[1:-1])) if deep_supervision else ()
    return Features(levels=tuple(levels), dense=finest[-1], deep=earlier)
