"""Which images are one image in another guise, and which are so alike that they must show one head.

Two stages. Coarse cosine transforms of all sketches are compared in every orientation by products of matrices. Pairs that
come near each other there, as turned best, are then judged by their sketches (``pair_scores``). In both stages a pair must also
be alike in more than what all images of the cohort have in common.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import permutations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

from voxtempo.cohort.leakage.pair_scores import OWN, PLAIN, pair_scores
from voxtempo.cohort.leakage.sketch import Sketch

SAME, ALIKE, CANDIDATE = 0.985, 0.93, 0.9
"""Correlation of edges above which two images are the same one, and above which they show one head (docs/leakage.md says
what was measured); and of the coarse transforms, above which a pair is judged at all."""

WAVES, STEEPNESS = {2: 14, 3: 8}, 1.5
"""Cosine waves along each axis, and the power of their frequency that weighs them: fine ones tell heads apart."""
COMMON = 20
"""Images from which on their mean is known."""

BLOCK = 2048

MANNER: dict[str, Any] = {
    "version": 2,
    "alike": ALIKE,
    "candidate": CANDIDATE,
    "waves": [WAVES[2], WAVES[3]],
    "steepness": STEEPNESS,
    "common": COMMON,
    "own": OWN,
    "plain": PLAIN,
}
"""All that decides which pairs ``find_similar`` finds; raise the version when other pairs are found with the same numbers."""

Symmetry = tuple[tuple[int, ...], tuple[bool, ...]]
Array = NDArray[np.float32]


@dataclass(frozen=True)
class Likeness:
    """Two images that are alike.

    Parameters
    ----------
    first, second : their names, in order.
    score : correlation of edges, up to 1.
    how : what was done to one of them, in words.
    """

    first: str
    second: str
    score: float
    how: str

    @property
    def same(self) -> bool:
        """Whether they are one image in another guise."""
        return self.score >= SAME


def find_similar(sketches: Mapping[str, Sketch], workers: int = 2) -> tuple[Likeness, ...]:
    """Return all pairs of images with a score of at least ``ALIKE``, by name.

    Slices are compared with slices in their 8 orientations, volumes with volumes in their 48, series with series, by as many
    threads as there are ``workers``.
    """
    kinds: dict[tuple[int, bool], list[str]] = {}
    for name in sorted(sketches):
        sketch = sketches[name]
        kinds.setdefault((sketch.whole.ndim, sketch.series), []).append(name)
    found: dict[tuple[str, str], Likeness] = {}
    for names in kinds.values():
        for part in ("whole", "inside"):
            for pair in _alike([sketches[name] for name in names], names, part, workers):
                known = found.get((pair.first, pair.second))
                if known is None or pair.score > known.score:
                    found[pair.first, pair.second] = pair
    return tuple(found[key] for key in sorted(found))


def _alike(sketches: list[Sketch], names: list[str], part: str, workers: int) -> list[Likeness]:
    pictures = np.stack([getattr(sketch, part) for sketch in sketches])
    numbers = np.arange(pictures[0].size).reshape(1, *pictures.shape[1:])
    common = pictures.mean(axis=0) if len(pictures) >= COMMON else None
    pairs = []
    for first, second, turned in _candidates(pictures.astype(np.float32)):
        places = turn(numbers, turned).reshape(-1)
        scores = pair_scores(pictures, first, second, places, common, workers)
        for i, j, score in zip(first, second, scores, strict=True):
            if score >= ALIKE:
                how = _how(turned, sketches[i].shape, sketches[j].shape, part)
                pairs.append(Likeness(names[i], names[j], float(score), how))
    return pairs


@cache
def symmetries(axes: int) -> tuple[Symmetry, ...]:
    """Return the 8 symmetries of the square or the 48 of the cube: an order of the axes, then which are mirrored.

    >>> len(symmetries(2)), len(symmetries(3)), symmetries(2)[0]
    (8, 48, ((0, 1), (False, False)))
    """
    return tuple((order, flips) for order in permutations(range(axes)) for flips in product((False, True), repeat=axes))


def turn(pictures: NDArray[Any], symmetry: Symmetry) -> NDArray[Any]:
    """Return pictures (n, ...) in another orientation."""
    order, flips = symmetry
    turned = pictures.transpose(0, *(axis + 1 for axis in order))
    return turned[(slice(None), *(slice(None, None, -1 if flip else 1) for flip in flips))]


def _candidates(pictures: Array) -> list[tuple[NDArray[np.intp], NDArray[np.intp], Symmetry]]:
    """Return by orientation the pairs (first < second) whose coarse transforms come near each other; each pair once, as turned
    best."""
    count, axes = len(pictures), pictures.ndim - 1
    waves = (slice(0, WAVES[axes]),) * axes
    spectra = np.stack([dctn(picture, norm="ortho")[waves] for picture in pictures])
    frequency = np.sqrt(np.sum(np.square(np.indices(spectra.shape[1:])), axis=0, dtype=np.float32))
    spectra = (spectra * frequency**STEEPNESS).astype(np.float32)
    spectra /= np.maximum(np.linalg.norm(spectra.reshape(count, -1), axis=1), 1e-9).reshape(-1, *(1,) * axes)
    rows = np.ascontiguousarray(spectra.reshape(count, -1))
    common = rows.mean(axis=0) if count >= COMMON else np.zeros_like(rows[0])
    common /= max(float(np.linalg.norm(common)), 1e-9)
    every = symmetries(axes)
    found: list[list[NDArray[np.intp]]] = [[] for _ in every]
    for begin in range(0, count, BLOCK):
        block = rows[begin : begin + BLOCK]
        best = np.full((len(block), count - begin), CANDIDATE, np.float32)
        place = np.zeros(best.shape, np.int8)
        for number, symmetry in enumerate(every):
            turned = np.ascontiguousarray(_turn_waves(spectra[begin:], symmetry).reshape(count - begin, -1))
            near = block @ turned.T
            first, second = np.nonzero(near > best)
            own = _partial(near[first, second], (block @ common)[first], (turned @ common)[second]) > OWN
            first, second = first[own], second[own]
            best[first, second], place[first, second] = near[first, second], number
        first, second = np.nonzero(best > CANDIDATE)
        first, second = first[first < second], second[first < second]
        for number in range(len(every)):
            chosen = place[first, second] == number
            found[number].append(np.stack((first[chosen], second[chosen])) + begin)
    pairs = [np.concatenate(parts, axis=1) for parts in found]
    return [(first, second, symmetry) for (first, second), symmetry in zip(pairs, every, strict=True) if len(first)]


def _partial(between: NDArray[Any], first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
    """Return the correlation of two things beside what both share with a third, from the three correlations."""
    rest = np.sqrt(np.maximum(1 - np.square(first), 1e-6) * np.maximum(1 - np.square(second), 1e-6))
    return (between - first * second) / rest


def _turn_waves(spectra: Array, symmetry: Symmetry) -> Array:
    """Return what the cosine transforms of the turned pictures are: odd waves along a mirrored axis change their sign."""
    order, flips = symmetry
    turned = spectra.transpose(0, *(axis + 1 for axis in order))
    for axis, flip in enumerate(flips):
        if flip:
            sign = np.where(np.arange(turned.shape[axis + 1]) % 2, -1, 1)
            turned = turned * np.expand_dims(sign, tuple(i for i in range(turned.ndim) if i != axis + 1))
    return turned


def _how(symmetry: Symmetry, first: tuple[int, ...], second: tuple[int, ...], part: str) -> str:
    order, flips = symmetry
    swaps = sum(order[i] > order[j] for i in range(len(order)) for j in range(i + 1, len(order)))
    said = []
    if (swaps + sum(flips)) % 2:
        said.append("mirrored")
    elif swaps or any(flips):
        said.append("rotated")
    if tuple(first[axis] for axis in range(len(first))) != tuple(np.array(second)[list(order)]):
        said.append("resized" if part == "whole" else "on another matrix")
    return ", ".join(said) or "other values"
