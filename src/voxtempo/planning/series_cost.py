"""What one window costs a network for series: arithmetic and memory, counted once with the default options.

Operations were counted by TensorFlow's profiler on windows of 20 x 32 x 32 x 24 (100 regions for the graph networks).
Networks of convolutions cost the same for every voxel of every volume, backbones for pictures the same for every pixel.
Other widths are reckoned from the products of neighbouring ones, other options not at all: this is rough.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any


@dataclass(frozen=True)
class SeriesCost:
    """Cost of one network.

    Parameters
    ----------
    operations : of a forward pass, for each voxel (or pixel) of each volume (or picture).
    values : activations kept, likewise.
    widths : the default option, or empty where the network has none.
    per : "voxel" of each volume; "pixel" of each slice of each volume; "slice": pixel of each slice, whatever the length;
        "capped": as "voxel", but the first convolution strides until at most ``CAP`` voxels x volumes are left.
    """

    operations: float
    values: float
    widths: tuple[int, ...] = ()
    per: str = "voxel"


CAP = 65_536
PICTURE = 32  # smaller pictures are enlarged to so many pixels a side

COSTS = {
    "cnn_lstm": SeriesCost(6100, 60, (16, 32, 64)),
    "cnn_gru": SeriesCost(6100, 60, (16, 32, 64)),
    "cnn_transformer": SeriesCost(6100, 60, (16, 32, 64)),
    "fmri_cnn_lstm": SeriesCost(23_000, 80, (16, 32)),
    "spatiotemporal_cnn": SeriesCost(1900, 40, (8, 16, 32)),
    "convlstm3d": SeriesCost(2200, 40, (8, 16)),
    "resnet4d": SeriesCost(50_000, 150, (16, 32, 64), "capped"),
    "swin4d": SeriesCost(1700, 60),
    "vit_gru": SeriesCost(1400, 30),
    "framewise_2d": SeriesCost(778_000, 300, per="pixel"),
    "lstm_2d": SeriesCost(778_000, 300, per="pixel"),
    "conv3d_2d": SeriesCost(778_000, 300, per="slice"),
    "st_gcn": SeriesCost(57_000, 500, (16, 32, 64)),
    "brainnet_cnn": SeriesCost(4200, 64, (16, 16)),
}


def series_cost(
    name: str, options: dict[str, Any], shape: Sequence[int], frames: int, channels: int
) -> tuple[float, float] | None:
    """Return operations of a forward pass and activations kept for one window; None for a network that is not known.

    Parameters
    ----------
    name, options : of the network.
    shape : (x, y, z) voxels.
    frames : volumes of the window.
    channels : of every volume, derivatives included.

    >>> operations, _ = series_cost("cnn_lstm", {}, (32, 32, 24), 20, 1)
    >>> f"{operations:.3g}"  # counted: 3.001e+09
    '3e+09'
    """
    cost = COSTS.get(name)
    if cost is None:
        return None
    x, y, z = shape
    places = float(x * y * z * frames)
    if cost.per == "capped":
        sides = sum(n > 1 for n in shape)
        while places > CAP:
            places /= 2**sides
    elif cost.per != "voxel":
        places = float(max(x, PICTURE) * max(y, PICTURE) * z * (frames if cost.per == "pixel" else 1))
    widths = tuple(options.get("widths") or cost.widths)
    factor = _work((channels, *widths)) / _work((1, *cost.widths)) if cost.widths else 1.0
    return cost.operations * places * factor, cost.values * places * math.sqrt(factor)


def _work(widths: Sequence[int]) -> float:
    """Return the work of convolutions with these channels one after another, each on half the voxels along each side."""
    return sum(a * b / 8**level for level, (a, b) in enumerate(pairwise(widths)))
