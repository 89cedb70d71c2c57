"""Series as graphs: which regions there are, how their courses go together, and who is whose neighbour.

Everything that depends on a sample is computed within the network, in float32, from the sample's own courses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from voxtempo.networks.blocks import space
from voxtempo.networks.fold_time import fold_time
from voxtempo.networks.keras_seam import Tensor, keras

SMALLEST = 1e-6  # added to variances, so that a region without any has no correlation and finite gradients
ROUNDING = 1e-10  # variance, as a share of the squared mean, that may be float32 rounding of a constant


def cell_side(sizes: Sequence[int], cells: int) -> int:
    """Return the smallest side, in voxels, of cubes of which at most ``cells`` cover a grid.

    >>> cell_side((64, 64, 36), 200), cell_side((100, 1, 1), 200)
    (10, 1)
    """
    side = 1
    while math.prod(math.ceil(n / side) for n in sizes) > cells:
        side += 1
    return side


def as_regions(series: Tensor, cells: int) -> tuple[Tensor, NDArray[np.float64] | None]:
    """Return the courses of regions, (batch, regions, t, channels), and their places on the grid where it is one of space.

    A series whose y and z have one voxel holds regions already, as ``parcellate`` leaves them; nobody knows their places
    (None). The volumes of any other are averaged over cubes, at most ``cells`` of them, whose places (cells, 3) are voxels.
    """
    _, volumes, *sizes, channels = series.shape
    if sizes[1] == sizes[2] == 1:
        courses = keras.ops.reshape(series, (-1, volumes, sizes[0], channels))
        return keras.ops.transpose(courses, (0, 2, 1, 3)), None
    side = cell_side(sizes, cells)
    stride = tuple(min(side, n) for n in sizes)
    volume = fold_time(series)
    if side > 1:
        volume = keras.ops.average_pool(volume, stride, stride, "same")
    grid = space(volume)
    places = np.indices(grid).reshape(3, -1).T.astype(np.float64) * stride
    courses = keras.ops.reshape(volume, (-1, volumes, math.prod(grid), channels))
    return keras.ops.transpose(courses, (0, 2, 1, 3)), places


def standardise(courses: Tensor) -> Tensor:
    """Return (batch, regions, t, channels) with mean 0 and variance 1 over time; a constant course becomes 0."""
    mean = keras.ops.mean(courses, axis=2, keepdims=True)
    rest = courses - mean
    variance = keras.ops.mean(keras.ops.square(rest), axis=2, keepdims=True)
    return rest * keras.ops.rsqrt(variance + SMALLEST + ROUNDING * keras.ops.square(mean))


def correlation(courses: Tensor, lag: int = 0) -> Tensor:
    """Return how each region goes together with each region ``lag`` volumes later, (batch, channels, regions, regions).

    Entry (i, j) is the mean over time of i(t) j(t + lag), both standardised over the whole window; 0 for a lag as long as
    the window, and for a region whose course is constant. Without a lag it is Pearson's correlation.
    """
    volumes = courses.shape[2]
    if lag >= volumes:
        return keras.ops.zeros_like(correlation(courses))
    course = keras.ops.transpose(standardise(courses), (0, 3, 1, 2))
    later = keras.ops.transpose(course[..., lag:], (0, 1, 3, 2))
    return keras.ops.matmul(course[..., : volumes - lag], later) / volumes


def partial_correlation(courses: Tensor, shrinkage: float) -> Tensor:
    """Return how two regions go together beyond what all others explain, (batch, channels, regions, regions).

    The inverse of the correlation matrix, scaled; the diagonal is 1. Windows are short, so the matrix is drawn towards
    the identity first: (1 - shrinkage) C + shrinkage I, which can always be inverted.
    """
    identity = np.eye(courses.shape[1], dtype=np.float32)
    drawn = keras.ops.add((1 - shrinkage) * correlation(courses), shrinkage * identity)
    precision = keras.ops.inv(drawn)
    scale = keras.ops.rsqrt(keras.ops.sum(keras.ops.multiply(precision, identity), axis=-1))
    partial = -precision * scale[..., None] * scale[..., None, :]
    return keras.ops.add(keras.ops.multiply(partial, 1 - identity), identity)


def correlation_graph(courses: Tensor, neighbours: int, absolute: bool = False) -> Tensor:
    """Return the weights of edges to the most correlated regions, (batch, regions, regions), symmetrically normalised.

    Each region has edges to the ``neighbours`` regions with the highest positive (or absolute) correlation, averaged over
    channels. An edge weighs what its correlation has over that of the strongest one left out: a weight fades to 0 before
    its edge goes, so the answer does not jump where two correlations change places. No region is its own neighbour.
    """
    regions = courses.shape[1]
    strength = correlation(courses)
    strength = keras.ops.abs(strength) if absolute else keras.ops.relu(strength)
    strength = keras.ops.multiply(keras.ops.mean(strength, axis=1), 1 - np.eye(regions, dtype=np.float32))
    if neighbours < regions - 1:
        strongest, _ = keras.ops.top_k(strength, neighbours + 1)
        strength = keras.ops.relu(strength - strongest[..., -1:])
    strength = (strength + keras.ops.transpose(strength, (0, 2, 1))) / 2
    scale = keras.ops.rsqrt(keras.ops.sum(strength, axis=-1) + SMALLEST)
    return strength * scale[..., None] * scale[..., None, :]


def distance_graph(places: Sequence[Sequence[float]] | NDArray[np.float64], neighbours: int) -> NDArray[np.float32]:
    """Return the weights of edges to the nearest regions, (regions, regions), symmetrically normalised.

    A weight is a Gaussian of the distance, whose width is the mean distance of neighbours.

    >>> distance_graph([(0, 0, 0), (1, 0, 0), (3, 0, 0)], 1).astype(float).round(2).tolist()
    [[0.0, 0.84, 0.0], [0.84, 0.0, 0.55], [0.0, 0.55, 0.0]]
    """
    points = np.asarray(places, np.float64)
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    count = min(neighbours, len(points) - 1)
    if count == 0:
        return np.zeros((1, 1), np.float32)
    near = distance <= np.partition(distance, count - 1, axis=1)[:, count - 1 : count]
    width = max(float(distance[near].mean()), 1e-6)
    weight = np.where(near, np.exp(-0.5 * (np.where(near, distance, 0) / width) ** 2), 0)
    weight = np.maximum(weight, weight.T)
    scale = 1 / np.sqrt(weight.sum(axis=1))
    return (weight * scale[:, None] * scale).astype(np.float32)
