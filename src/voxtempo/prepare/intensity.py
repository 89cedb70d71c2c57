"""Where a set of intensities lies and how widely it is spread, without copies that grow with a series."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from voxtempo.scans import Scan
from voxtempo.scans.room import room

BLOCK = 1 << 21  # values looked at together
IQR = 1.3489795003921634  # interquartile range of a normal distribution with standard deviation 1

Method = Literal["zscore", "robust", "percentile", "minmax", "scale"]


def gathered(scan: Scan, channel: int, inside: NDArray[np.bool_] | None = None) -> NDArray[Any]:
    """Return a copy of the values (n,) of one channel as float32, of the voxels ``inside`` (x, y, z) if it is given."""
    count = scan.volumes * (int(np.count_nonzero(inside)) if inside is not None else scan.data[0, ..., channel].size)
    values = room((count,), np.float32)
    for part, volume in zip(values.reshape(scan.volumes, -1), scan.data, strict=True):
        part[...] = volume[..., channel].ravel() if inside is None else volume[..., channel][inside]
    return values


def centre_and_scale(
    values: NDArray[Any], method: Method, percentiles: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what becomes 0 and by what is divided, (n,) each, of the columns of ``values`` (m, n), whose order may change.

    Parameters
    ----------
    values : of which each column is looked at by itself.
    method : "zscore", "robust", "percentile" or "minmax", as in the step ``normalise``.
    percentiles : for method "percentile".
    """
    if method == "zscore":
        return _mean_and_deviation(values)
    if method == "minmax":
        low, high = values.min(axis=0).astype(np.float64), values.max(axis=0).astype(np.float64)
        return low, high - low
    if method == "robust":
        low, middle, high = np.percentile(values, (25, 50, 75), axis=0, overwrite_input=True).astype(np.float64)
        return middle, (high - low) / IQR
    low, high = np.percentile(values, percentiles, axis=0, overwrite_input=True).astype(np.float64)
    return low, high - low


def _mean_and_deviation(values: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both for the columns of (m, n) values, in double precision but without a copy in double precision."""
    mean = np.asarray(values.mean(axis=0, dtype=np.float64))
    rows = max(1, BLOCK // values.shape[1])
    squares = np.zeros_like(mean)
    for begin in range(0, values.shape[0], rows):
        squares += np.square(values[begin : begin + rows] - mean, dtype=np.float64).sum(axis=0)
    return mean, np.sqrt(squares / values.shape[0])
