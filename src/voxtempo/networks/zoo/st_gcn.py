"""Convolution over the graph of regions and over time."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from voxtempo.errors import StudyError
from voxtempo.levels import stride_along
from voxtempo.networks.blocks import Activation, Norm, Style, conv, pool
from voxtempo.networks.card import Features, network
from voxtempo.networks.graph import as_regions, correlation_graph, distance_graph
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.options import Count, Share, Widths

Edges = Literal["correlation", "absolute", "distance", "learned"]
Points = Annotated[tuple[tuple[float, float, float], ...], Field(min_length=1)]


@network(
    "st_gcn",
    input="series",
    tasks=("classify", "regress"),
    summary="Graph convolution over regions and convolution over time, in turn.",
    source="Yan et al. 2018, Spatial temporal graph convolutional networks, AAAI, arXiv:1801.07455",
)
def st_gcn(
    inputs: Tensor,
    *,
    widths: Widths = (16, 32, 64),
    kernel: Count = 9,
    edges: Edges = "correlation",
    neighbours: Count = 8,
    importance: bool = True,
    context: bool = True,
    coordinates: Points | None = None,
    cells: Count = 200,
    readout: Literal["regions", "mean"] = "regions",
    features: Count = 8,
    time_cells: Count = 4,
    dropout: Share = 0.3,
    norm: Norm = "batch",
    activation: Activation = "relu",
) -> Features:
    """Let each region's features take in its neighbours' and then its own past and future, block after block.

    Meant for region time series, (t, regions, 1, 1, channels), as the preparation step 'parcellate' gives them. The volumes
    of any other series are averaged over a coarse grid, whose cells then are the regions.

    Parameters
    ----------
    inputs : (batch, time, x, y, z, channels); with y = z = 1, x counts regions.
    widths : channels of each block; every block but the first halves time where there is enough of it.
    kernel : volumes along the kernels over time.
    edges : who is whose neighbour. 'correlation': the regions with the highest positive correlation in this very window,
        'absolute': with the highest correlation of either sign, 'distance': the nearest regions, 'learned': what training
        finds, one graph for all windows.
    neighbours : edges each region has (not with 'learned', where every region has one to every region).
    importance : learn a factor for every edge in every block (regions x regions weights each).
    context : every region also takes in the mean over all regions, in every block: what happens elsewhere before or after
        it, which the edges of a correlation at the same time leave out.
    coordinates : x, y, z of the regions, mm, for 'distance'; taken from 'parcellate' where left out.
    cells : how many cells the grid of a series has that does not hold regions yet, at most.
    readout : 'mean' averages over regions at each of ``time_cells`` times, which forgets where something happened;
        'regions' adds ``features`` numbers of every region at each of those times.
    features : numbers by which the read-out describes a region.
    time_cells : times the read-out tells apart; 1 forgets in what order things happened.
    dropout : share of each block's features, and of the vector, that is dropped in training.
    norm, activation : of every block; courses are normalised first, each region's on its own.

    Returns
    -------
    Features with a vector only: there is no map to segment from.

    Notes
    -----
    A region, its neighbours and the mean of all regions have weights of their own (the first two are the paper's distance
    partitioning).

    References
    ----------
    Yan, Xiong, Lin 2018, "Spatial temporal graph convolutional networks for skeleton-based action recognition", AAAI,
    arXiv:1801.07455; for fMRI: Gadgil et al. 2020, "Spatio-temporal graph convolution for resting-state fMRI analysis",
    MICCAI, arXiv:2003.10613 (there the graph is one for all, the mean correlation over a cohort); learned edges: Wu et al.
    2019, "Graph WaveNet for deep spatial-temporal graph modeling", IJCAI, arXiv:1906.00121.
    """
    style = Style(norm, activation)
    courses, places = as_regions(inputs, cells)
    _, regions, volumes, channels = courses.shape
    x = keras.ops.reshape(keras.ops.transpose(courses, (0, 2, 1, 3)), (-1, volumes, regions * channels))
    x = keras.ops.reshape(style.normalise(x), (-1, volumes, regions, channels))
    x = keras.ops.transpose(x, (0, 2, 1, 3))
    graph = _graph(courses, x, edges, neighbours, coordinates, places)
    for number, width in enumerate(widths):
        stride = stride_along((regions, x.shape[2]), 2, smallest=2 * time_cells)[1] if number else 1
        x = _block(x, graph, width, kernel, stride, importance, context, dropout, style)
    x = pool(x, (1, math.ceil(x.shape[2] / time_cells)), "mean")
    vector = keras.layers.Flatten()(keras.ops.mean(x, axis=1))
    if readout == "regions":
        x = style.activate(keras.layers.Dense(features, kernel_initializer="he_normal")(x))
        vector = keras.layers.Concatenate()([vector, keras.layers.Flatten()(x)])
    if dropout > 0:
        vector = keras.layers.Dropout(dropout)(vector)
    return Features(vector=vector)


def _graph(
    courses: Tensor,
    x: Tensor,
    edges: Edges,
    neighbours: int,
    coordinates: Any,
    places: NDArray[np.float64] | None,
) -> Any:
    """Return the edges: a tensor (batch or 1, regions, regions), or an array (regions, regions) that never changes."""
    regions = courses.shape[1]
    if edges == "learned":
        from voxtempo.networks.graph_layers import LearnedGraph

        return LearnedGraph()(x)
    if edges != "distance":
        return correlation_graph(courses, neighbours, absolute=edges == "absolute")
    points = places if coordinates is None else np.asarray(coordinates, np.float64)
    if points is None:
        raise StudyError(
            "network 'st_gcn': 'edges: distance' needs to know where the regions are. Prepare with 'parcellate', give "
            "'coordinates' (x, y, z of each region in mm), or use 'edges: correlation'."
        )
    if len(points) != regions:
        raise StudyError(
            f"network 'st_gcn': 'coordinates' has {len(points)} points, but the series has {regions} regions."
        )
    return distance_graph(points, neighbours)


def _block(
    x: Tensor,
    graph: Any,
    width: int,
    kernel: int,
    stride: int,
    importance: bool,
    context: bool,
    dropout: float,
    style: Style,
) -> Tensor:
    """Graph convolution, then convolution over time with a stride, added to a shortcut: (batch, regions, t, width)."""
    from voxtempo.networks.graph_layers import GraphMix

    bias = style.norm == "none"
    own, theirs = conv(x, width, kernel=1, bias=bias), conv(x, width, kernel=1)
    y = keras.layers.Add()([own, GraphMix(importance)(theirs, graph)])
    if context:
        y = y + conv(keras.ops.mean(x, axis=1, keepdims=True), width, kernel=1)
    y = style.activate(style.normalise(y))
    reach = 1 if x.shape[2] == 1 else kernel
    y = keras.layers.Conv2D(
        width, (1, reach), strides=(1, stride), padding="same", use_bias=bias, kernel_initializer="he_normal"
    )(y)
    y = style.normalise(y)
    if dropout > 0:
        y = keras.layers.Dropout(dropout)(y)
    shortcut = pool(x, (1, stride), "mean")
    if shortcut.shape[-1] != width:
        shortcut = conv(shortcut, width, kernel=1)
    return style.activate(keras.layers.Add()([y, shortcut]))
