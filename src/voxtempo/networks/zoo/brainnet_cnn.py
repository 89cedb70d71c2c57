"""Convolution over the edges of the connectivity matrix."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from voxtempo.networks.card import Features, network
from voxtempo.networks.graph import as_regions, correlation, partial_correlation
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.options import Count, Share, Widths

SLOPE = 1 / 3  # of the leaky ReLU, as in the paper
SHRINKAGE = 0.1  # of the correlation matrix before it is inverted


@network(
    "brainnet_cnn",
    input="series",
    tasks=("classify", "regress"),
    summary="Edge-to-edge, edge-to-node and node-to-graph convolution of the window's correlation matrix.",
    source="Kawahara et al. 2017, BrainNetCNN, NeuroImage 146, doi:10.1016/j.neuroimage.2016.09.046",
)
def brainnet_cnn(
    inputs: Tensor,
    *,
    measure: Literal["correlation", "partial"] = "correlation",
    lags: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (0, 1, 2, 4, 8),
    widths: Widths = (16, 16),
    nodes: Count = 32,
    features: Count = 64,
    cells: Count = 200,
    dropout: Share = 0.3,
) -> Features:
    """Correlate the courses of all regions, and convolve the matrix by filters as wide as a whole row and column.

    Meant for region time series, (t, regions, 1, 1, channels), as the preparation step 'parcellate' gives them. The volumes
    of any other series are averaged over a coarse grid, whose cells then are the regions.

    A correlation matrix does not know the order of the volumes, nor how large anything is: shuffled volumes give the same
    matrix. Lagged correlations do know it, up to the largest lag: how fast courses change, and which region leads. They
    cannot tell *when* in the window something happened, nor the order of events within one region.

    Parameters
    ----------
    inputs : (batch, time, x, y, z, channels); with y = z = 1, x counts regions.
    measure : 'correlation', or 'partial' correlation (what two regions share beyond all others; of lag 0 only, the matrix
        being drawn towards the identity by a tenth before it is inverted). A window of t volumes has no more than t - 1
        independent courses, so partial correlations of many regions need long windows.
    lags : volumes by which the second region is looked at later; one matrix each, for each channel. (0,) is the paper's
        network, to which time is a bag of volumes.
    widths : channels of each edge-to-edge convolution.
    nodes : channels of the edge-to-node convolution.
    features : of the node-to-graph convolution.
    cells : how many cells the grid of a series has that does not hold regions yet, at most.
    dropout : share of the nodes' and the graph's features that is dropped in training.

    Returns
    -------
    Features with a vector only: there is no map to segment from.

    Notes
    -----
    A kernel as long as a row has no neighbours to move to, so each convolution is a dense layer on rows or columns.

    References
    ----------
    Kawahara et al. 2017, "BrainNetCNN: convolutional neural networks for brain networks; towards predicting
    neurodevelopment", NeuroImage 146, 1038-1049.
    """
    courses, _ = as_regions(inputs, cells)
    matrices = [
        partial_correlation(courses, SHRINKAGE) if measure == "partial" and lag == 0 else correlation(courses, lag)
        for lag in lags
    ]
    x = keras.ops.transpose(keras.ops.concatenate(matrices, axis=1), (0, 2, 3, 1))
    for width in widths:
        x = _leaky(_edge_to_edge(x, width))
    x = _leaky(_along(x, nodes, by="row") + _along(x, nodes, by="column"))
    if dropout > 0:
        x = keras.layers.Dropout(dropout)(x)
    x = _leaky(keras.layers.Dense(features, kernel_initializer="he_normal")(keras.layers.Flatten()(x)))
    if dropout > 0:
        x = keras.layers.Dropout(dropout)(x)
    return Features(vector=x)


def _along(x: Tensor, width: int, by: Literal["row", "column"]) -> Tensor:
    """Convolve by a kernel as long as a row (or column): (batch, regions, regions, c) to (batch, regions, width)."""
    _, regions, _, channels = x.shape
    lines = x if by == "row" else keras.ops.transpose(x, (0, 2, 1, 3))
    return keras.layers.Dense(width, kernel_initializer="he_normal")(
        keras.ops.reshape(lines, (-1, regions, regions * channels))
    )


def _edge_to_edge(x: Tensor, width: int) -> Tensor:
    """Give edge (i, j) what the filters find in row i plus what they find in column j."""
    return _along(x, width, by="row")[:, :, None] + _along(x, width, by="column")[:, None]


def _leaky(x: Tensor) -> Tensor:
    return keras.layers.LeakyReLU(negative_slope=SLOPE)(x)
