"""Connected components of every structure of a label map, and which of them share voxels with those of another map.

Two voxels belong together if they touch at a face, an edge or a corner (26 neighbours; 8 in a slice) and have the same
label. Written by hand because ``scipy.ndimage.label`` takes one label a call and fills a volume of integers each time, which
took longer than all other figures of a case together. Here each map is passed once into runs of voxels along its rows,
however many labels there are, and the rest is work on runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxtempo.assess.label_scan import Codes, encode
from voxtempo.compiled import compiled

Runs = NDArray[np.int32]
"""(n, 3): first voxel of a run along its row, the one after its last, and its code."""

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Components:
    """The components of one structure in two maps.

    Parameters
    ----------
    found, real : (f,) and (r,) voxels of each component in the first and in the second map.
    pairs : (m, 2) places in ``found`` and ``real`` of components that share voxels.
    shared : (m,) voxels they share.
    """

    found: NDArray[np.int64]
    real: NDArray[np.int64]
    pairs: NDArray[np.int64]
    shared: NDArray[np.int64]

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each pair (m,)."""
        return self.shared / (self.found[self.pairs[:, 0]] + self.real[self.pairs[:, 1]] - self.shared)


_NONE = np.empty(0, np.int64)
NO_COMPONENTS = Components(_NONE, _NONE, np.empty((0, 2), np.int64), _NONE)


@dataclass(frozen=True)
class Pieces:
    """All components of one map: ``runs`` row by row, where each row's begin, each run's component, each component's code."""

    runs: Runs
    rows: Places
    labels: Places
    codes: Places
    sizes: Places


def find_pieces(codes: Codes, box: NDArray[np.int64]) -> Pieces:
    """Return the components of a coded map (x, y, z; C-contiguous) in a box (3, 2) that holds everything that is not 0."""
    sides = np.maximum(box[:2, 1] - box[:2, 0] + 1, 0)
    rows = np.zeros(int(sides.prod()) + 1, np.int64)
    _count_runs(codes, box, rows)
    np.cumsum(rows, out=rows)
    runs = np.empty((rows[-1], 3), np.int32)
    _write_runs(codes, box, rows, runs)
    roots = np.arange(len(runs))
    _join_runs(runs, rows, int(sides[1]), roots)
    first, labels = np.unique(roots, return_inverse=True)
    sizes = np.bincount(labels.reshape(-1), weights=runs[:, 1] - runs[:, 0], minlength=len(first)).astype(np.int64)
    return Pieces(runs, rows, labels.reshape(-1), runs[first, 2].astype(np.int64), sizes)


def compare_pieces(ours: Pieces, theirs: Pieces, codes: Sequence[int]) -> list[Components]:
    """Return the components of each of some codes in two maps, which were found in one box."""
    met = np.empty((len(ours.runs) + len(theirs.runs), 3), np.int64)
    met = met[: _meet_runs(ours.runs, ours.rows, ours.labels, theirs.runs, theirs.rows, theirs.labels, met)]
    width = max(len(theirs.sizes), 1)
    pairs, place = np.unique(met[:, 0] * width + met[:, 1], return_inverse=True)
    shared = np.bincount(place.reshape(-1), weights=met[:, 2], minlength=len(pairs)).astype(np.int64)
    mine, yours = pairs // width, pairs % width
    answers = []
    for code in codes:
        found, real = np.flatnonzero(ours.codes == code), np.flatnonzero(theirs.codes == code)
        own = np.flatnonzero(ours.codes[mine] == code)
        both = np.stack([np.searchsorted(found, mine[own]), np.searchsorted(real, yours[own])], axis=1)
        answers.append(Components(ours.sizes[found], theirs.sizes[real], both, shared[own]))
    return answers


def count_components(labels: NDArray[Any], values: Sequence[int]) -> list[int]:
    """Return how many components each of some values has in a label map (x, y, z).

    >>> count_components(np.array([[[4, 0, 4], [0, 0, 7]]]), [4, 7])
    [2, 1]
    """
    if not values or labels.size == 0:
        return [0 for _ in values]
    pieces = find_pieces(encode(labels, values), np.array([[0, size - 1] for size in labels.shape]))
    return [int(np.count_nonzero(pieces.codes == code)) for code in range(1, len(values) + 1)]


