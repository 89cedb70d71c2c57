"""A light decoder for any encoder: its levels merged from coarse to fine.

Lin et al. 2017, "Feature pyramid networks for object detection", CVPR, arXiv:1612.03144.
"""

from __future__ import annotations

from voxtempo.networks.blocks import Style, conv, conv_block, space
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.resize import resize


def merge_levels(levels: tuple[Tensor, ...], style: Style | None = None) -> Tensor:
    """Return one map on the finest level's grid, with the finest level's number of channels (at least 16).

    Each level passes a 1x1 convolution, the coarser sum is enlarged and added, and one block smooths the result.
    """
    style = style or Style()
    width = max(16, levels[0].shape[-1])
    merged = conv(levels[-1], width, kernel=1, bias=True)
    for level in reversed(levels[:-1]):
        merged = keras.layers.Add()([resize(merged, space(level)), conv(level, width, kernel=1, bias=True)])
    return conv_block(merged, width, style)
