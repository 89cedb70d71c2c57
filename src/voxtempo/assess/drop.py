"""How much worse a network does elsewhere: the figures of two cohorts of different people, and their difference.

The interval comes from those of the two figures, so no case of the first cohort is needed again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from voxtempo.assess.figure import Figure
from voxtempo.assess.independent import difference_of
from voxtempo.metrics import METRICS, higher_is_better


def drops(inside: Mapping[str, Any], outside: Mapping[str, Any]) -> dict[str, Any]:
    """Return how much worse another cohort is judged by every metric that has a better and a worse, as positive numbers.

    Parameters
    ----------
    inside, outside : metrics as ``classification_metrics`` and its like return them, of a run's own test and of the other
        cohort; figures may be as ``metrics.json`` has them.

    Returns
    -------
    metric -> figure, or metric -> label -> figure. Metrics that should be 0 are left out.
    """
    found: dict[str, Any] = {}
    for name in METRICS:
        larger = higher_is_better(name)
        if larger is None or name not in inside or name not in outside:
            continue
        ours, theirs = _figure(inside[name]), _figure(outside[name])
        if ours is not None and theirs is not None:
            found[name] = _worse(ours, theirs, larger)
        elif isinstance(inside[name], Mapping) and isinstance(outside[name], Mapping):
            pairs = {label: (_figure(inside[name].get(label)), _figure(each)) for label, each in outside[name].items()}
            found[name] = {label: _worse(own, other, larger) for label, (own, other) in pairs.items() if own and other}
    return found


def _worse(inside: Figure, outside: Figure, larger: bool) -> Figure:
    return difference_of(inside, outside) if larger else difference_of(outside, inside)


def _figure(value: Any) -> Figure | None:
    if isinstance(value, Figure):
        return value
    if not isinstance(value, Mapping) or not {"value", "low", "high", "n", "over"} <= set(value):
        return None
    return Figure(value["value"], value["low"], value["high"], value["n"], value["over"], value.get("method"))
