"""The way down and up of every network with a decoder: level after level, then each finer one is joined in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from voxtempo.levels import Axes
from voxtempo.networks.blocks import conv, space
from voxtempo.networks.card import Features
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.resize import Interpolation, resize

Skip = Literal["concatenate", "add"]


def encode(
    inputs: Tensor,
    strides: Sequence[Axes | None],
    widths: Sequence[int],
    stage: Callable[[Tensor, int, Axes | None], Tensor],
) -> list[Tensor]:
    """Return the levels of an encoder from fine to coarse.

    Parameters
    ----------
    inputs : (batch, *space, channels).
    strides : into each level; None into the first.
    widths : channels of each level.
    stage : of the level before (the inputs at first), the channels and the stride, the level.
    """
    levels: list[Tensor] = []
    for width, stride in zip(widths, strides, strict=True):
        levels.append(stage(levels[-1] if levels else inputs, width, stride))
    return levels


def decode(levels: Sequence[Tensor], join: Callable[[Tensor, Tensor], Tensor], deep_supervision: bool) -> Features:
    """Return the features of an encoder and its decoder.

    Parameters
    ----------
    levels : maps of the encoder from fine to coarse; the first is as fine as the decoded map is to be.
    join : of a decoded map and the next finer level, the decoded map on that level's grid.
    deep_supervision : the decoded maps between the coarsest and the finest answer too in training; where there are none,
        the coarsest level does.
    """
    maps = [levels[-1]]
    for level in reversed(levels[:-1]):
        maps.append(join(maps[-1], level))
    between = tuple(reversed(maps[1:-1])) or tuple(maps[:-1])
    return Features(levels=tuple(levels), dense=maps[-1], deep=between if deep_supervision else ())


def enlarge(x: Tensor, level: Tensor, upsampling: Interpolation) -> Tensor:
    """Return the map with the channels and on the grid of a finer level: a 1x1 convolution, then ``resize``."""
    return resize(conv(x, level.shape[-1], kernel=1), space(level), upsampling)


def joined(x: Tensor, level: Tensor, upsampling: Interpolation, skip: Skip = "concatenate") -> Tensor:
    """Return a coarser map, enlarged, and a level side by side, or their sum."""
    return (keras.layers.Add() if skip == "add" else keras.layers.Concatenate())([enlarge(x, level, upsampling), level])
