"""MedNeXt: a U-Net of depthwise convolutions with large kernels, each followed by a small perceptron on every voxel."""

from __future__ import annotations

from voxtempo.levels import Axes, plan_levels
from voxtempo.networks.blocks import Norm, Style, conv, space
from voxtempo.networks.card import Features, network
from voxtempo.networks.decoder import decode, encode, joined
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.options import Count, OddCount, Widths
from voxtempo.networks.resize import Interpolation

SOURCE = (
    "Roy et al. 2023, MedNeXt: transformer-driven scaling of ConvNets for medical image segmentation, MICCAI, "
    "arXiv:2303.09975"
)


def _block(x: Tensor, kernel: int, expansion: int, response_norm: bool, style: Style) -> Tensor:
    from voxtempo.networks.depthwise import DepthwiseConv, ResponseNorm

    y = style.normalise(DepthwiseConv(kernel)(x))
    y = style.activate(conv(y, expansion * x.shape[-1], kernel=1, bias=True))
    if response_norm:
        y = ResponseNorm()(y)
    # Zeros: a new block changes nothing, or the sums of many blocks would start far from any label.
    return keras.layers.Add()([x, keras.layers.Dense(x.shape[-1], kernel_initializer="zeros")(y)])


@network(
    "mednext2d",
    input="slice",
    tasks=("segment", "classify", "regress"),
    summary="U-Net for slices of depthwise convolutions with large kernels and expansions.",
    source=SOURCE,
)
@network(
    "mednext3d",
    input="volume",
    tasks=("segment", "classify", "regress"),
    summary="U-Net for volumes of depthwise convolutions with large kernels and expansions.",
    source=SOURCE,
)
def mednext(
    inputs: Tensor,
    *,
    width: Count = 16,
    widths: Widths | None = None,
    max_width: Count = 320,
    depth: Count | None = None,
    blocks: Count = 2,
    kernel: OddCount = 3,
    expansion: Count = 2,
    response_norm: bool = False,
    upsampling: Interpolation = "nearest",
    deep_supervision: bool = False,
    norm: Norm = "instance",
) -> Features:
    """Blocks of a depthwise convolution, a normalisation, an expansion with GELU and a compression, around a shortcut.

    Parameters
    ----------
    inputs : (batch, x, y[, z], channels); z may be 1.
    width : channels of the finest level; each coarser one has twice as many. The paper has 32.
    widths : channels of every level, instead of ``width`` and ``depth``.
    max_width : no level is wider.
    depth : number of levels; planned from the input's shape: the median axis is halved while it keeps 4 voxels.
    blocks : of each level, in the encoder and in the decoder.
    kernel : voxels along each side of the depthwise kernels, odd. The paper has 3 and 5.
    expansion : channels of the inner layer of a block, in channels of its level. The paper has 2 to 8.
    response_norm : let the expanded channels compete (global response normalisation).
    upsampling : "nearest" (fastest) or "linear"; a 1x1 convolution before it halves the channels.
    deep_supervision : in training, the decoder's coarser maps are compared with the truth too.
    norm : after every depthwise convolution; the paper's, over one group a channel, is that over the instance.

    Returns
    -------
    Features with one level a scale and the decoded map.

    Notes
    -----
    Between levels stands a convolution as large as its stride (as in ConvNeXt), and on the way back a 1x1 convolution and
    a resize, in place of the paper's blocks with strided and transposed depthwise convolutions.

    References
    ----------
    Roy et al. 2023, "MedNeXt: transformer-driven scaling of ConvNets for medical image segmentation", MICCAI,
    arXiv:2303.09975; response normalisation: Woo et al. 2023, "ConvNeXt V2", CVPR, arXiv:2301.00808.
    """
    style = Style(norm, "gelu")
    strides, widths = plan_levels(space(inputs), width, widths, max_width, depth)

    def repeat(x: Tensor) -> Tensor:
        for _ in range(blocks):
            x = _block(x, kernel, expansion, response_norm, style)
        return x

    def stage(x: Tensor, filters: int, stride: Axes | None) -> Tensor:
        if stride is None:
            return repeat(conv(x, filters, kernel=1, bias=True))
        return repeat(conv(style.normalise(x), filters, stride, stride, bias=True))

    def join(x: Tensor, level: Tensor) -> Tensor:
        return repeat(joined(x, level, upsampling, "add"))

    features = decode(encode(inputs, strides, widths, stage), join, deep_supervision)
    dense, *deep = map(style.normalise, (features.dense, *features.deep))
    return Features(levels=features.levels, dense=dense, deep=tuple(deep))
