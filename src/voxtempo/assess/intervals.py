"""Percentile bootstrap intervals over subjects: a subject is drawn with all its cases, because its cases are alike.

Plain percentiles are too narrow for the cohorts of this field: for a mean over 10 subjects the 2.5th to the 97.5th hold
the truth in 90 % of studies, over 40 in 93 %. The percentiles are therefore expanded to the t interval's width
(Hesterberg 2015, The American Statistician 69:371-386), which gives 93 % and 94 %. No bootstrap can know
what the sample does not show: where every subject was right, every resample is, and the interval has no width.

A resample is a vector of weights (how often each case was drawn), so a metric that is a function of weighted sums is
computed for hundreds of resamples in one matrix product. Written by hand because ``scipy.stats.bootstrap`` draws
single observations, never clusters of them.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from voxtempo.assess.figure import Figure, Over, finite
from voxtempo.errors import VoxTempoError

FEWEST_SUBJECTS = 5
"""With fewer subjects than this, cases are resampled instead, and the figure says so."""

LEVEL = 0.95
_BLOCK = 4_000_000  # weights held at once

Key = TypeVar("Key", bound=Hashable)
Weights = NDArray[np.float64]


@dataclass(frozen=True)
class Units:
    """What is resampled: which unit each case belongs to, (cases,) integers from 0 to n - 1."""

    codes: NDArray[np.intp]
    n: int
    over: Over


def units_of(subjects: ArrayLike | Sequence[Any]) -> Units:
    """Return subjects as the units, or cases where there are fewer than ``FEWEST_SUBJECTS`` subjects.

    >>> units_of(["a", "a", "b"]).over, units_of(list("aabcde")).n
    ('cases', 5)
    """
    names, codes = np.unique(np.asarray(subjects).astype(str), return_inverse=True)
    if len(names) >= FEWEST_SUBJECTS:
        return Units(codes.reshape(-1), len(names), "subjects")
    return Units(np.arange(codes.size), codes.size, "cases")


def draw_weights(units: Units, resamples: int, rng: np.random.Generator) -> Iterator[Weights]:
    """Yield blocks (r, cases) of how often each case is in a resample; the blocks have ``resamples`` rows in all."""
    block = max(1, min(resamples, _BLOCK // max(units.codes.size, units.n, 1)))
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = rng.integers(0, units.n, size=(rows, units.n)) + np.arange(rows)[:, None] * units.n
        counts = np.bincount(drawn.ravel(), minlength=rows * units.n).reshape(rows, units.n)
        yield counts[:, units.codes].astype(np.float64)


def weighted_figures(
    statistic: Callable[[Weights], Mapping[Key, NDArray[np.float64]]],
    subjects: ArrayLike | Sequence[Any],
    resamples: int = 2000,
    seed: int | np.random.Generator = 0,
) -> dict[Key, Figure]:
    """Return a figure for every statistic that can be computed from weights of the cases.

    Parameters
    ----------
    statistic : from weights (r, cases) to name -> values (r,); NaN where a resample leaves a value undefined (a class
        that was not drawn). It is first called with one row of ones, which gives the values themselves.
    subjects : (cases,) whom each case comes from.
    resamples : number of resamples.
    seed : a seed, or the generator to draw from.

    Returns
    -------
    name -> figure. The interval is between expanded percentiles of the resamples that define the value; it is None with
    fewer than two units, or where fewer than half of the resamples define the value.
    """
    units = units_of(subjects)
    if units.codes.size == 0:
        return {key: Figure(None, None, None, 0, units.over) for key in statistic(np.zeros((1, 0)))}
    whole = statistic(np.ones((1, units.codes.size)))
    blocks: dict[Key, list[NDArray[np.float64]]] = {key: [] for key in whole}
    if units.n > 1:
        for weights in draw_weights(units, resamples, np.random.default_rng(seed)):
            for key, values in statistic(weights).items():
                blocks[key].append(values)
    return {key: _figure(float(value[0]), blocks[key], units) for key, value in whole.items()}


def _figure(value: float, blocks: list[NDArray[np.float64]], units: Units) -> Figure:
    drawn = np.concatenate(blocks) if blocks else np.empty(0)
    drawn = drawn[np.isfinite(drawn)]
    defined = drawn.size >= 0.5 * sum(block.size for block in blocks) and drawn.size > 0
    if finite(value) is None or not defined:
        return Figure(finite(value), None, None, units.n, units.over)
    tail = tail_of(units.n)
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Figure(value, float(low), float(high), units.n, units.over)


def tail_of(units: int) -> float:
    """Return the share of resamples left out at each end, so that the interval is as wide as a t interval would be.

    >>> round(tail_of(10), 4), round(tail_of(40), 4), round(tail_of(10_000), 4)
    (0.0086, 0.0203, 0.025)
    """
    t = stats.t.ppf((1 + LEVEL) / 2, units - 1)
    return float(stats.norm.cdf(-t * math.sqrt(units / (units - 1))))


def mean_figures(
    columns: Mapping[Key, ArrayLike],
    subjects: ArrayLike | Sequence[Any],
    resamples: int = 2000,
    seed: int | np.random.Generator = 0,
) -> dict[Key, Figure]:
    """Return the mean over cases of every column, name -> (cases,), with its interval."""
    names = list(columns)
    table = np.stack([np.asarray(columns[name], np.float64) for name in names], axis=1) if names else np.empty((0, 0))

    def means(weights: Weights) -> dict[Key, NDArray[np.float64]]:
        with np.errstate(invalid="ignore", divide="ignore"):
            values = (weights @ table) / weights.sum(axis=1, keepdims=True)
        return {name: values[:, i] for i, name in enumerate(names)}

    return weighted_figures(means, subjects, resamples, seed)


def bootstrap(
    metric: Callable[[NDArray[np.intp]], float],
    subjects: ArrayLike | Sequence[Any],
    resamples: int = 2000,
    seed: int | np.random.Generator = 0,
) -> Figure:
    """Return the figure of any metric that is a function of the indices of cases (repeated where drawn repeatedly).

    Slower than ``weighted_figures`` (one call a resample) and good for everything: medians, a library's own function.
    A metric that raises ``ValueError`` or returns NaN for a resample (one class only) is undefined there.

    >>> score = np.array([1.0, 0.0, 1.0, 1.0, 1.0, 0.0])
    >>> figure = bootstrap(lambda cases: float(np.median(score[cases])), list("abcdef"), resamples=200)
    >>> figure.value, figure.low, figure.high, figure.n, figure.over
    (1.0, 0.0, 1.0, 6, 'subjects')
    """

    def by_index(weights: Weights) -> dict[str, NDArray[np.float64]]:
        return {"value": np.array([_tried(metric, row) for row in weights])}

    return weighted_figures(by_index, subjects, resamples, seed)["value"]


def _tried(metric: Callable[[NDArray[np.intp]], float], weights: NDArray[np.float64]) -> float:
    indices = np.repeat(np.arange(weights.size), weights.astype(np.intp))
    if indices.size == 0:
        return float("nan")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return float(metric(indices))
    except ValueError:
        return float("nan")


def check_lengths(**columns: Sequence[Any] | NDArray[Any]) -> None:
    """Refuse columns that do not have one entry a case.

    Raises
    ------
    VoxTempoError : the lengths differ; the message names them.
    """
    if len({len(column) for column in columns.values()}) > 1:
        found = ", ".join(f"{len(column)} {name}" for name, column in columns.items())
        raise VoxTempoError(f"One entry a case is needed in every column, found {found}.")
