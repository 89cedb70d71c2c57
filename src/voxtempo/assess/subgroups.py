"""The same metrics for parts of the cohort: women and men, one scanner and another, young and old."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_VALUES = 8
"""A column of numbers with more distinct values than this is cut into bands of equal size."""

BANDS = 3
UNKNOWN = "unknown"


def subgroup_of(values: Sequence[Any]) -> list[str]:
    """Return the subgroup of every case: its value, or its band where the column holds many different numbers.

    >>> subgroup_of(["F", "M", ""])
    ['F', 'M', 'unknown']
    >>> sorted(set(subgroup_of(range(20, 80))))
    ['20 to 39', '40 to 59', '60 to 79']
    """
    texts = ["" if value is None else str(value).strip() for value in values]
    known = [text for text in texts if text and text.lower() not in ("nan", "n/a")]
    numbers = _numbers(known)
    if numbers is None or len(set(numbers.tolist())) <= MOST_VALUES:
        return [text if text in known else UNKNOWN for text in texts]
    edges = np.unique(np.quantile(numbers, np.linspace(0, 1, BANDS + 1)[1:-1]))
    band = np.searchsorted(edges, numbers, side="left")
    names = {int(b): f"{numbers[band == b].min():g} to {numbers[band == b].max():g}" for b in np.unique(band)}
    places = iter(band.tolist())
    return [names[next(places)] if text in known else UNKNOWN for text in texts]


def _numbers(texts: Sequence[str]) -> NDArray[np.float64] | None:
    try:
        numbers = np.array([float(text) for text in texts])
    except ValueError:
        return None
    return numbers if numbers.size and np.isfinite(numbers).all() else None


def subgroup_metrics(
    values: Sequence[Any], judge: Callable[[NDArray[np.intp]], dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Judge every subgroup of a column on its own.

    Parameters
    ----------
    values : (n,) the column's value for each case; what is missing becomes the group "unknown".
    judge : from the positions of a subgroup's cases to its metrics, for instance
        ``lambda cases: classification_metrics(p[cases], y[cases], classes, subjects[cases])``.

    Returns
    -------
    subgroup -> metrics; bands of numbers in rising order, other groups by name, "unknown" last.
    """
    groups = np.array(subgroup_of(values), dtype=object)
    return {name: judge(np.flatnonzero(groups == name)) for name in sorted(set(groups), key=_rank)}


def _rank(name: str) -> tuple[int, float, str]:
    try:
        return (1 if name == UNKNOWN else 0, float(name.split(" to ")[0]), name)
    except ValueError:
        return (1 if name == UNKNOWN else 0, 0.0, name)
