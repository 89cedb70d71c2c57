"""The one interpolation: an affine map and a cubic B-spline displacement, for all channels, volumes and labels at once.

Written by hand because no library does it in one pass: scipy, SimpleITK and the frameworks resample one volume at a
time, each recomputing the same coordinates, and hold a dense displacement field of three floats a voxel in memory.
The spline is contracted axis by axis (once a plane, once a line, four knots a voxel) instead of 64 knots a voxel.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from voxtempo.compiled import compiled


@compiled(inline="always")
def _spline(position: float) -> tuple[int, float, float, float, float]:
    """Return the first of four knots and the weights of the uniform cubic B-spline at ``position`` (in knots)."""
    knot = math.floor(position)
    f = position - knot
    g = 1.0 - f
    return (
        knot,
        g * g * g / 6.0,
        (3.0 * f * f * f - 6.0 * f * f + 4.0) / 6.0,
        (3.0 * g * g * g - 6.0 * g * g + 4.0) / 6.0,
        f * f * f / 6.0,
    )


@compiled(error_model="numpy")
def warp_rows(
    image: NDArray[np.float32],
    shape: NDArray[np.int64],
    channels: int,
    matrix: NDArray[np.float64],
    offset: NDArray[np.float64],
    knots: NDArray[np.float64],
    rate: NDArray[np.float64],
    size: NDArray[np.int64],
    out: NDArray[np.float32],
    nearest: NDArray[np.uint32],
) -> None:
    """Fill ``out`` with ``image`` seen through ``input voxel = matrix @ output voxel + offset + spline``.

    Positions outside the grid take the value of its edge. One type signature serves every shape.

    Parameters
    ----------
    image : (t, x * y * z * c), read-only; ``shape`` is its (x, y, z).
    matrix, offset : (3, 3) and (3,), output voxels to input voxels.
    knots : (gx, gy, gz, 3) control displacements in input voxels; first axis 0 for none.
    rate : (3,) knots per output voxel along each axis.
    size : (3,) output voxels.
    out : (t, X * Y * Z * c), written.
    nearest : (X * Y * Z,), written: index of the nearest input voxel, for labels; length 0 for none.
    """
    depth = size[2]
    elastic = len(knots) > 0
    # With the directions first, what is contracted lies side by side in memory.
    gx, gy, gz = knots.shape[:3]
    solid = knots.transpose(3, 0, 1, 2).copy().reshape(3, gx, gy * gz)
    plane = np.zeros((3, gy * gz))
    planes = plane.reshape(3, gy, gz)
    line = np.zeros((3, gz))
    first = np.zeros(depth, np.int64)
    weight = np.zeros((4, depth))
    for k in range(depth):
        first[k], weight[0, k], weight[1, k], weight[2, k], weight[3, k] = _spline(k * rate[2])
    spans = np.searchsorted(first, np.arange(first[-1] + 2))
    position = np.empty((3, depth))
    corner = np.empty(depth, np.uint32)
    step = np.empty((3, depth), np.uint32)
    share = np.empty((3, depth), np.float32)
    for i in range(size[0]):
        if elastic:
            g, a, b, c, d = _spline(i * rate[0])
            for n in range(3):
                _contract(solid[n, g : g + 4], a, b, c, d, plane[n])
        for j in range(size[1]):
            if elastic:
                g, a, b, c, d = _spline(j * rate[1])
                for n in range(3):
                    _contract(planes[n, g : g + 4], a, b, c, d, line[n])
            for n in range(3):
                begin = matrix[n, 0] * i + matrix[n, 1] * j + offset[n]
                for k in range(depth):
                    position[n, k] = begin + matrix[n, 2] * k
                if elastic:
                    _bend(line, n, spans, weight, position)
            row = (i * size[1] + j) * depth
            _corners(position, shape, channels, corner, step, share, nearest, row)
            for t in range(image.shape[0]):
                for c in range(channels):
                    _interpolate(image, t, c, corner, step, share, out, row * channels + c, channels)


@compiled(inline="always")
def _contract(four: NDArray[np.float64], a: float, b: float, c: float, d: float, out: NDArray[np.float64]) -> None:
    for n in range(len(out)):
        out[n] = (a * four[0, n] + b * four[1, n]) + (c * four[2, n] + d * four[3, n])


@compiled(inline="always")
def _bend(
    line: NDArray[np.float64],
    n: int,
    spans: NDArray[np.int64],
    weight: NDArray[np.float64],
    position: NDArray[np.float64],
) -> None:
    """Add the spline of one line of knots to direction ``n``, a span between two of them at a time."""
    for g in range(len(spans) - 1):
        a, b, c, d = line[n, g], line[n, g + 1], line[n, g + 2], line[n, g + 3]
        for k in range(spans[g], spans[g + 1]):
            position[n, k] += (weight[0, k] * a + weight[1, k] * b) + (weight[2, k] * c + weight[3, k] * d)


@compiled(inline="always")
def _corners(
    position: NDArray[np.float64],
    shape: NDArray[np.int64],
    channels: int,
    corner: NDArray[np.uint32],
    step: NDArray[np.uint32],
    share: NDArray[np.float32],
    nearest: NDArray[np.uint32],
    row: int,
) -> None:
    """Write where each position's cell begins, the steps to its other corners, and how far along the position is."""
    depth = len(corner)
    labelled = len(nearest) > 0
    for n in range(3):
        last = shape[n] - 1
        edge = float(last)
        stride = np.uint32(shape[1] * shape[2] if n == 0 else shape[2] if n == 1 else 1)
        jump = np.uint32(stride * channels)
        for k in range(depth):
            x = position[n, k]
            x = x if x > 0.0 else 0.0
            x = x if x < edge else edge
            position[n, k] = x
            whole = np.int32(x)
            share[n, k] = np.float32(x - whole)
            step[n, k] = jump if whole < last else np.uint32(0)
            before = corner[k] if n > 0 else np.uint32(0)
            corner[k] = before + np.uint32(whole) * jump
        if labelled:
            for k in range(depth):
                before = nearest[row + k] if n > 0 else np.uint32(0)
                nearest[row + k] = before + np.uint32(np.int32(position[n, k] + 0.5)) * stride


@compiled(inline="always")
def _interpolate(
    image: NDArray[np.float32],
    t: int,
    c: int,
    corner: NDArray[np.uint32],
    step: NDArray[np.uint32],
    share: NDArray[np.float32],
    out: NDArray[np.float32],
    begin: int,
    channels: int,
) -> None:
    """Write one channel of a row of one volume."""
    for k in range(len(corner)):
        dx, dy, dz = step[0, k], step[1, k], step[2, k]
        fx, fy, fz = share[0, k], share[1, k], share[2, k]
        o = corner[k] + np.uint32(c)
        v = image[t, o]
        v00 = v + fz * (image[t, o + dz] - v)
        o += dy
        v = image[t, o]
        v01 = v + fz * (image[t, o + dz] - v)
        o += dx
        v = image[t, o]
        v11 = v + fz * (image[t, o + dz] - v)
        o -= dy
        v = image[t, o]
        v10 = v + fz * (image[t, o + dz] - v)
        v0 = v00 + fy * (v01 - v00)
        v1 = v10 + fy * (v11 - v10)
        out[t, begin + k * channels] = v0 + fx * (v1 - v0)


@compiled()
def take_nearest(label: NDArray[np.generic], nearest: NDArray[np.uint32], out: NDArray[np.generic]) -> None:
    """Fill ``out`` (n,) with the labels at ``nearest``; numpy's own ``take`` makes a copy of such an index first."""
    for n in range(len(nearest)):
        out[n] = label[nearest[n]]
