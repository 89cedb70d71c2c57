"""A volume made ready to be read between its voxels: averaged, smoothed, padded; and read once where it moved to."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from voxtempo.prepare import rigid_kernels as kernels

Interpolation = Literal["spline", "catmull_rom", "linear"]
KINDS = {"spline": kernels.SPLINE, "catmull_rom": kernels.CATMULL_ROM, "linear": kernels.LINEAR}

Volume = NDArray[np.float32]


def pooled(volume: NDArray[Any], pool: tuple[int, int, int]) -> Volume:
    """Return means over blocks of a volume (x, y, z); what does not fill a block at the far end is left out.

    >>> pooled(np.arange(10.0).reshape(5, 2, 1), (2, 2, 1)).ravel().tolist()
    [1.5, 5.5]
    """
    result: Volume = np.ascontiguousarray(volume, dtype=np.float32)
    for axis, size in enumerate(pool):
        if size > 1:
            lead = (slice(None),) * axis
            end = result.shape[axis] // size * size
            total = result[(*lead, slice(0, end, size))].copy()
            for place in range(1, size):
                total += result[(*lead, slice(place, end, size))]
            result = total / np.float32(size)
    return np.ascontiguousarray(result)


def smoothed(volume: Volume, sigma: NDArray[np.float64]) -> Volume:
    """Return a contiguous volume (x, y, z) after a Gaussian of ``sigma`` (3,) voxels along each axis, edges repeated."""
    shape = volume.shape
    for axis, width in enumerate(sigma):
        if shape[axis] > 1 and width > 0.1:
            reach = max(1, int(np.ceil(3 * width)))
            weights = np.exp(-0.5 * (np.arange(reach + 1) / width) ** 2)
            weights /= 2 * weights.sum() - weights[0]
            volume = _along(volume, axis, weights)
    return volume


def splined(volume: Volume) -> Volume:
    """Return what cubic B-splines with the voxels as coefficients give at the voxels: a smoothing by 1, 4, 1 sixths."""
    for axis, size in enumerate(volume.shape):
        if size > 1:
            volume = _along(volume, axis, np.array([4 / 6, 1 / 6]))
    return volume


def padded(volume: NDArray[Any], mirrored: bool = False) -> Volume:
    """Return (x + 3, y + 3, z + 3) with a voxel more before and two more behind: the edge's, or mirrored ones."""
    shape = volume.shape
    result = np.empty([size + 3 for size in shape], np.float32)
    result[1:-2, 1:-2, 1:-2] = volume
    for axis, size in enumerate(shape):
        lead = (slice(None),) * axis
        sources = [abs(-1) % size, max(size - 2, 0), max(size - 3, 0)] if mirrored else [0, size - 1, size - 1]
        for place, source in zip((0, size + 1, size + 2), sources, strict=True):
            result[(*lead, place)] = result[(*lead, source + 1)]
    return result


def moved(volume: NDArray[Any], mapping: NDArray[np.float64], interpolation: Interpolation, target: Volume) -> None:
    """Fill ``target`` (x, y, z) with the volume (x, y, z) at affinely mapped positions; beyond the edge, its value.

    Parameters
    ----------
    volume : of any type.
    mapping : (4, 4), voxels of ``target`` to voxels of ``volume``.
    interpolation : "spline" (cubic B-splines through the voxels), "catmull_rom" or "linear".
    target : overwritten.
    """
    if interpolation == "spline":
        coefficients = np.array(volume, dtype=np.float32, order="C")
        for axis in range(3):
            kernels.spline_lines(coefficients.reshape(_lines(coefficients.shape, axis)))
        ready = padded(coefficients, mirrored=True)
    else:
        ready = padded(volume)
    kernels.resample(ready, np.ascontiguousarray(mapping), KINDS[interpolation], target)


def _along(volume: Volume, axis: int, weights: NDArray[np.float64]) -> Volume:
    target = np.empty(_lines(volume.shape, axis), np.float32)
    kernels.smooth_lines(volume.reshape(target.shape), weights.astype(np.float32), target)
    return target.reshape(volume.shape)


def _lines(shape: tuple[int, ...], axis: int) -> tuple[int, int, int]:
    """Return the shape (before, axis, after) in which an axis of a contiguous volume is the middle one."""
    return int(np.prod(shape[:axis])), shape[axis], int(np.prod(shape[axis + 1 :]))
