"""A small 3D CNN that describes every volume of a series by a vector: the first half of every CNN with a recurrent end."""

from __future__ import annotations

from voxtempo.levels import stride_along
from voxtempo.networks.blocks import Pooling, Style, conv, conv_block, pool, pool_to_vector, space
from voxtempo.networks.fold_time import over_time
from voxtempo.networks.keras_seam import Tensor, keras


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
    widths : channels of each convolution, each followed by pooling by 2.
    kernels : voxels along each side of the kernels, one for each convolution.
    style : normalisation and activation.
    grid : cells along each axis that the last map is averaged to; 1 forgets where things are.
    features : size of the vector that describes one volume.
    pooling : "max" of activated maps, or "mean" of the convolutions themselves, which are normalised and activated
        after it, as is the description. A mean cancels noise, where a maximum finds its peaks; and it leaves an eighth of
        the voxels to normalise.

    Returns
    -------
    (batch, time, features).
    """

    def describe(volume: Tensor) -> Tensor:
        x = volume
        for width, kernel in zip(widths, kernels, strict=True):
            x = scale(x, width, style, kernel, pooling)
        # A vector has no space, whose statistics instance normalisation takes.
        normed = pooling == "mean" and style.norm == "batch"
        x = keras.layers.Dense(features, use_bias=not normed, kernel_initializer="he_normal")(pool_to_vector(x, grid))
        return style.activate(style.normalise(x) if normed else x)

    return over_time(describe, series)


def scale(x: Tensor, width: int, style: Style, kernel: int, pooling: Pooling) -> Tensor:
    """Convolve, normalise and activate a volume, and pool it by 2: after the activation ("max") or before all ("mean")."""
    if pooling == "max":
        x = conv_block(x, width, style, kernel=kernel)
        return pool(x, stride_along(space(x), 2))
    x = conv(x, width, kernel, bias=style.norm == "none")
    return style.activate(style.normalise(pool(x, stride_along(space(x), 2), "mean")))
