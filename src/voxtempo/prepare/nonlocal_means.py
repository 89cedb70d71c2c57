"""Non-local means: every voxel becomes an average of such as lie in similar surroundings.

Buades, Coll, Morel, Multiscale Modeling and Simulation 4:490, 2005, with weights that discount the noise in a comparison
(Buades, Coll, Morel, Image Processing On Line 1:208, 2011), in 3D as Coupé et al., IEEE Transactions on Medical Imaging
27:425, 2008. Written by hand: no library that VoxTempo needs has it in 3D. All voxels are compared with their neighbours
at one distance at once, so that patches cost a box filter.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, uniform_filter

from voxtempo.prepare.foreground import region
from voxtempo.scans import Scan

PATCH = 3  # voxels a side of the surroundings that are compared
DIFFERENT = 1.0  # standard deviations of the noise between the means of patches that are not compared any more
NORMAL = 0.6744897501960817  # median of the absolute value of a standard normal variable
SAMPLE = 2_000_000  # differences that tell the level of the noise


def denoise_volume(volume: NDArray[np.float32], noise: float, search: int) -> NDArray[np.float32]:
    """Return a volume (x, y, z) with its noise averaged out; the weight of a voxel itself is 1.

    Parameters
    ----------
    volume : float32.
    noise : its standard deviation; 0 leaves the volume as it is.
    search : voxels a side of the box in which similar surroundings are sought, odd. An axis of one voxel is left alone.
    """
    if noise <= 0:
        return volume
    patch = [1 if size == 1 else PATCH for size in volume.shape]
    means = uniform_filter(volume, patch, mode="nearest")
    total, weights = volume.copy(), np.ones_like(volume)
    reach = [0 if size == 1 else search // 2 for size in volume.shape]
    offsets = list(product(*(range(-r, r + 1) for r in reach)))
    for offset in offsets[len(offsets) // 2 + 1 :]:  # the others are these, seen from the other end
        if any(abs(o) >= size for o, size in zip(offset, volume.shape, strict=True)):
            continue
        here = tuple(slice(max(0, -o), size - max(0, o)) for o, size in zip(offset, volume.shape, strict=True))
        there = tuple(slice(max(0, o), size + min(0, o)) for o, size in zip(offset, volume.shape, strict=True))
        apart = uniform_filter((volume[here] - volume[there]) ** 2, patch, mode="nearest")
        apart = np.maximum(apart / np.float32(noise**2) - 2, 0)  # noise alone makes two
        weight = np.exp(-apart)
        weight[np.abs(means[here] - means[there]) > DIFFERENT * noise] = 0
        for one, other in ((here, there), (there, here)):
            total[one] += weight * volume[other]
            weights[one] += weight
    return total / weights


def noise_of(scan: Scan, channel: int) -> float:
    """Return the standard deviation of the noise: of a series from one volume to the next, else between neighbours.

    Medians are taken over the foreground, so that edges and activity count for little.
    """
    inside = region(scan, "foreground")[..., channel]
    if not inside.any():
        inside = np.ones_like(inside)
    if scan.is_series:
        chosen = np.flatnonzero(inside)[:: max(1, inside.sum() * scan.volumes // SAMPLE)]
        courses = np.stack([volume[..., channel].reshape(-1)[chosen] for volume in scan.data]).astype(np.float64)
        return float(np.median(np.abs(np.diff(courses, axis=0))) / NORMAL / np.sqrt(2))
    volume = scan.volume(0, channel).astype(np.float64)
    around = np.zeros_like(volume)
    axes = [axis for axis, size in enumerate(volume.shape) if size > 1]
    for axis in axes:
        padded = np.pad(volume, [(1, 1) if a == axis else (0, 0) for a in range(3)], mode="edge")
        size = volume.shape[axis]
        around += np.take(padded, range(size), axis) + np.take(padded, range(2, size + 2), axis)
    count = 2 * len(axes)
    rest = (volume - around / max(count, 1)) / np.sqrt(1 + 1 / max(count, 1))
    near = np.ones([1 if size == 1 else 3 for size in inside.shape], dtype=bool)
    deep = binary_erosion(inside, near)  # the surface of the head differs from the air by more than noise
    return float(np.median(np.abs(rest[deep if deep.any() else inside])) / NORMAL) if axes else 0.0
