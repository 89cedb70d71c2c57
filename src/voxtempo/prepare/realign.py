"""Rigid realignment of one volume to a reference: Gauss-Newton whose gradients are those of the reference, made once.

The reference is differentiated and the normal equations inverted a single time (the inverse compositional scheme of
Baker and Matthews, IJCV 56:221, 2004; SPM's realignment rests on the same idea, Friston et al., Human Brain Mapping
3:165, 1995). Each iteration reads the volume where the present motion puts the reference's voxels, weighs what does not
fit, and composes a small step. Two scales, coarse first, catch sudden motion of about 10 mm and 10 degrees.

Brightness and contrast of the volume are fitted along with the motion, so first volumes and drifts do not move it, and
residuals far beyond the noise (activation, spikes, eyes) lose their weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from voxtempo.prepare.foreground import otsu_threshold
from voxtempo.prepare.rigid import (
    HEAD_RADIUS,
    Matrix,
    centred_affine,
    rigid_matrix,
    rigid_parameters,
    small_motion,
    visible_motion,
)
from voxtempo.prepare.rigid_kernels import pull, residuals
from voxtempo.prepare.rigid_volume import padded, pooled, smoothed, splined
from voxtempo.scans import Geometry

FWHM = 2 * np.sqrt(2 * np.log(2))
SPLINE_VARIANCE = 1 / 3  # of a cubic B-spline, in squared voxels: what reading by B-splines smooths already
DEEP = 4  # voxels along an axis below which motion along it is not sought
MOST = 20_000  # voxels of the reference that are looked at; more do not make estimates better
FEWEST = 20
RIM = 2  # voxels around the head that are looked at too: its edge tells most
BROAD = 3.0  # robust scale, in standard deviations of the residuals
SPARSE = 4  # every so many residuals tell their spread
DIM = 0.02  # a volume with less than this share of the reference's contrast shows nothing


@dataclass(frozen=True)
class Scale:
    """At what scale to look: voxels are averaged until they have ``voxel`` mm, then smoothed to ``width`` mm (FWHM).

    At most ``iterations`` are made, until a step moves the head by less than ``settled`` mm.
    """

    voxel: float
    width: float
    iterations: int
    settled: float


SCALES = (Scale(8.0, 12.0, 40, 0.05), Scale(0.0, 5.0, 30, 0.003))


@dataclass(frozen=True, eq=False)
class Level:
    """The reference at one scale, with all that does not change from volume to volume.

    Parameters
    ----------
    scale : which.
    pool : voxels averaged along each axis.
    sigma : (3,) of the Gaussian, in averaged voxels.
    affine : (4, 4), averaged voxels to mm from the middle of the grid.
    positions : (n, 3) float32, the averaged voxels looked at.
    values : (n,) float32, the reference there, with mean 0 and standard deviation 1.
    slopes : (n, k + 2) float32, its change with each visible motion, with contrast and with brightness.
    inverse : (k + 2, k + 2), of the normal equations.
    basis : (6, k), the visible motions.
    centre, spread : mean and standard deviation of the reference at ``positions``.
    """

    scale: Scale
    pool: tuple[int, int, int]
    sigma: NDArray[np.float64]
    affine: Matrix
    positions: NDArray[np.float32]
    values: NDArray[np.float32]
    slopes: NDArray[np.float32]
    inverse: NDArray[np.float64]
    basis: NDArray[np.float64]
    centre: float
    spread: float


def levels_of(reference: NDArray[Any], geometry: Geometry) -> tuple[Level, ...]:
    """Return the reference (x, y, z) at each scale, coarse first; none if there is nothing in it to hold on to."""
    basis = visible_motion(geometry, DEEP)
    made = [_level(reference, geometry, scale, basis) for scale in SCALES] if basis.size else []
    return tuple(level for level in made if level is not None)


def realign(volume: NDArray[Any], levels: tuple[Level, ...], start: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the six parameters of one volume (x, y, z), sought from the parameters ``start``."""
    matrix = rigid_matrix(start)
    for level in levels:
        matrix = _descend(level, padded(smoothed(pooled(volume, level.pool), level.sigma)), matrix)
    return rigid_parameters(matrix)


