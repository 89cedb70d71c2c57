"""Marchenko-Pastur PCA: what in the courses of a neighbourhood is more than noise can be.

Of a patch of m voxels and t volumes, noise alone gives eigenvalues that follow the Marchenko-Pastur law, whose width
follows from its level. Whatever stands above it is signal and is kept, the rest is dropped (Veraart et al., NeuroImage
142:394, 2016; the level as estimated by Cordero-Grande et al., NeuroImage 200:391, 2019). Overlapping patches are averaged,
those of fewer components counting more (Manjón et al., PLoS ONE 8:e73021, 2013). Written by hand: MRtrix is no library for
Python, and DIPY would be needed for this alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxtempo.scans.room import room

Box = tuple[slice, slice, slice]


def patches(shape: tuple[int, int, int], size: int) -> Iterator[Box]:
    """Yield boxes of ``size`` voxels a side (fewer along a shorter axis) that overlap by almost half and cover ``shape``.

    >>> [box[0].start for box in patches((12, 5, 1), 5)]
    [0, 3, 6, 7]
    """
    starts = []
    for length in shape:
        last = max(length - size, 0)
        starts.append(sorted({*range(0, last, size // 2 + 1), last}))
    for x, y, z in product(*starts):
        yield slice(x, x + size), slice(y, y + size), slice(z, z + size)


def components_above_noise(eigenvalues: NDArray[np.float64], short: int, long: int) -> tuple[int, float]:
    """Return how many of a matrix's components are more than noise, and the noise's standard deviation.

    Parameters
    ----------
    eigenvalues : (short,) of X X', ascending, X of shape (short, long).

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(0, 3, (60, 200))
    >>> signal = np.outer(np.arange(60.0), np.sin(np.arange(200)))
    >>> count, level = components_above_noise(np.linalg.eigvalsh((noise + signal) @ (noise + signal).T), 60, 200)
    >>> count, round(level, 1)
    (1, 3.0)
    """
    values = np.maximum(eigenvalues, 0)
    count = np.arange(1, short + 1)
    width = long - (short - count)  # what the signal's components leave of the longer side
    by_mean = np.cumsum(values) / (count * width)
    by_range = (values - values[0]) / (4 * np.sqrt(count * width))
    noise = int(np.flatnonzero(by_range <= by_mean)[-1]) + 1
    return short - noise, float(np.sqrt(by_mean[noise - 1]))


def denoise_patch(courses: NDArray[np.float64]) -> tuple[NDArray[np.float64], int, float]:
    """Return courses (t, m) without their noise, how many components they have, and the noise's standard deviation."""
    volumes, voxels = courses.shape
    by_time = volumes <= voxels
    values, vectors = np.linalg.eigh(courses @ courses.T if by_time else courses.T @ courses)
    count, noise = components_above_noise(values, min(volumes, voxels), max(volumes, voxels))
    kept = vectors[:, len(values) - count :]
    return (kept @ (kept.T @ courses) if by_time else (courses @ kept) @ kept.T), count, noise


def denoise_series(data: NDArray[Any], size: int) -> NDArray[np.float32]:
    """Return a series (t, x, y, z, c) without its noise, each channel by itself; float32, in ``room``."""
    result = room(data.shape, np.float32)
    for volume in result:
        volume[...] = 0
    weights = np.zeros(data.shape[1:], dtype=np.float32)
    for box in patches(data.shape[1:4], size):
        for channel in range(data.shape[4]):
            place = (slice(None), *box, channel)
            courses = data[place].reshape(data.shape[0], -1).astype(np.float64)
            if not courses.any():
                continue
            clean, count, _ = denoise_patch(courses)
            weight = 1 / (1 + count)
            result[place] += (weight * clean).reshape(result[place].shape)
            weights[(*box, channel)] += np.float32(weight)
    weights[weights == 0] = 1
    for volume in result:
        volume /= weights
    return result


def noise_of(data: NDArray[Any], size: int, channel: int, most: int = 100) -> float | None:
    """Return the median of the noise's standard deviation in one channel over some patches; None if all is 0."""
    boxes = list(patches(data.shape[1:4], size))
    found = []
    for box in boxes[:: max(1, len(boxes) // most)]:
        courses = data[(slice(None), *box, channel)].reshape(data.shape[0], -1).astype(np.float64)
        if courses.any():
            found.append(denoise_patch(courses)[2])
    return float(np.median(found)) if found else None
