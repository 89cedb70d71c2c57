"""A look at two label maps as a whole: how many voxels their structures have and share, where they lie, their surfaces.

Written by hand because numpy and scipy pass over the image several times for every label (compare, count, erode, search),
which costs far more than the distances that follow. Here each map is passed twice, however many labels there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxtempo.compiled import compiled

Codes = NDArray[np.unsignedinteger[Any]]
Counts = NDArray[np.int64]
Boxes = NDArray[np.int64]
Points = NDArray[np.int32]

LARGEST_TABLE = 65536


def encode(labels: NDArray[Any], values: Sequence[int]) -> Codes:
    """Return 1 + the place of each voxel's value among ``values``, C-contiguous; 0 where it is none of them.

    >>> encode(np.array([[[0, 7, 4, 9]]], np.int16), [4, 7]).tolist()
    [[[0, 2, 1, 0]]]
    """
    lowest, highest = min(values), max(values)
    codes: Codes = np.zeros(labels.shape, np.uint8 if len(values) < 256 else np.uint16)
    if labels.dtype.kind not in "bui" or highest - lowest >= LARGEST_TABLE:
        for place, value in enumerate(values):
            codes[labels == value] = place + 1
        return codes
    table = np.zeros(highest - lowest + 1, codes.dtype)
    for place, value in enumerate(values):
        table[value - lowest] = place + 1
    stored = np.ascontiguousarray(labels, labels.dtype.newbyteorder("=")).reshape(-1)
    stored = stored.view(np.uint8) if stored.dtype == bool else stored.view()
    stored.flags.writeable = False  # one type signature, whether it was or not
    _look_up(stored, table, lowest, codes.reshape(-1))
    return codes


@compiled()
def _look_up(labels: NDArray[np.integer[Any]], table: Codes, lowest: int, codes: Codes) -> None:
    last = len(table) - 1
    for n in range(len(labels)):
        place = np.int64(labels[n]) - lowest
        codes[n] = table[place] if 0 <= place <= last else 0


def empty_boxes(codes: int) -> Boxes:
    """Return boxes (2, codes, 3, 2) that hold nothing, for ``count_codes`` to widen."""
    boxes = np.empty((2, codes, 3, 2), np.int64)
    boxes[..., 0] = np.iinfo(np.int64).max
    boxes[..., 1] = -1
    return boxes


@compiled()
def count_codes(a: Codes, b: Codes, start: int, stop: int, counts: Counts, boxes: Boxes) -> None:
    """Count the pairs of codes in the planes ``start`` to ``stop``, and widen the codes' boxes to hold them.

    Parameters
    ----------
    a, b : (x, y, z).
    counts : (codes, codes), added to: voxels that have the one code in ``a`` and the other in ``b``.
    boxes : (2, codes, 3, 2), widened: lowest and highest index of each code in ``a`` and in ``b``.
    """
    depth = a.shape[2]
    for i in range(start, stop):
        for j in range(a.shape[1]):
            row, other = a[i, j], b[i, j]
            some = row[0] | other[0]
            for k in range(depth):
                some |= row[k] | other[k]
            if some == 0:
                counts[0, 0] += depth
                continue
            begin = 0
            for k in range(1, depth + 1):
                if k < depth and row[k] == row[begin] and other[k] == other[begin]:
                    continue
                ours, theirs = row[begin], other[begin]
                counts[ours, theirs] += k - begin
                if ours > 0:
                    _widen(boxes[0, ours], i, j, begin, k - 1)
                if theirs > 0:
                    _widen(boxes[1, theirs], i, j, begin, k - 1)
                begin = k


@compiled(inline="always")
def _widen(box: Boxes, i: int, j: int, first: int, last: int) -> None:
    box[0, 0], box[0, 1] = min(box[0, 0], i), max(box[0, 1], i)
    box[1, 0], box[1, 1] = min(box[1, 0], j), max(box[1, 1], j)
    box[2, 0], box[2, 1] = min(box[2, 0], first), max(box[2, 1], last)


@compiled()
def find_surfaces(codes: Codes, box: Boxes, ends: Counts, points: Points) -> None:
    """Write down the surface voxels of every code, in the order of memory.

    Parameters
    ----------
    codes : (x, y, z).
    box : (3, 2) lowest and highest index of everything that is not 0.
    ends : (codes,) where each code's points begin; moved on to where they end.
    points : (n, 3) written; room for as many points of each code as it has voxels.
    """
    nx, ny, nz = codes.shape
    surface = np.zeros(nz, codes.dtype)
    for i in range(box[0, 0], box[0, 1] + 1):
        for j in range(box[1, 0], box[1, 1] + 1):
            row = codes[i, j]
            if (nx > 1 and (i == 0 or i == nx - 1)) or (ny > 1 and (j == 0 or j == ny - 1)):
                surface[:] = row
            else:
                # An axis of one voxel is no axis: there the row is its own neighbour.
                left, right = codes[max(i - 1, 0), j], codes[min(i + 1, nx - 1), j]
                front, back = codes[i, max(j - 1, 0)], codes[i, min(j + 1, ny - 1)]
                if nz == 1:
                    _keep_surface(row, left, right, front, back, row, row, surface)
                else:
                    _keep_surface(
                        row[1:-1], left[1:], right[1:], front[1:], back[1:], row[:-2], row[2:], surface[1 : nz - 1]
                    )
                    surface[0], surface[nz - 1] = row[0], row[nz - 1]
            for first in range(0, nz, 8):
                last = min(first + 8, nz)
                some = surface[first]
                for k in range(first, last):
                    some |= surface[k]
                if some == 0:
                    continue
                for k in range(first, last):
                    code = surface[k]
                    if code != 0:
                        place = ends[code]
                        points[place, 0], points[place, 1], points[place, 2] = i, j, k
                        ends[code] = place + 1


@compiled(inline="always")
def _keep_surface(
    row: Codes, left: Codes, right: Codes, front: Codes, back: Codes, before: Codes, after: Codes, surface: Codes
) -> None:
    """Write the row with 0 where all six neighbours have the voxel's own code."""
    for k in range(len(surface)):
        own = row[k]
        inner = (left[k] == own) & (right[k] == own) & (front[k] == own) & (back[k] == own)
        inner &= (before[k] == own) & (after[k] == own)
        surface[k] = 0 if inner else own
