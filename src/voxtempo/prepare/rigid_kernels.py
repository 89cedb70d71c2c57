"""Compiled kernels of rigid realignment: what Gauss-Newton needs of a moved volume, and the volume put back once.

Written by hand because a volume has 50 ms: scipy's cubic interpolation alone takes twice that, SimpleITK's registrations
take many times as long, and what Gauss-Newton needs of a moved volume is eight sums, not the volume.

All kernels read a volume through the 64 coefficients of cubic B-splines (or another cubic) around a position. Where the
coefficients are the voxels themselves, that is a smoothing which is the same wherever between voxels the position lies
(linear interpolation smooths most in the middle, which pulls estimates by a tenth of a millimetre). Where they come from
``spline_coefficients``, it interpolates (Unser, IEEE Signal Processing Magazine 16(6):22, 1999).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxtempo.compiled import compiled

SLACK = 1e-4  # voxels: a position this far outside the outermost centres still counts as inside
POLE = np.sqrt(3.0) - 2.0
SPLINE, CATMULL_ROM, LINEAR = 0, 1, 2

_fast = {"contract", "reassoc"}


@compiled(inline="always")
def _weigh(f: Any, kind: int, w: NDArray[Any]) -> None:
    """Write the weights of the voxels at -1, 0, 1, 2 for a position ``f`` (0 to 1) after voxel 0."""
    g = np.float32(1.0) - f
    if kind == 0:
        w[0] = g * g * g / np.float32(6.0)
        w[3] = f * f * f / np.float32(6.0)
        w[1] = np.float32(2 / 3) - f * f * (np.float32(1.0) - np.float32(0.5) * f)
        w[2] = np.float32(2 / 3) - g * g * (np.float32(1.0) - np.float32(0.5) * g)
    elif kind == 1:
        w[0] = np.float32(-0.5) * f * g * g
        w[3] = np.float32(-0.5) * g * f * f
        w[1] = np.float32(1.0) + f * f * (np.float32(1.5) * f - np.float32(2.5))
        w[2] = np.float32(1.0) + g * g * (np.float32(1.5) * g - np.float32(2.5))
    else:
        w[0] = np.float32(0.0)
        w[3] = np.float32(0.0)
        w[1] = g
        w[2] = f


@compiled(inline="always")
def _read(padded: NDArray[Any], x: int, y: int, z: int, wx: NDArray[Any], wy: NDArray[Any], wz: NDArray[Any]) -> Any:
    """Return the weighted sum of the 4 x 4 x 4 voxels from (x, y, z) on."""
    s0, s1, s2, s3 = np.float32(0.0), np.float32(0.0), np.float32(0.0), np.float32(0.0)
    for a in range(4):
        for b in range(4):
            w = wx[a] * wy[b]
            s0 += w * padded[x + a, y + b, z]
            s1 += w * padded[x + a, y + b, z + 1]
            s2 += w * padded[x + a, y + b, z + 2]
            s3 += w * padded[x + a, y + b, z + 3]
    return wz[0] * s0 + wz[1] * s1 + wz[2] * s2 + wz[3] * s3


@compiled(error_model="numpy", fastmath=_fast)
def residuals(
    padded: NDArray[Any],
    mapping: NDArray[Any],
    positions: NDArray[Any],
    values: NDArray[Any],
    gain: float,
    offset: float,
    found: NDArray[Any],
) -> int:
    """Write ``moving(mapping(position)) - gain * value - offset`` for each voxel of the reference; return how many.

    Parameters
    ----------
    padded : (x + 3, y + 3, z + 3) float32, the moving volume with one voxel more before and two more behind.
    mapping : (4, 4) float64, voxels of the reference to voxels of the moving volume.
    positions : (n, 3) float32, voxels of the reference.
    values : (n,) float32, the reference there.
    gain, offset : between the intensities of both.
    found : (n,) float32, overwritten; NaN where the position lies outside the outermost centres.
    """
    nx, ny, nz = padded.shape[0] - 3, padded.shape[1] - 3, padded.shape[2] - 3
    wx, wy, wz = np.empty(4, np.float32), np.empty(4, np.float32), np.empty(4, np.float32)
    inside = 0
    for v in range(values.shape[0]):
        i, j, k = positions[v, 0], positions[v, 1], positions[v, 2]
        x = mapping[0, 0] * i + mapping[0, 1] * j + mapping[0, 2] * k + mapping[0, 3]
        y = mapping[1, 0] * i + mapping[1, 1] * j + mapping[1, 2] * k + mapping[1, 3]
        z = mapping[2, 0] * i + mapping[2, 1] * j + mapping[2, 2] * k + mapping[2, 3]
        if min(x, y, z) < -SLACK or x > nx - 1 + SLACK or y > ny - 1 + SLACK or z > nz - 1 + SLACK:
            found[v] = np.nan
            continue
        x, y, z = min(max(x, 0.0), nx - 1.0), min(max(y, 0.0), ny - 1.0), min(max(z, 0.0), nz - 1.0)
        x0, y0, z0 = int(x), int(y), int(z)
        _weigh(np.float32(x - x0), 0, wx)
        _weigh(np.float32(y - y0), 0, wy)
        _weigh(np.float32(z - z0), 0, wz)
        seen = _read(padded, x0, y0, z0, wx, wy, wz)
        found[v] = seen - np.float32(gain) * values[v] - np.float32(offset)
        inside += 1
    return inside


@compiled(error_model="numpy")
def pull(slopes: NDArray[Any], found: NDArray[Any], scale: float, total: NDArray[Any]) -> float:
    """Add up what the residuals ask of each parameter, robustly; return the sum of the weights.

    A residual r has the weight 1 / (1 + (r / scale)^2)^2 of Geman and McClure (1987): all but 1 for noise, all but 0
    for what no motion explains.

    Parameters
    ----------
    slopes : (n, k) float32, the reference's change with each parameter.
    found : (n,) float32 residuals; NaN counts as absent.
    scale : in units of the residuals.
    total : (k,) float64, overwritten with the sum of weight * slope * residual.
    """
    weights = 0.0
    total[:] = 0.0
    inverse = 1.0 / scale
    for v in range(found.shape[0]):
        r = found[v]
        if np.isnan(r):
            continue
        part = r * inverse
        weight = 1.0 / (1.0 + part * part)
        weight *= weight
        weights += weight
        weighted = weight * r
        for p in range(slopes.shape[1]):
            total[p] += weighted * slopes[v, p]
    return weights


@compiled(error_model="numpy", fastmath=_fast)
def resample(padded: NDArray[Any], mapping: NDArray[Any], kind: int, target: NDArray[Any]) -> None:
    """Fill ``target`` (x, y, z) float32 with what lies at affinely mapped positions; beyond the edge, the edge's value.

    Parameters
    ----------
    padded : (x + 3, y + 3, z + 3) float32, coefficients with one voxel more before and two more behind.
    mapping : (4, 4) float64, voxels of ``target`` to voxels of the volume.
    kind : 0 cubic B-spline, 1 Catmull-Rom, 2 linear.
    target : overwritten.
    """
    nx, ny, nz = padded.shape[0] - 3.0, padded.shape[1] - 3.0, padded.shape[2] - 3.0
    wx, wy, wz = np.empty(4, np.float32), np.empty(4, np.float32), np.empty(4, np.float32)
    for i in range(target.shape[0]):
        for j in range(target.shape[1]):
            x_row = mapping[0, 0] * i + mapping[0, 1] * j + mapping[0, 3]
            y_row = mapping[1, 0] * i + mapping[1, 1] * j + mapping[1, 3]
            z_row = mapping[2, 0] * i + mapping[2, 1] * j + mapping[2, 3]
            for k in range(target.shape[2]):
                x = min(max(x_row + mapping[0, 2] * k, 0.0), nx - 1.0)
                y = min(max(y_row + mapping[1, 2] * k, 0.0), ny - 1.0)
                z = min(max(z_row + mapping[2, 2] * k, 0.0), nz - 1.0)
                x0, y0, z0 = int(x), int(y), int(z)
                _weigh(np.float32(x - x0), kind, wx)
                _weigh(np.float32(y - y0), kind, wy)
                _weigh(np.float32(z - z0), kind, wz)
                target[i, j, k] = _read(padded, x0, y0, z0, wx, wy, wz)


@compiled(error_model="numpy", fastmath=_fast)
def smooth_lines(source: NDArray[Any], weights: NDArray[Any], target: NDArray[Any]) -> None:
    """Convolve the middle axis of ``source`` (a, n, b) with symmetric ``weights`` (r + 1,), edges repeated, all float32.

    Parameters
    ----------
    source : what is read; b is the contiguous axis, so whole rows are added.
    weights : the middle one first, then those at distance 1, 2 .. r.
    target : of the same shape, overwritten.
    """
    n, width = source.shape[1], source.shape[2]
    for a in range(source.shape[0]):
        for i in range(n):
            for b in range(width):
                target[a, i, b] = weights[0] * source[a, i, b]
            for r in range(1, weights.shape[0]):
                below, above = max(i - r, 0), min(i + r, n - 1)
                for b in range(width):
                    target[a, i, b] += weights[r] * (source[a, below, b] + source[a, above, b])


@compiled(error_model="numpy", fastmath=_fast)
def spline_lines(lines: NDArray[Any]) -> None:
    """Turn the middle axis of ``lines`` (a, n, b) float32 into cubic B-spline coefficients, in place; edges mirrored.

    The recursion and its exact start on a mirrored signal are Unser's (1999, box 2).
    """
    n, width = lines.shape[1], lines.shape[2]
    if n < 2:
        return
    period = 2 * n - 2
    first = np.empty(width, np.float32)
    for a in range(lines.shape[0]):
        for b in range(width):
            first[b] = np.float32(0.0)
        for i in range(n):
            power = POLE**i if i in (0, n - 1) else POLE**i + POLE ** (period - i)
            if abs(power) < 1e-9:  # from here on nothing reaches the first coefficient
                break
            for b in range(width):
                first[b] += np.float32(power) * lines[a, i, b]
        share = np.float32(6.0 / (1.0 - POLE**period))
        for b in range(width):
            lines[a, 0, b] = share * first[b]
        for i in range(1, n):
            for b in range(width):
                lines[a, i, b] = np.float32(6.0) * lines[a, i, b] + np.float32(POLE) * lines[a, i - 1, b]
        last = np.float32(POLE / (POLE * POLE - 1.0))
        for b in range(width):
            lines[a, n - 1, b] = last * (lines[a, n - 1, b] + np.float32(POLE) * lines[a, n - 2, b])
        for i in range(n - 2, -1, -1):
            for b in range(width):
                lines[a, i, b] = np.float32(POLE) * (lines[a, i + 1, b] - lines[a, i, b])
