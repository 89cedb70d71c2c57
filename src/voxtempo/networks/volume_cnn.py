"""A small 3D CNN that describes every volume of a series by a vector: the first half of every CNN with a recurrent end."""

from __future__ import annotations

from typing import Literal

from voxtempo.networks.blocks import Style, conv_block, pool, pool_to_vector, space, stride_along
from voxtempo.networks.fold_time import over_time
from voxtempo.networks.keras_seam import Tensor, keras

Pooling = Literal["max", "mean"]


def describe_volumes(
    series: Tensor,
    widths: tuple[int, ...],
    kernels: tuple[int, ...],
    style: Style,
    grid: int,
    features: int,
    pooling: Pooling = "max",
) -> Tensor:
    """Describe every volume by itself, with the same weights.

    Parameters
    ----------
    series : (batch, time, x, y, z, channels).
    widths : channels of each convolution, which is normalised, activated and followed by pooling by 2.
    kernels : voxels along each side of the kernels, one for each convolution.
    style : normalisation and activation.
    grid : cells along each axis that the last map is averaged to; 1 forgets where things are.
    features : size of the vector that describes one volume.

    Returns
    -------
    (batch, time, features).
    """

    def describe(volume: Tensor) -> Tensor:
        x = volume
        for width, kernel in zip(widths, kernels, strict=True):
            x = conv_block(x, width, style, kernel=kernel)
            x = pool(x, stride_along(space(x), 2), pooling)
        x = keras.layers.Dense(features, kernel_initializer="he_normal")(pool_to_vector(x, grid))
        return style.activate(x)

    return over_time(describe, series)
