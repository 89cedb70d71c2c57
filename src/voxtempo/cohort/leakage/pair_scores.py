"""How alike two sketches are, for millions of pairs: compiled, with whole numbers as far as they go.

The score of a pair is the correlation of edges (differences between neighbouring voxels), after one of the two was given the
other's intensities: the darkest voxel gets the other's darkest, and so on; of voxels of one intensity the first comes first.
Both ways are tried and the better one counts, so that no change of scale, gamma or window does. Where all images of a cohort
have something in common, a pair that is alike in nothing else has a score of 0.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from voxtempo.compiled import compiled

PLAIN = 0.7
"""Correlation of edges with intensities as they are, below which ranks are not tried: a score of 0."""

OWN = 0.6
"""Least partial correlation of a pair beside what all images have in common."""

CHUNK = 1 << 14
"""Pairs that a thread takes at once."""

Bytes = NDArray[np.uint8]


def pair_scores(
    pictures: Bytes,
    first: NDArray[np.intp],
    second: NDArray[np.intp],
    places: NDArray[np.intp],
    common: NDArray[np.float64] | None,
    workers: int = 2,
) -> NDArray[np.float64]:
    """Return the score of each pair (n,).

    Parameters
    ----------
    pictures : (images, x, y) or (images, x, y, z).
    first, second : (n,) the images of each pair.
    places : (voxels,) from where in the second image each voxel is taken, which turns it.
    common : (x, y) or (x, y, z), the mean of all images; None where nothing is common.
    workers : threads.
    """
    shape = (1,) * (4 - pictures.ndim) + pictures.shape[1:]
    flat = np.ascontiguousarray(pictures.reshape(len(pictures), math.prod(shape)))
    shared = np.zeros(flat.shape[1]) if common is None else np.ascontiguousarray(common, np.float64).reshape(-1)
    scores = np.zeros(len(first))
    arguments = (flat, np.asarray(places, np.int64), shared, common is not None, np.array(shape), scores)

    def work(begin: int) -> None:
        part = slice(begin, begin + CHUNK)
        _score_pairs(first[part], second[part], *arguments[:-1], scores[part])

    with ThreadPoolExecutor(max(1, workers)) as pool:
        list(pool.map(work, range(0, len(first), CHUNK)))
    return scores


@compiled()
def _score_pairs(first, second, flat, places, common, beside, shape, scores):  # type: ignore[no-untyped-def]
    voxels = flat.shape[1]
    one, two = np.empty(voxels, np.int32), np.empty(voxels, np.int32)
    given = np.empty(voxels, np.int32)
    edges = _edges_of(common, shape)
    for pair in range(len(first)):
        for place in range(voxels):
            one[place] = flat[first[pair], place]
            two[place] = flat[second[pair], places[place]]
        if _plain(one, two, shape) <= PLAIN:
            continue
        _by_rank(one, two, given)
        best = _beside(_correlations(given, two, common, edges, shape), beside)
        _by_rank(two, one, given)
        scores[pair] = max(best, _beside(_correlations(one, given, common, edges, shape), beside))


@compiled()
def _by_rank(picture, like, given):  # type: ignore[no-untyped-def]
    """Fill ``given``: the picture with the intensities of another, by rank."""
    ranks, others = np.zeros(257, np.int32), np.zeros(256, np.int32)
    for place in range(picture.size):
        ranks[picture[place] + 1] += 1
        others[like[place]] += 1
    for value in range(256):
        ranks[value + 1] += ranks[value]
    values = np.empty(picture.size, np.int32)
    filled = 0
    for value in range(256):
        for _ in range(others[value]):
            values[filled] = value
            filled += 1
    for place in range(picture.size):
        given[place] = values[ranks[picture[place]]]
        ranks[picture[place]] += 1


@compiled(inline="always")
def _rows(shape, axis):  # type: ignore[no-untyped-def]
    """Return (rows, length of a row, step to the neighbour along the axis): edges begin at all but the last step of a row."""
    rows, step = 1, 1
    for other in range(axis):
        rows *= shape[other]
    for other in range(axis + 1, 3):
        step *= shape[other]
    return rows, shape[axis] * step, step


@compiled()
def _edges_of(common, shape):  # type: ignore[no-untyped-def]
    """Return the sum of the common picture's edges, and that of their squares."""
    total, squares = 0.0, 0.0
    for axis in range(3):
        rows, length, step = _rows(shape, axis)
        for row in range(rows):
            for place in range(row * length, (row + 1) * length - step):
                edge = common[place + step] - common[place]
                total += edge
                squares += edge * edge
    return total, squares


@compiled()
def _plain(one, two, shape):  # type: ignore[no-untyped-def]
    """Return the correlation of the edges of two pictures."""
    count, a, b, aa, bb, ab = 0, 0, 0, 0, 0, 0
    for axis in range(3):
        rows, length, step = _rows(shape, axis)
        for row in range(rows):
            for place in range(row * length, (row + 1) * length - step):
                first, second = one[place + step] - one[place], two[place + step] - two[place]
                a += first
                b += second
                aa += first * first
                bb += second * second
                ab += first * second
        count += rows * (length - step)
    return _correlation(count, a, b, aa, bb, ab)


@compiled(fastmath={"reassoc", "contract", "nsz"})
def _correlations(one, two, common, edges, shape):  # type: ignore[no-untyped-def]
    """Return the correlation of the edges of two pictures, and of each with those of the common one."""
    count, a, b, aa, bb, ab = 0, 0, 0, 0, 0, 0
    ac, bc = 0.0, 0.0
    for axis in range(3):
        rows, length, step = _rows(shape, axis)
        for row in range(rows):
            for place in range(row * length, (row + 1) * length - step):
                first, second = one[place + step] - one[place], two[place + step] - two[place]
                shared = common[place + step] - common[place]
                a += first
                b += second
                aa += first * first
                bb += second * second
                ab += first * second
                ac += first * shared
                bc += second * shared
        count += rows * (length - step)
    c, cc = edges
    return (
        _correlation(count, a, b, aa, bb, ab),
        _correlation(count, a, c, aa, cc, ac),
        _correlation(count, b, c, bb, cc, bc),
    )


@compiled(inline="always")
def _correlation(count, a, b, aa, bb, ab):  # type: ignore[no-untyped-def]
    norm = math.sqrt(max(aa - a * a / count, 0.0) * max(bb - b * b / count, 0.0))
    return (ab - a * b / count) / max(norm, 1e-9)


@compiled(inline="always")
def _beside(correlations, beside):  # type: ignore[no-untyped-def]
    """Return the score: 0 where a pair is alike in nothing but what all are alike in."""
    between, first, second = correlations
    if not beside:
        return between
    rest = math.sqrt(max(1 - first * first, 1e-6) * max(1 - second * second, 1e-6))
    return between if (between - first * second) / rest > OWN else 0.0
