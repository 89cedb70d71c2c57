"""What one slice or volume costs a network: operations of a forward pass, and values that training keeps.

U-Nets and residual networks are counted (``convolution_cost``). Of the others, operations and values a voxel were counted
once on the built networks with their default options, at 48 x 40 x 24 voxels and at 160 x 128 pixels. Other widths, and
another number of levels, are reckoned from these; other options not at all.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from voxtempo.errors import StudyError
from voxtempo.levels import Axes, plan_levels
from voxtempo.planning.convolution_cost import Tally, cnn_cost, resnet_cost, unet_cost
from voxtempo.planning.series_cost import PICTURE

COUNTED: dict[str, Callable[..., Tally]] = {
    "unet2d": unet_cost,
    "unet3d": unet_cost,
    "resnet2d": resnet_cost,
    "resnet3d": resnet_cost,
    "lightweight_cnn": cnn_cost,
}

VGG19 = (778_000.0, 326.0)
"""Operations and values of the default backbone for each pixel."""

LEVELS = (16, 32, 64, 128)
MORE_LEVELS = (*LEVELS, 256, 320)
PATHWAY = (30, 30, 40, 40, 40, 40, 50, 50)
PLANNED = ("attention_unet", "attention_multiscale_unet", "unetpp", "mednext")
"""Families that have as many levels as fit."""


@dataclass(frozen=True)
class VoxelCost:
    """Cost of a network for each voxel (or pixel) of its input, with default options.

    Parameters
    ----------
    operations, values : of a forward pass; kept in training.
    widths : the channels it was counted with, by which others are reckoned, level by level.
    pairs, pair_values : the same for each pair of voxels, where every patch attends to all others.
    """

    operations: float
    values: float
    widths: tuple[int, ...]
    pairs: float = 0.0
    pair_values: float = 0.0


COSTS = {
    "attention_unet": {2: VoxelCost(113_000, 666, MORE_LEVELS), 3: VoxelCost(110_000, 449, LEVELS)},
    "attention_multiscale_unet": {2: VoxelCost(128_000, 811, MORE_LEVELS), 3: VoxelCost(119_000, 525, LEVELS)},
    "unetpp": {2: VoxelCost(325_000, 1600, MORE_LEVELS), 3: VoxelCost(261_000, 740, LEVELS)},
    "mednext": {2: VoxelCost(50_900, 1945, MORE_LEVELS), 3: VoxelCost(22_100, 1600, LEVELS)},
    "segresnet": {2: VoxelCost(123_000, 716, LEVELS), 3: VoxelCost(140_000, 480, LEVELS)},
    "unetr": {
        2: VoxelCost(228_000, 1880, (192,), pairs=2.25, pair_values=0.021),
        3: VoxelCost(122_000, 565, (192,), pairs=0.0352, pair_values=0.0003),
    },
    "swin_unetr": {2: VoxelCost(121_000, 1930, (24,)), 3: VoxelCost(178_000, 1360, (24,))},
    "deeplabv3plus": {2: VoxelCost(230_000, 1310, LEVELS), 3: VoxelCost(398_000, 1014, LEVELS)},
    "fcn": {2: VoxelCost(71_600, 690, LEVELS), 3: VoxelCost(100_000, 518, LEVELS)},
    "pspnet": {2: VoxelCost(154_000, 734, LEVELS), 3: VoxelCost(169_000, 463, LEVELS)},
    "deepmedic": {2: VoxelCost(316_000, 2640, PATHWAY), 3: VoxelCost(726_000, 2550, PATHWAY)},
}
"""By family, for slices and for volumes."""


def network_cost(
    name: str | None,
    options: Mapping[str, Any],
    shape: Sequence[int],
    channels: int,
    outputs: int,
    *,
    decoded: bool = True,
) -> tuple[float, float]:
    """Return operations of a forward pass and values kept in training, for one slice or volume.

    Parameters
    ----------
    name : of the network. One that is not known (None: a user's own) costs as much as a U-Net or a residual network
        with its ``width`` or ``widths``.
    options : of the network. Those that no network could be built with are left to it to refuse: the defaults count.
    shape : voxels along the axes of space; two, or three of which one may be 1.
    channels : of the input.
    outputs : logits a voxel, or a sample.
    decoded : whether a map is answered (a label map), not a vector.

    >>> f"{network_cost('unet3d', {}, (48, 48, 48), 1, 3)[0]:.4g}"  # counted on the built network: 1.192e+10
    '1.192e+10'
    """
    sizes = _sizes(str(name), shape)
    try:
        return _cost(str(name), options, sizes, channels, outputs, decoded)
    except (StudyError, TypeError, ValueError):
        return _cost(str(name), {}, sizes, channels, outputs, decoded)


def refuse_options(
    name: str, options: Mapping[str, Any], shape: Sequence[int], channels: int, outputs: int, *, decoded: bool
) -> None:
    """Raise the ``StudyError`` with which a network of these options refuses a sample of this shape, as far as it is known.

    Parameters are those of ``network_cost``. Options of other types than the network's (``depth: "3"``) are left to it: what
    it can read it takes, and what it cannot it refuses by name.
    """
    with suppress(TypeError, ValueError):
        _cost(name, options, _sizes(name, shape), channels, outputs, decoded)


def _cost(
    name: str, options: Mapping[str, Any], sizes: Axes, channels: int, outputs: int, decoded: bool
) -> tuple[float, float]:
    if name in ("backbone2d", "slicewise_2d"):
        operations, values = _backbone_cost(options, sizes[:2], channels, outputs)
        slices = sizes[2] if name == "slicewise_2d" else 1
        return operations * slices, values * slices
    family = name[:-2]
    if family in COSTS:
        axes = 2 if len(sizes) == 2 or 1 in sizes else 3
        return _voxel_cost(family, COSTS[family][axes], options, sizes, channels)
    count = COUNTED.get(name) or (unet_cost if decoded else resnet_cost)
    if name not in COUNTED:
        options = {key: options[key] for key in ("width", "widths") if options.get(key)}
    known = {key: value for key, value in options.items() if key in inspect.signature(count).parameters}
    tally = count(sizes, channels, outputs, decoded=decoded, **known)
    return tally.operations, tally.values


def _sizes(name: str, shape: Sequence[int]) -> Axes:
    """Return the sizes of the axes that a network sees: networks for slices have none across.

    >>> _sizes("unet2d", (64, 1, 48)), _sizes("unet3d", (64, 48, 1)), _sizes("unet2d", (1, 1, 9))
    ((64, 48), (64, 48, 1), (1, 9))
    """
    sizes = list(shape)
    if len(sizes) == 3 and (name.endswith("2d") or name == "lightweight_cnn") and name != "slicewise_2d" and 1 in sizes:
        sizes.remove(1)
    return tuple(sizes)


def _backbone_cost(options: Mapping[str, Any], sizes: Axes, channels: int, outputs: int) -> tuple[float, float]:
    backbone = options.get("backbone")
    if backbone in COUNTED:
        own = options.get("backbone_options") or {}
        return network_cost(backbone, own, sizes, channels, outputs, decoded=False)
    pixels = math.prod(max(n, PICTURE) for n in sizes)
    return VGG19[0] * pixels, VGG19[1] * pixels


def _voxel_cost(
    family: str, cost: VoxelCost, options: Mapping[str, Any], sizes: Axes, channels: int
) -> tuple[float, float]:
    """Return the cost of a network from that of a voxel."""
    axes, voxels = sum(n > 1 for n in sizes), float(math.prod(sizes))
    shrink = 1.0 if family == "deepmedic" else 0.5**axes
    widths = _widths(family, cost, options, sizes)
    work = _work((channels, *widths), shrink) / _work((1, *cost.widths), shrink)
    room = _room(widths, shrink) / _room(cost.widths, shrink)
    if family == "unetpp":  # each level more is a column more of all finer ones
        columns = len(widths) / len(cost.widths)
        work, room = work * columns, room * columns
    operations = cost.operations * voxels * work + cost.pairs * voxels**2
    return operations, cost.values * voxels * room + cost.pair_values * voxels**2


def _widths(family: str, cost: VoxelCost, options: Mapping[str, Any], sizes: Axes) -> tuple[int, ...]:
    given = tuple(options.get("widths") or ())
    width = options.get("features") or options.get("width")
    if family in PLANNED:
        most, depth = options.get("max_width") or 320, options.get("depth")
        return plan_levels(sizes, width or 16, given or None, most, depth)[1]
    if given or width is None:
        return given or cost.widths
    return tuple(round(n * width / cost.widths[0]) for n in cost.widths)


def _work(widths: Sequence[int], shrink: float) -> float:
    """Return the work of levels with these channels (the input's first), each with ``shrink`` times the voxels."""
    return widths[0] * widths[1] + sum(n * n * shrink**level for level, n in enumerate(widths[1:]))


def _room(widths: Sequence[int], shrink: float) -> float:
    """Return the room of levels with these channels."""
    return sum(n * shrink**level for level, n in enumerate(widths))
