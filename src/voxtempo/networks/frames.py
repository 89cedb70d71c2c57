"""Volumes and series cut into pictures for 2D networks: a picture a slice, a mosaic of all slices, or slices as channels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from voxtempo.networks.fold_time import over_time
from voxtempo.networks.keras_seam import Tensor, keras

Slices = Literal["fold", "mosaic", "channels"]


def mosaic_tiles(slices: int) -> tuple[int, int]:
    """Return the tiles of a mosaic along x and y: near a square, with room for every slice.

    >>> mosaic_tiles(24), mosaic_tiles(2), mosaic_tiles(1)
    ((5, 5), (2, 1), (1, 1))
    """
    along_x = math.ceil(math.sqrt(slices))
    return along_x, math.ceil(slices / along_x)


def pictures_of(volumes: Tensor, slices: Slices = "fold") -> Tensor:
    """Cut volumes along z.

    Parameters
    ----------
    volumes : (batch, x, y, z, channels).
    slices : "fold": a picture a slice; "mosaic": all slices side by side in one picture, row by row along y, empty tiles
        being zero; "channels": one picture with z x channels channels.

    Returns
    -------
    (batch, pictures, x', y', channels'): z pictures for "fold", one otherwise.
    """
    _, x, y, z, channels = volumes.shape
    if slices == "fold" or z == 1:
        return keras.ops.transpose(volumes, (0, 3, 1, 2, 4))
    if slices == "channels":
        return keras.ops.reshape(volumes, (-1, 1, x, y, z * channels))
    across, down = mosaic_tiles(z)
    if across * down > z:
        volumes = keras.ops.pad(volumes, ((0, 0), (0, 0), (0, 0), (0, across * down - z), (0, 0)))
    tiles = keras.ops.reshape(volumes, (-1, x, y, across, down, channels))
    tiles = keras.ops.transpose(tiles, (0, 3, 1, 4, 2, 5))
    return keras.ops.reshape(tiles, (-1, 1, across * x, down * y, channels))


def average_over_pictures(describe: Callable[[Tensor], Tensor], volumes: Tensor, slices: Slices) -> Tensor:
    """Return the mean, over a volume's pictures, of what ``describe`` says of each.

    Parameters
    ----------
    describe : (pictures, x, y, channels) to (pictures, features).
    volumes : (batch, x, y, z, channels).
    slices : as for ``pictures_of``.

    Returns
    -------
    (batch, features).
    """
    return keras.ops.mean(over_time(describe, pictures_of(volumes, slices)), axis=1)
