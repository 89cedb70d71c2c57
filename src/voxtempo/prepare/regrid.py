"""From any grid onto any other, through the world: the one function every geometric step and the way back use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from voxtempo.errors import GeometryError
from voxtempo.prepare import interpolation
from voxtempo.scans import Geometry, Scan
from voxtempo.scans.room import room

EXACT = 1e-3  # voxels: a mapping this close to whole voxels everywhere in the grid is taken as whole voxels
FWHM = 2 * np.sqrt(2 * np.log(2))  # full width at half maximum of a Gaussian with sigma 1
LARGEST = 2**31  # voxels in one volume; more is a slip in a spacing or a shape

Mapping = NDArray[np.float64]


def regrid(
    scan: Scan,
    geometry: Geometry,
    order: int | None = None,
    fill: float | Sequence[float] = 0.0,
    antialias: bool = True,
) -> Scan:
    """Return ``scan`` seen on the grid ``geometry``, all time points and channels.

    Where the two grids differ by flips, permutations and whole voxels only (a crop, a pad, a reorientation), voxels are
    moved and nothing is computed: bit exact, the type is kept. Otherwise intensities are interpolated linearly to
    float32 and labels take their nearest voxel. A position is inside when it lies in the box of some voxel, so grids
    over one box have no border of fill and a slice (z = 1) has its thickness.

    Parameters
    ----------
    scan : (t, x, y, z, c).
    geometry : the grid wanted, anywhere in the same world.
    order : 1 linear, 0 nearest; None is linear for intensities and nearest for labels.
    fill : what stands outside the scan; one value, or one for each channel.
    antialias : smooth before an axis gets coarser, by the Gaussian that turns the old voxel's width into the new one's
        (Cardoso et al. 2015, "Scale factor point spread function matching"). Never along an axis of one voxel, and
        never for nearest.

    Returns
    -------
    Scan on ``geometry``; repetition time, kind and channels are kept.

    Raises
    ------
    GeometryError : linear interpolation of labels; a fill that the voxel type cannot hold; a grid beyond 2^31 voxels.
    """
    order = _order(scan, order)
    if float(np.prod(np.asarray(geometry.shape, dtype=np.float64))) > LARGEST:
        raise GeometryError(f"a grid of {geometry.shape} has over 2^31 voxels: ask for larger ones or a smaller shape")
    mapping = geometry.mapping_to(scan.geometry)
    move = _whole_voxels(mapping, geometry.shape)
    if move is not None:
        return scan.with_data(_moved(scan.data, move, geometry.shape, _fill(fill, scan, scan.data.dtype)), geometry)
    dtype = np.dtype(np.float32) if order == 1 else scan.data.dtype
    target = room((scan.volumes, *geometry.shape, scan.data.shape[4]), dtype)
    kernel = interpolation.linear if order == 1 else interpolation.nearest
    outside = _fill(fill, scan, dtype)
    for time in range(scan.volumes):
        source = scan.data[time : time + 1].astype(dtype, copy=False)
        if order == 1 and antialias:
            source = _smoothed(source, _widths(mapping))
        kernel(np.ascontiguousarray(source), np.ascontiguousarray(mapping), outside, target[time : time + 1])
    return scan.with_data(target, geometry)


def to_native(scan: Scan, native: Geometry, fill: float | Sequence[float] = 0.0) -> Scan:
    """Return something on the prepared grid (probabilities, a label map, a series) on the grid it came from.

    All geometric steps are undone at once, through the affines: linear for intensities, nearest for labels.

    Parameters
    ----------
    scan : (t, x, y, z, c) on the prepared grid; class probabilities have a channel each.
    native : the grid before preparation.
    fill : what stands where the prepared grid did not reach (cropped away); one value or one a channel, such as
        (1, 0, 0) for probabilities whose first channel is the background.
    """
    return regrid(scan, native, fill=fill)


def _order(scan: Scan, order: int | None) -> int:
    if order is None:
        return 0 if scan.kind == "label" else 1
    if order not in (0, 1):
        raise GeometryError(f"interpolation order is 0 (nearest) or 1 (linear), found {order}")
    if order > 0 and scan.kind == "label":
        raise GeometryError(f"{scan.source or 'a label map'}: labels cannot be interpolated; use order 0 (nearest)")
    return order


def _fill(fill: float | Sequence[float], scan: Scan, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the fill of every channel, (c,), refusing values that ``dtype`` would change."""
    wanted = np.broadcast_to(np.asarray(fill, dtype=np.float64), (scan.data.shape[4],))
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        if not ((wanted == np.rint(wanted)) & (wanted >= limits.min) & (wanted <= limits.max)).all():
            raise GeometryError(f"{scan.source or 'a scan'} holds {dtype}, which cannot hold the fill {fill}")
    return wanted.astype(dtype)


def _whole_voxels(mapping: Mapping, shape: tuple[int, int, int]) -> tuple[list[int], list[int], list[int]] | None:
    """Return for each axis of the new grid (old axis, direction, old index of its voxel 0), or None if voxels mix."""
    turn, shift = np.rint(mapping[:3, :3]), np.rint(mapping[:3, 3])
    size = np.abs(turn)
    if not ((size.sum(axis=0) == 1).all() and (size.sum(axis=1) == 1).all()):
        return None
    reach = np.asarray(shape, dtype=np.float64) - 1
    drift = np.abs(mapping[:3, :3] - turn) @ reach + np.abs(mapping[:3, 3] - shift)
    if drift.max() > EXACT:
        return None
    axes = [int(a) for a in size.argmax(axis=0)]
    return axes, [int(turn[a, j]) for j, a in enumerate(axes)], [int(shift[a]) for a in axes]


def _moved(
    data: NDArray[Any],
    move: tuple[list[int], list[int], list[int]],
    shape: tuple[int, int, int],
    fill: NDArray[Any],
) -> NDArray[Any]:
    axes, directions, offsets = move
    turned = data.transpose(0, *(1 + a for a in axes), 4)
    taken, placed = [], []
    for wanted, there, direction, offset in zip(shape, turned.shape[1:4], directions, offsets, strict=True):
        first, last = (-offset, there - 1 - offset) if direction > 0 else (offset - there + 1, offset)
        low = min(max(first, 0), wanted)
        high = max(min(last + 1, wanted), low)
        placed.append(slice(low, high))
        begin, end = offset + direction * low, offset + direction * high
        taken.append(slice(begin, end if end >= 0 else None, direction) if high > low else slice(0, 0))
    piece = turned[(slice(None), *taken)]
    if piece.shape[1:4] == shape:
        if piece.flags.c_contiguous:
            return piece
        placed = [slice(None)] * 3
    target = room((data.shape[0], *shape, data.shape[4]), data.dtype)
    for moved, volume in zip(target, piece, strict=True):
        if volume.shape[:3] != shape:
            moved[...] = fill
        moved[tuple(placed)] = volume
    return target


def _widths(mapping: Mapping) -> NDArray[np.float64]:
    """Return the standard deviation (3,), in old voxels, of the Gaussian that makes old voxels as wide as new ones."""
    factor: NDArray[np.float64] = np.linalg.norm(mapping[:3, :3], axis=1)
    return np.sqrt(np.maximum(factor**2 - 1, 0)) / FWHM


def _smoothed(data: NDArray[Any], widths: NDArray[np.float64]) -> NDArray[Any]:
    for axis, sigma in enumerate(widths, start=1):
        if data.shape[axis] > 1 and sigma > 0.125:  # narrower ones reach no neighbour
            data = gaussian_filter1d(data, float(sigma), axis=axis, mode="nearest")
    return data
