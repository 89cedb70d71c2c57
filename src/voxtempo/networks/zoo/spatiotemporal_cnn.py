"""Convolutions over time and space together."""

from __future__ import annotations

from voxtempo.levels import stride_along
from voxtempo.networks.blocks import Activation, Norm, Pooling, Style, space
from voxtempo.networks.card import Features, network
from voxtempo.networks.conv4d import Convolution, describe_series, normalise_activate, pool4d, space_time_conv
from voxtempo.networks.keras_seam import Tensor
from voxtempo.networks.options import Count, Share, Widths


@network(
    "spatiotemporal_cnn",
    input="series",
    tasks=("classify", "regress"),
    summary="Convolutions over time and space, true 4D ones or factorised.",
    source="Bengs, Gessert, Schlaefer 2020, 4D spatio-temporal deep learning with 4D fMRI data, arXiv:2004.10165",
)
def spatiotemporal_cnn(
    inputs: Tensor,
    *,
    convolution: Convolution = "factorised",
    widths: Widths = (8, 16, 32),
    kernel: Count = 3,
    time_kernel: Count = 5,
    pooling: Pooling = "mean",
    time_strides: Count = 1,
    grid: Count = 4,
    time_grid: Count = 4,
    features: Count = 64,
    dropout: Share = 0.0,
    norm: Norm = "batch",
    activation: Activation = "leaky_relu",
) -> Features:
    """Convolve over time and space and pool, once for each width; describe a coarse grid of both by a vector.

    Parameters
    ----------
    inputs : (batch, time, x, y, z, channels); z and time may be 1.
    convolution : "full" convolves over all four axes at once; "factorised" over space, and then over time at each voxel,
        in about ``time_kernel`` times fewer weights and multiplications.
    widths : channels of each convolution; each is followed by pooling of space by 2.
    kernel : voxels along each side of the kernels.
    time_kernel : frames of the kernels.
    pooling : "mean" or "max", of the convolutions, before they are normalised and activated. A mean cancels noise, where
        a maximum finds its peaks.
    time_strides : frames pooled after each convolution; 1 keeps them all.
    grid : cells along each axis of space that the last map is averaged to; 1 forgets where things are.
    time_grid : cells of time that the last map is averaged to; 1 forgets when things are, and then only what one kernel
        has seen has an order.
    features : size of the vector that describes the series.
    dropout : share of the cells' channels that is dropped in training.
    norm, activation : of every block.

    Returns
    -------
    Features with a vector only.

    References
    ----------
    Bengs, Gessert, Schlaefer 2020, "4D spatio-temporal deep learning with 4D fMRI data for autism spectrum disorder
    classification", arXiv:2004.10165; Tran et al. 2018, "A closer look at spatiotemporal convolutions for action
    recognition", CVPR, arXiv:1711.11248.
    """
    style = Style(norm, activation)
    x = inputs
    for width in widths:
        cells = stride_along(space(x)[1:], 2)
        x = space_time_conv(x, width, style, convolution, kernel, time_kernel, cells, pooling)
        x = pool4d(x, (1, 1, 1), stride_along(space(x)[:1], time_strides)[0], pooling)
        x = normalise_activate(x, style)
    return Features(vector=describe_series(x, style, grid, time_grid, features, dropout))