def _descend(level: Level, moving: NDArray[np.float32], matrix: Matrix) -> Matrix:
    """Return the (4, 4) motion at which a padded volume fits the reference best, at one scale."""
    gain, offset = level.spread, level.centre
    found = np.empty(len(level.values), np.float32)
    total = np.empty(level.slopes.shape[1])
    back = np.linalg.inv(level.affine)
    k = level.basis.shape[1]
    for _ in range(level.scale.iterations):
        mapping = back @ matrix @ level.affine
        inside = residuals(moving, mapping, level.positions, level.values, gain, offset, found)
        if inside < max(FEWEST, len(found) // 4):
            break
        spread = 1.4826 * float(np.nanmedian(np.abs(found[::SPARSE])))
        weight = pull(level.slopes, found, BROAD * max(spread, 1e-6 * level.spread), total)
        step = level.inverse @ total * (len(found) / weight / gain)
        offset += gain * step[k + 1]
        gain += gain * step[k]
        if gain < DIM * level.spread:
            break
        motion = level.basis @ step[:k]
        matrix = matrix @ small_motion(-motion)
        if np.abs(motion[:3]).sum() + HEAD_RADIUS * np.abs(motion[3:]).sum() < level.scale.settled:
            break
    return matrix


def _level(reference: NDArray[Any], geometry: Geometry, scale: Scale, basis: NDArray[np.float64]) -> Level | None:
    pool = pooling(geometry, scale.voxel)
    affine = centred_affine(geometry)
    affine[:3, 3] += affine[:3, :3] @ ((np.array(pool) - 1) / 2)
    affine[:3, :3] *= pool
    spacing = np.array(geometry.spacing) * pool
    sigma = np.sqrt(np.maximum((scale.width / FWHM / spacing) ** 2 - SPLINE_VARIANCE, 0))
    seen = splined(smoothed(pooled(reference, pool), sigma))
    places = head_voxels(seen)
    values = seen[tuple(places.T)].astype(np.float64)
    if len(places) < FEWEST or not values.std() > 0:
        return None
    centre, spread = float(values.mean()), float(values.std())
    values = (values - centre) / spread
    slopes = np.column_stack([_slopes(seen, affine, places) @ basis / spread, values, np.ones(len(values))])
    return Level(
        scale, pool, sigma, affine, places.astype(np.float32), values.astype(np.float32), slopes.astype(np.float32),
        np.linalg.pinv(slopes.T @ slopes, rcond=1e-9, hermitian=True), basis, centre, spread,
    )  # fmt: skip


def _slopes(seen: NDArray[np.float32], affine: Matrix, places: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the reference's change (n, 6) along each world axis (a mm) and about each (a radian)."""
    slope = np.zeros((len(places), 3))
    for axis, size in enumerate(seen.shape):
        if size > 1:
            slope[:, axis] = np.gradient(seen, axis=axis)[tuple(places.T)]
    slope = slope @ np.linalg.inv(affine[:3, :3])
    return np.hstack([slope, np.cross(places @ affine[:3, :3].T + affine[:3, 3], slope)])


def head_voxels(seen: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the voxels (n, 3) of the head and its rim, at most ``MOST`` drawn evenly, in the order of the array."""
    threshold = otsu_threshold(seen)
    if threshold is None:
        return np.empty((0, 3), np.int64)
    places = np.argwhere(ndimage.binary_dilation(seen > threshold, iterations=RIM))
    if len(places) > MOST:
        places = places[np.sort(np.random.default_rng(0).choice(len(places), MOST, replace=False))]
    return places


def pooling(geometry: Geometry, voxel: float) -> tuple[int, int, int]:
    """Return how many voxels to average along each axis so that they reach ``voxel`` mm and 8 of them stay."""
    x, y, z = (
        max(1, min(int(voxel / s + 1e-6), n // 8)) for s, n in zip(geometry.spacing, geometry.shape, strict=True)
    )
    return x, y, z
