"""One number with its interval and its denominator: the only form in which a result leaves this room."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Over = Literal["subjects", "cases"]

CLAIMED_FROM = 20
"""Fewest subjects of whom an interval claims its 95 %; of fewer, too many do not hold it (docs/intervals.md)."""


@dataclass(frozen=True)
class Figure:
    """A value, its 95 % interval, and what it was computed over.

    Parameters
    ----------
    value : the metric on all cases; None where it is undefined (an AUC with one class only, no case at all).
    low, high : ends of the interval; None where there is nothing to resample (fewer than two units) or where the metric
        is undefined in most resamples or the same in all. Both are numbers or both are None.
    n : number of resampled units: the denominator.
    over : what the units are. Subjects, or cases where there are too few subjects.
    method : which interval it is: "bca" or "percentile" (bootstrap), "wilson" (a proportion), "mover" (a mean of
        proportions, a difference of two figures), "delong" (an area under the curve), "noncentral t" (a limit of agreement),
        "max_t" (a difference of subgroups that share subjects); None without an interval.
        docs/intervals.md has how often each holds the truth.
    claimed_from : fewest units of which the interval claims its 95 %.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    over: Over
    method: str | None = None
    claimed_from: int = CLAIMED_FROM

    @property
    def approximate(self) -> bool:
        """Whether there is an interval that does not claim to hold the truth in 95 % of studies: of cases, or few subjects."""
        return self.low is not None and (self.over == "cases" or self.n < self.claimed_from)

    def as_json(self) -> dict[str, Any]:
        """Return ``{"value", "low", "high", "n", "over", "method"}``; what is undefined is null.

        An interval that is ``approximate`` has that key too.

        >>> Figure(0.5, 0.4, 0.6, 96, "subjects", "wilson").as_json()
        {'value': 0.5, 'low': 0.4, 'high': 0.6, 'n': 96, 'over': 'subjects', 'method': 'wilson'}
        >>> Figure(0.5, 0.3, 0.7, 12, "subjects", "wilson").as_json()["approximate"]
        True
        """
        mark = {"approximate": True} if self.approximate else {}
        return {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "over": self.over,
            "method": self.method,
            **mark,
        }

    def __str__(self) -> str:
        if self.value is None:
            return f"undefined ({self.n} {self.over})"
        interval = "" if self.low is None or self.high is None else f" [{self.low:.3f}, {self.high:.3f}]"
        return f"{self.value:.3f}{interval} ({self.n} {self.over})"


def finite(number: float) -> float | None:
    """Return a plain float, or None if it is not finite.

    >>> finite(float("nan")) is None
    True
    """
    return float(number) if math.isfinite(number) else None


def as_json(tree: Any) -> Any:
    """Return nested mappings and sequences of figures, numpy values and plain values as what ``json.dump`` takes.

    >>> as_json({"accuracy": Figure(1.0, 0.5, 1.0, 7, "subjects"), "confusion": np.eye(2, dtype=int)})["confusion"]
    [[1, 0], [0, 1]]
    """
    if isinstance(tree, Figure):
        return tree.as_json()
    if isinstance(tree, Mapping):
        return {str(key): as_json(value) for key, value in tree.items()}
    if isinstance(tree, np.ndarray | np.generic):
        return as_json(tree.tolist())
    if isinstance(tree, list | tuple):
        return [as_json(value) for value in tree]
    if isinstance(tree, float):
        return finite(tree)
    return tree
