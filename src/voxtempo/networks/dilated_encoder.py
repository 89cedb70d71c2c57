"""A residual encoder that stops shrinking its maps and dilates its kernels instead: what FCN, PSPNet and DeepLab begin with.

Chen et al. 2018, "DeepLab", TPAMI 40, arXiv:1606.00915.
"""

from __future__ import annotations

from voxtempo.levels import stride_along
from voxtempo.networks.blocks import Style, conv, preactivation_unit, space
from voxtempo.networks.keras_seam import Tensor


def encode_dilated(
    inputs: Tensor, widths: tuple[int, ...], units: int, output_stride: int | None, style: Style
) -> list[Tensor]:
    """Return one normalised and activated map a level, from fine to coarse.

    Parameters
    ----------
    inputs : (batch, *space, channels).
    widths : channels of every level.
    units : residual units with pre-activation a level.
    output_stride : voxels of the input along one of the coarsest grid, at most; levels that would be coarser keep the
        grid, and the distance between the voxels that their kernels see doubles instead. None: all levels stride.
    style : of every unit.
    """
    x = conv(inputs, widths[0], bias=style.norm == "none")
    reach = dilation = 1
    levels: list[Tensor] = []
    for width in widths:
        stride = None
        if levels and output_stride is not None and reach * 2 > output_stride:
            dilation *= 2
        elif levels:
            stride, reach = stride_along(space(x), 2), reach * 2
        for unit in range(units):
            x = preactivation_unit(x, width, style, stride if unit == 0 else None, dilation if stride is None else 1)
        levels.append(style.activate(style.normalise(x)))
    return levels
