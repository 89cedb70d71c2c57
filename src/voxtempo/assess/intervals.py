"""Intervals over subjects: a subject is drawn, or left out, with all its cases, because its cases are alike.

Weights say how often every case counts, so a metric that is a function of weighted sums is computed for hundreds of
resamples in one matrix product. A metric whose scale is known gets a jackknife interval (``scales.py``), any other an
expanded BCa one (``percentiles.py``); proportions and areas under curves have their own (``proportions.py``,
``areas.py``). How often each holds the truth is measured in docs/intervals.md. None of them can know what the sample does
not show: where all resamples agree, there is no interval.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxtempo.assess.figure import Figure, finite
from voxtempo.assess.percentiles import Ends, bca_interval, percentile_interval
from voxtempo.assess.resampling import Weights, draw_weights, leave_out_weights, units_of
from voxtempo.assess.scales import jackknife_interval
from voxtempo.errors import VoxTempoError
from voxtempo.metrics import Scale, scale_of

Key = TypeVar("Key", bound=Hashable)
Method = Literal["auto", "jackknife", "bca", "percentile"]
Values = NDArray[np.float64]


def weighted_figures(
    statistic: Callable[[Weights], Mapping[Key, Values]],
    subjects: ArrayLike | Sequence[Any],
    resamples: int = 2000,
    seed: int | np.random.Generator = 0,
    *,
    method: Method = "auto",
    scale: Scale | None = None,
) -> dict[Key, Figure]:
    """Return a figure for every statistic that can be computed from weights of the cases.

    Parameters
    ----------
    statistic : from weights (r, cases) to name -> values (r,); NaN where a resample leaves a value undefined (a class
        that was not drawn). It is first called with one row of ones, which gives the values themselves.
    subjects : (cases,) whom each case comes from.
    resamples : number of resamples of a bootstrap.
    seed : a seed, or the generator to draw from.
    method : "jackknife", "bca" or "percentile" for all; "auto" takes the jackknife where the scale is known, else BCa.
    scale : of all values; by default each is known by its name (``metrics.scale_of``).

    Returns
    -------
    name -> figure. The interval is None with fewer than two units, where all resamples give the same value, or where too
    many leave it undefined: half of the bootstrap's, one of the jackknife's.
    """
    units = units_of(subjects)
    if units.codes.size == 0:
        return {key: Figure(None, None, None, 0, units.over) for key in statistic(np.zeros((1, 0)))}
    whole = {key: float(value[0]) for key, value in statistic(np.ones((1, units.codes.size))).items()}
    if units.n < 2:
        return {key: Figure(finite(value), None, None, units.n, units.over) for key, value in whole.items()}
    scales = {key: scale or scale_of(key) for key in whole}
    methods = {key: ("jackknife" if scales[key] else "bca") if method == "auto" else method for key in whole}
    used = set(methods.values())
    left_out = _gathered(statistic, leave_out_weights(units)) if used - {"percentile"} else {}
    rng = np.random.default_rng(seed)
    drawn = _gathered(statistic, draw_weights(units, resamples, rng)) if used - {"jackknife"} else {}
    figures = {}
    for key, value in whole.items():
        ends = None
        if finite(value) is not None:
            if methods[key] == "jackknife":
                ends = jackknife_interval(value, left_out[key], scales[key] or "plain")
            else:
                ends = _bootstrap_ends(value, drawn[key], left_out.get(key), units.n)
        low, high = ends or (None, None)
        figures[key] = Figure(finite(value), low, high, units.n, units.over, methods[key] if ends else None)
    return figures


def _gathered(statistic: Callable[[Weights], Mapping[Key, Values]], blocks: Iterable[Weights]) -> dict[Key, Values]:
    parts = [statistic(weights) for weights in blocks]
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _bootstrap_ends(value: float, drawn: Values, left_out: Values | None, units: int) -> Ends | None:
    """Return the BCa interval, or the percentiles without ``left_out`` or where the value is outside its resamples."""
    kept = drawn[np.isfinite(drawn)]
    if kept.size < max(0.5 * drawn.size, 1) or np.ptp(kept) <= 1e-12 * np.abs(kept).max():
        return None
    ends = None if left_out is None else bca_interval(value, kept, left_out[np.isfinite(left_out)], units)
    return ends or percentile_interval(kept, units)


def mean_figures(
    columns: Mapping[Key, ArrayLike],
    subjects: ArrayLike | Sequence[Any],
    resamples: int = 2000,
    seed: int | np.random.Generator = 0,
    *,
    method: Method = "auto",
    scale: Scale | None = None,
) -> dict[Key, Figure]:
    """Return the mean over cases of every column, name -> (cases,), with its interval.

    Parameters
    ----------
    columns : name -> (cases,).
    subjects, resamples, seed, method : as in ``weighted_figures``.
    scale : of all means; by default each is known by its name, and any other has no bounds.
    """
    kinds: dict[Key, Scale] = {name: scale or scale_of(name) or "plain" for name in columns}
    figures: dict[Key, Figure] = {}
    for kind in dict.fromkeys(kinds.values()):
        alike = mean_statistic({name: column for name, column in columns.items() if kinds[name] == kind})
        figures |= weighted_figures(alike, subjects, resamples, seed, method=method, scale=kind)
    return {name: figures[name] for name in columns}


def mean_statistic(columns: Mapping[Key, ArrayLike]) -> Callable[[Weights], dict[Key, Values]]:
    """Return the function from weights (r, cases) to the mean of every column, name -> (r,)."""
    names = list(columns)
    table = np.stack([np.asarray(columns[name], np.float64) for name in names], axis=1) if names else np.empty((0, 0))

    def means(weights: Weights) -> dict[Key, Values]:
        with np.errstate(invalid="ignore", divide="ignore"):
            values = (weights @ table) / weights.sum(axis=1, keepdims=True)
        return {name: values[:, i] for i, name in enumerate(names)}

    return means


def bootstrap(
    metric: Callable[[NDArray[np.intp]], float],
    subjects: ArrayLike | Sequence[Any],
    resamples: int = 2000,
    seed: int | np.random.Generator = 0,
    *,
    method: Method = "bca",
    scale: Scale | None = None,
) -> Figure:
    """Return the figure of any metric that is a function of the indices of cases (repeated where drawn repeatedly).

    Slower than ``weighted_figures`` (one call a resample) and good for everything: medians, a library's own function.
    A metric that raises ``ValueError`` or returns NaN for a resample (one class only) is undefined there.

    >>> score = np.array([1.0, 0.0, 1.0, 1.0, 1.0, 0.0])
    >>> figure = bootstrap(lambda cases: float(np.median(score[cases])), list("abcdef"), resamples=200)
    >>> figure.value, figure.low, figure.high, figure.n, figure.over
    (1.0, 0.0, 1.0, 6, 'subjects')
    """
    return weighted_figures(index_statistic(metric), subjects, resamples, seed, method=method, scale=scale)["value"]


def index_statistic(metric: Callable[[NDArray[np.intp]], float]) -> Callable[[Weights], dict[str, Values]]:
    """Return the function from weights (r, cases) to a metric of indices, "value" -> (r,)."""

    def by_index(weights: Weights) -> dict[str, Values]:
        return {"value": np.array([_tried(metric, row) for row in weights])}

    return by_index


def _tried(metric: Callable[[NDArray[np.intp]], float], weights: Values) -> float:
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
