"""Exact Euclidean distances in mm from the voxels of one surface to the nearest of another.

The distance is taken apart by axes (Felzenszwalb and Huttenlocher, Theory of Computing 8:415, 2012): along the first axis
for every voxel of a box by two sweeps, and in the other two only at the voxels that ask. A voxel that asks searches its
plane outwards from where its neighbour was answered, which is a handful of voxels where two surfaces nearly agree. Where
the surfaces of a plane are so far apart that searching would cost more, the second axis is solved by lower envelopes for
the whole plane. So the cost is bounded by the box, and far below it for segmentations that are any good.

Written by hand because scipy's distance transform answers for every voxel of the box, and its k-d tree needs microseconds
for each voxel that asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxtempo.compiled import compiled

PATIENCE = 4
"""Voxels looked at in searches of a plane, for each voxel of it, before its envelopes are made."""

Points = NDArray[np.int32]
Lines = NDArray[np.signedinteger[Any]]


def empty_lines(shape: Sequence[int]) -> Lines:
    """Return room for ``line_distances`` in a box of ``shape``: integers that hold twice the voxels along x."""
    return np.empty(shape, np.int16 if 2 * shape[0] < 2**15 else np.int32)


@compiled()
def line_distances(points: Points, corner: NDArray[np.int64], lines: Lines) -> None:
    """Write how many voxels along x the nearest of ``points`` is; as many as the line has, or more, if it holds none.

    Parameters
    ----------
    points : (n, 3) voxels.
    corner : (3,) the box's first voxel.
    lines : (x, y, z) of the box, written.
    """
    nx, ny, nz = lines.shape
    lines[:] = nx
    for n in range(len(points)):
        lines[points[n, 0] - corner[0], points[n, 1] - corner[1], points[n, 2] - corner[2]] = 0
    for j in range(ny):
        for i in range(1, nx):
            before, here = lines[i - 1, j], lines[i, j]
            for k in range(nz):
                step = lines.dtype.type(before[k] + 1)
                here[k] = step if step < here[k] else here[k]
        for i in range(nx - 2, -1, -1):
            before, here = lines[i + 1, j], lines[i, j]
            for k in range(nz):
                step = lines.dtype.type(before[k] + 1)
                here[k] = step if step < here[k] else here[k]


@compiled(error_model="numpy")
def distances_to(
    asking: Points, corner: NDArray[np.int64], lines: Lines, spacing: NDArray[np.float64], out: NDArray[np.float64]
) -> None:
    """Write the distance in mm from each of ``asking`` to the nearest point that ``lines`` was made from.

    Parameters
    ----------
    asking : (m, 3) voxels inside the box, in order of x.
    corner : (3,) the box's first voxel.
    lines : (x, y, z) from ``line_distances``; has a point.
    spacing : (3,) mm.
    out : (m,) written.
    """
    nx, ny, nz = lines.shape
    along_x = np.full(2 * nx, np.inf)
    for n in range(nx):
        along_x[n] = (n * spacing[0]) ** 2
    along_y = (np.arange(ny) * spacing[1]) ** 2
    along_z = (np.arange(nz) * spacing[2]) ** 2
    feet = np.empty((ny, nz), np.int32)
    hull = np.empty(nz, np.int64)
    until = np.empty(nz + 1)
    spent, solved, now = 0, False, -1
    foot_y, foot_z = 0, 0
    for m in range(len(asking)):
        i, j, k = asking[m, 0] - corner[0], asking[m, 1] - corner[1], asking[m, 2] - corner[2]
        if i != now:
            spent, solved, now = 0, False, i
        plane = lines[i]
        # The foot of the last answer is a candidate for this one too, and bounds the search.
        best = along_x[plane[j, k]]
        start = along_x[plane[foot_y, foot_z]] + (along_y[abs(j - foot_y)] + along_z[abs(k - foot_z)])
        if start < best:
            best = start
        else:
            foot_y, foot_z = j, k
        if not solved:
            for d in range(ny):
                if along_y[d] >= best:
                    break
                for side in range(2):
                    row = j - d if side == 0 else j + d
                    if row < 0 or row >= ny or (d == 0 and side == 1):
                        continue
                    for e in range(nz):
                        in_plane = along_y[d] + along_z[e]
                        if in_plane >= best:
                            break
                        spent += 1
                        if k >= e:
                            found = along_x[plane[row, k - e]] + in_plane
                            if found < best:
                                best, foot_y, foot_z = found, row, k - e
                        if k + e < nz:
                            found = along_x[plane[row, k + e]] + in_plane
                            if found < best:
                                best, foot_y, foot_z = found, row, k + e
            if spent > PATIENCE * ny * nz:
                solved = True
                for row in range(ny):
                    _lower_envelope(plane[row], along_x, spacing[2], hull, until, feet[row])
        else:
            for d in range(ny):
                if along_y[d] >= best:
                    break
                for side in range(2):
                    row = j - d if side == 0 else j + d
                    if row < 0 or row >= ny or feet[row, k] < 0:
                        continue
                    foot = feet[row, k]
                    found = along_x[plane[row, foot]] + (along_y[d] + along_z[abs(k - foot)])
                    if found < best:
                        best, foot_y, foot_z = found, row, foot
        out[m] = np.sqrt(best)


@compiled(error_model="numpy")
def _lower_envelope(
    row: Lines,
    along_x: NDArray[np.float64],
    step: float,
    hull: NDArray[np.int64],
    until: NDArray[np.float64],
    feet: NDArray[np.int32],
) -> None:
    """Write for each voxel of a row which of the row's voxels gives it the smallest squared distance; -1 if none does."""
    top = -1
    for q in range(len(row)):
        height = along_x[row[q]]
        if height == np.inf:
            continue
        while top >= 0:
            p = hull[top]
            meet = (height - along_x[row[p]]) / (2.0 * step * step * (q - p)) + 0.5 * (q + p)
            if top > 0 and meet <= until[top - 1]:
                top -= 1
                continue
            until[top] = meet
            break
        top += 1
        hull[top] = q
    if top < 0:
        feet[:] = -1
        return
    until[top] = np.inf
    at = 0
    for q in range(len(row)):
        while until[at] < q:
            at += 1
        feet[q] = hull[at]
