"""DeepLab v3+: kernels of several dilations side by side, and a light decoder that brings edges back."""

from __future__ import annotations

from voxtempo.networks.blocks import Activation, Norm, Style, conv, conv_block, space
from voxtempo.networks.card import Features, network
from voxtempo.networks.dilated_encoder import encode_dilated
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.options import Count, Widths
from voxtempo.networks.resize import average_to, resize

SOURCE = (
    "Chen et al. 2018, Encoder-decoder with atrous separable convolution for semantic image segmentation, ECCV, "
    "arXiv:1802.02611"
)


@network(
    "deeplabv3plus2d",
    input="slice",
    tasks=("segment", "classify", "regress"),
    summary="Dilated residual encoder for slices, kernels of several dilations, and a light decoder.",
    source=SOURCE,
)
@network(
    "deeplabv3plus3d",
    input="volume",
    tasks=("segment", "classify", "regress"),
    summary="Dilated residual encoder for volumes, kernels of several dilations, and a light decoder.",
    source=SOURCE,
)
def deeplabv3plus(
    inputs: Tensor,
    *,
    widths: Widths = (16, 32, 64, 128),
    units: Count = 2,
    output_stride: Count = 4,
    rates: Widths = (2, 4, 6),
    decoder_width: Count = 32,
    decoder_level: Count = 1,
    deep_supervision: bool = False,
    norm: Norm = "instance",
    activation: Activation = "relu",
) -> Features:
    """An encoder with dilated kernels, a pyramid of dilations on its last map, and one skip from a fine level.

    Parameters
    ----------
    inputs : (batch, x, y[, z], channels); z may be 1.
    widths : channels of every level, from fine to coarse.
    units : residual units with pre-activation a level.
    output_stride : voxels of the input along one of the coarsest grid; later levels dilate. The paper has 16 or 8, for
        photographs of 500 pixels a side.
    rates : dilations of the pyramid's convolutions, in voxels of the coarsest grid; beside them are a 1x1 convolution and
        the average over space. Along short axes a dilation is the axis's length less one at most.
    decoder_width : channels of the decoder.
    decoder_level : level that the decoder takes in, counted from 1, the finest.
    deep_supervision : in training, the pyramid's map is compared with the truth too.
    norm, activation : of every convolution. The average is not normalised: one number has no variance.

    Returns
    -------
    Features with one level a scale and a map on the grid of ``decoder_level``, which the head enlarges linearly.

    Notes
    -----
    The convolutions are not separable.

    References
    ----------
    Chen et al. 2018, "Encoder-decoder with atrous separable convolution for semantic image segmentation", ECCV,
    arXiv:1802.02611.
    """
    style = Style(norm, activation)
    levels = encode_dilated(inputs, widths, units, output_stride, style)
    x, fine = levels[-1], levels[min(decoder_level, len(levels)) - 1]
    filters = max(1, x.shape[-1] // 2)
    mean = style.activate(conv(average_to(x, 1), filters, kernel=1, bias=True))
    views = [conv_block(x, filters, style, kernel=1), *(conv_block(x, filters, style, dilation=rate) for rate in rates)]
    pyramid = keras.layers.Concatenate()([*views, resize(mean, space(x))])
    pyramid = conv_block(pyramid, filters, style, kernel=1)
    edges = conv_block(fine, decoder_width, style, kernel=1)
    y = keras.layers.Concatenate()([resize(pyramid, space(fine), "linear"), edges])
    y = conv_block(conv_block(y, decoder_width, style), decoder_width, style)
    return Features(levels=tuple(levels), dense=y, deep=(pyramid,) if deep_supervision else ())
