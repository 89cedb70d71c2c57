"""The one interpolation: an affine map and a cubic B-spline displacement, for all channels, volumes and labels at once.

Written by hand because no library does it in one pass: scipy, SimpleITK and the frameworks resample one volume at a
time, each recomputing the same coordinates, and hold a dense displacement field of three floats a voxel in memory.
The spline is contracted axis by axis (once a plane, once a line, four knots a voxel) instead of 64 knots a voxel.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(nogil=True, cache=True, inline="always")
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


@njit(nogil=True, cache=True, inline="always")
def _clamp(position: float, last: int) -> float:
    return min(max(position, 0.0), float(last))


@njit(nogil=True, cache=True, error_model="numpy")
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
    nearest: NDArray[np.int64],
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
    nx, ny, nz = shape[0], shape[1], shape[2]
    depth = size[2]
    elastic = knots.shape[0] > 0
    labelled = nearest.shape[0] > 0
    gy, gz = knots.shape[1], knots.shape[2]
    plane = np.zeros((gy, gz, 3))
    line = np.zeros((gz, 3))
    first = np.zeros(depth, np.int64)
    weight = np.zeros((depth, 4))
    for k in range(depth):
        first[k], weight[k, 0], weight[k, 1], weight[k, 2], weight[k, 3] = _spline(k * rate[2])
    base = np.empty(depth, np.int64)
    dx = np.empty(depth, np.int64)
    dy = np.empty(depth, np.int64)
    dz = np.empty(depth, np.int64)
    fx = np.empty(depth, np.float32)
    fy = np.empty(depth, np.float32)
    fz = np.empty(depth, np.float32)
    for i in range(size[0]):
        if elastic:
            g, a, b, c, d = _spline(i * rate[0])
            for p in range(gy):
                for q in range(gz):
                    for n in range(3):
                        near = a * knots[g, p, q, n] + b * knots[g + 1, p, q, n]
                        plane[p, q, n] = near + c * knots[g + 2, p, q, n] + d * knots[g + 3, p, q, n]
        for j in range(size[1]):
            if elastic:
                g, a, b, c, d = _spline(j * rate[1])
                for q in range(gz):
                    for n in range(3):
                        near = a * plane[g, q, n] + b * plane[g + 1, q, n]
                        line[q, n] = near + c * plane[g + 2, q, n] + d * plane[g + 3, q, n]
            row = (i * size[1] + j) * depth
            for k in range(depth):
                x = matrix[0, 0] * i + matrix[0, 1] * j + matrix[0, 2] * k + offset[0]
                y = matrix[1, 0] * i + matrix[1, 1] * j + matrix[1, 2] * k + offset[1]
                z = matrix[2, 0] * i + matrix[2, 1] * j + matrix[2, 2] * k + offset[2]
                if elastic:
                    g = first[k]
                    for n in range(4):
                        w = weight[k, n]
                        x += w * line[g + n, 0]
                        y += w * line[g + n, 1]
                        z += w * line[g + n, 2]
                x, y, z = _clamp(x, nx - 1), _clamp(y, ny - 1), _clamp(z, nz - 1)
                ix, iy, iz = int(x), int(y), int(z)
                base[k] = ((ix * ny + iy) * nz + iz) * channels
                dx[k] = ny * nz * channels if ix < nx - 1 else 0
                dy[k] = nz * channels if iy < ny - 1 else 0
                dz[k] = channels if iz < nz - 1 else 0
                fx[k], fy[k], fz[k] = np.float32(x - ix), np.float32(y - iy), np.float32(z - iz)
                if labelled:
                    nearest[row + k] = (int(x + 0.5) * ny + int(y + 0.5)) * nz + int(z + 0.5)
            for t in range(image.shape[0]):
                for k in range(depth):
                    for c in range(channels):
                        o = base[k] + c
                        v00 = image[t, o] + fz[k] * (image[t, o + dz[k]] - image[t, o])
                        o += dy[k]
                        v01 = image[t, o] + fz[k] * (image[t, o + dz[k]] - image[t, o])
                        o += dx[k]
                        v11 = image[t, o] + fz[k] * (image[t, o + dz[k]] - image[t, o])
                        o -= dy[k]
                        v10 = image[t, o] + fz[k] * (image[t, o + dz[k]] - image[t, o])
                        v0 = v00 + fy[k] * (v01 - v00)
                        v1 = v10 + fy[k] * (v11 - v10)
                        out[t, (row + k) * channels + c] = v0 + fx[k] * (v1 - v0)