@compiled()
def _count_runs(codes: Codes, box: NDArray[np.int64], rows: Places) -> None:
    """Write how many runs each row (x, y) of the box has behind its place in ``rows``."""
    line = 0
    for i in range(box[0, 0], box[0, 1] + 1):
        for j in range(box[1, 0], box[1, 1] + 1):
            row = codes[i, j]
            count = np.int64(row[0] != 0)
            for k in range(1, len(row)):
                count += np.int64((row[k] != row[k - 1]) & (row[k] != 0))
            line += 1
            rows[line] = count


@compiled()
def _write_runs(codes: Codes, box: NDArray[np.int64], rows: Places, runs: Runs) -> None:
    """Write the runs of every row of the box that has some."""
    nz = codes.shape[2]
    changes = np.zeros(nz + 8 - nz % 8, np.uint8)
    words = changes.view(np.uint64)  # eight voxels at once, most of which are like the one before
    line = -1
    for i in range(box[0, 0], box[0, 1] + 1):
        for j in range(box[1, 0], box[1, 1] + 1):
            line += 1
            n = rows[line]
            if n == rows[line + 1]:
                continue
            row = codes[i, j]
            for k in range(1, nz):
                changes[k] = row[k] != row[k - 1]
            begin = 0
            for word in range(len(words)):
                if words[word] == 0:
                    continue
                for k in range(8 * word, min(8 * word + 8, nz)):
                    if changes[k]:
                        if row[begin] != 0:
                            runs[n, 0], runs[n, 1], runs[n, 2] = begin, k, row[begin]
                            n += 1
                        begin = k
            if row[begin] != 0:
                runs[n, 0], runs[n, 1], runs[n, 2] = begin, nz, row[begin]


@compiled()
def _join_runs(runs: Runs, rows: Places, ny: int, roots: Places) -> None:
    """Write for every run the first run of its component."""
    for line in range(len(rows) - 1):
        if rows[line] == rows[line + 1]:
            continue
        i, j = line // ny, line % ny
        for other in range(4):  # the four neighbouring rows that come before this one
            x, y = (i - 1, j + other - 1) if other < 3 else (i, j - 1)
            if x < 0 or y < 0 or y >= ny:
                continue
            near = x * ny + y
            m, end = rows[near], rows[near + 1]
            for n in range(rows[line], rows[line + 1]):
                while m < end and runs[m, 1] < runs[n, 0]:
                    m += 1
                p = m
                while p < end and runs[p, 0] <= runs[n, 1]:
                    if runs[p, 2] == runs[n, 2]:
                        a, b = _root(roots, n), _root(roots, p)
                        roots[max(a, b)] = min(a, b)
                    p += 1
    for n in range(len(roots)):
        roots[n] = roots[roots[n]]


@compiled(inline="always")
def _root(roots: Places, n: int) -> int:
    while roots[n] != n:
        roots[n] = roots[roots[n]]
        n = roots[n]
    return n


@compiled()
def _meet_runs(
    runs: Runs, rows: Places, labels: Places, others: Runs, other_rows: Places, other_labels: Places, met: Places
) -> int:
    """Write (component, other component, shared voxels) for every two runs of one code that overlap; return how many."""
    count = 0
    for line in range(len(rows) - 1):
        n, m = rows[line], other_rows[line]
        while n < rows[line + 1] and m < other_rows[line + 1]:
            shared = min(runs[n, 1], others[m, 1]) - max(runs[n, 0], others[m, 0])
            if shared > 0 and runs[n, 2] == others[m, 2]:
                met[count, 0], met[count, 1], met[count, 2] = labels[n], other_labels[m], shared
                count += 1
            if runs[n, 1] < others[m, 1]:
                n += 1
            else:
                m += 1
    return count
