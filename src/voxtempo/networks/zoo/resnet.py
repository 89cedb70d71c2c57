"""Residual networks with pre-activation, for slices and volumes."""

from __future__ import annotations

from voxtempo.levels import plan_stem, stride_along
from voxtempo.networks.blocks import Activation, Norm, Style, conv, preactivation_unit, space
from voxtempo.networks.card import Features, network
from voxtempo.networks.keras_seam import Tensor
from voxtempo.networks.options import Count, Widths

SOURCE = (
    "He, Zhang, Ren, Sun 2016, Identity mappings in deep residual networks, ECCV, arXiv:1603.05027; "
    "widths as in DLTK (Pawlowski et al. 2017, arXiv:1711.06853)"
)


@network(
    "resnet2d",
    input="slice",
    tasks=("classify", "regress", "segment"),
    summary="Residual network with pre-activation for slices.",
    source=SOURCE,
)
@network(
    "resnet3d",
    input="volume",
    tasks=("classify", "regress", "segment"),
    summary="Residual network with pre-activation for volumes.",
    source=SOURCE,
)
def resnet(
    inputs: Tensor,
    *,
    widths: Widths = (16, 32, 64, 128),
    units: Count = 2,
    strides: Count = 2,
    stem_stride: Count | None = None,
    norm: Norm = "batch",
    activation: Activation = "relu",
) -> Features:
    """A convolution, then ``units`` residual units a scale; the first unit of every later scale strides.

    Parameters
    ----------
    inputs : (batch, x, y[, z], channels).
    widths : channels of each scale, from fine to coarse.
    units : residual units a scale.
    strides : stride between scales, along axes that are large enough.
    stem_stride : stride of the first convolution; planned so that at most 8,192 pixels or 65,536 voxels are left.
    norm, activation : of every unit.

    Returns
    -------
    Features with one level a scale.

    References
    ----------
    He, Zhang, Ren, Sun 2016, "Identity mappings in deep residual networks", ECCV, arXiv:1603.05027. Widths and strides
    follow DLTK: Pawlowski et al. 2017, arXiv:1711.06853.
    """
    style, sizes = Style(norm, activation), space(inputs)
    stem_stride = stem_stride or plan_stem(sizes)
    # A kernel that skips nothing: voxels between the strides are seen by two neighbours.
    x = conv(inputs, widths[0], max(3, 2 * stem_stride - 1), stride_along(sizes, stem_stride))
    levels = []
    for scale, width in enumerate(widths):
        for unit in range(units):
            down = scale > 0 and unit == 0
            x = preactivation_unit(x, width, style, stride_along(space(x), strides) if down else None)
        levels.append(style.activate(style.normalise(x)))
    return Features(levels=tuple(levels))
