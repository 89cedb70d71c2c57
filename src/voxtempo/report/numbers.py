"""How results are written: titles of metrics, digits that the interval supports, and places on an axis."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from voxtempo.metrics import METRICS, Axis, Metric

MOST = 10
"""Decimals of an error in a small unit."""


def metric_of(name: str) -> Metric:
    """Return what is known of a metric; one that is not known is shown under its own name.

    >>> metric_of("my_own").title
    'My own'
    """
    return METRICS.get(name) or Metric(name.replace("_", " ").capitalize())


def is_figure(value: Any) -> bool:
    """Return whether this is a figure of metrics.json: a value with an interval and a denominator."""
    return isinstance(value, Mapping) and "value" in value and not isinstance(value["value"], Mapping)


def value_of(figure: Any) -> float | None:
    """Return the number of a figure, or of a bare number; None if undefined."""
    value = figure.get("value") if isinstance(figure, Mapping) else figure
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def interval_of(figure: Any) -> tuple[float, float] | None:
    """Return the ends of a figure's interval, or None without one."""
    if not isinstance(figure, Mapping):
        return None
    low, high = value_of(figure.get("low")), value_of(figure.get("high"))
    return None if low is None or high is None else (low, high)


def digits_for(figure: Any, axis: Axis) -> int:
    """Return the decimals that an interval's width supports: two figures of the width, 2 to 3 for rates, 1 and more else.

    >>> digits_for({"value": 0.84, "low": 0.76, "high": 0.91}, "rate")
    2
    >>> digits_for({"value": 0.8821, "low": 0.8742, "high": 0.8893}, "rate")
    3
    >>> digits_for({"value": 8.1e-4, "low": 7.2e-4, "high": 8.9e-4}, "error")
    5
    """
    fewest = 1 if axis in ("error", "signed") else 2
    interval = interval_of(figure)
    width = interval[1] - interval[0] if interval else 0.0
    if width <= 0:
        value = abs(value_of(figure) or 0.0)
        small = math.ceil(-math.log10(value)) + 1 if 0 < value < 0.1 and axis in ("error", "signed") else 0
        return max(fewest, 2 if value < 10 else 1, min(small, MOST))
    return min(MOST if axis in ("error", "signed") else 3, max(fewest, math.ceil(-math.log10(width)) + 1))


def number(value: float | None, digits: int) -> str:
    """Return a number as text, with a true minus sign and no negative zero.

    >>> number(-0.0001, 2), number(-1.5, 1), number(None, 2)
    ('0.00', '−1.5', '–')
    """
    if value is None:
        return "–"
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def interval_text(figure: Any, digits: int) -> str:
    """Return "[0.76, 0.91]", with a sign before it where it is approximate, or nothing without an interval.

    >>> interval_text({"value": 0.8, "low": 0.5, "high": 0.9, "approximate": True}, 1)
    '≈ [0.5, 0.9]'
    """
    interval = interval_of(figure)
    if interval is None:
        return ""
    sign = "≈ " if figure.get("approximate") else ""
    return f"{sign}[{number(interval[0], digits)}, {number(interval[1], digits)}]"


def units_text(figure: Mapping[str, Any]) -> str:
    """Return the denominator in words.

    >>> units_text({"n": 1, "over": "subjects"}), units_text({"n": 32, "over": "cases"})
    ('1 subject', '32 cases')
    """
    count, over = figure.get("n"), str(figure.get("over") or "cases")
    if not isinstance(count, int):
        return ""
    return f"{count:,} {over[:-1] if count == 1 and over.endswith('s') else over}"


def round_up(value: float) -> float:
    """Return the next round number: 1, 2 or 5 times a power of ten.

    >>> round_up(13.1), round_up(0.3), round_up(0)
    (20.0, 0.5, 1.0)
    """
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1.0, 2.0, 5.0, 10.0) if step * power >= value * (1 - 1e-9))


def span_of(axis: Axis, values: list[float]) -> tuple[float, float]:
    """Return the ends of the axis on which these values are drawn."""
    largest, smallest = max(values, default=1.0), min(values, default=0.0)
    if axis == "rate":
        return 0.0, 1.0
    if axis == "share":
        return (0.0, 1.0) if smallest >= 0 else (min(-1.0, -round_up(-smallest)) if smallest < -1 else -1.0, 1.0)
    if axis == "error":
        return 0.0, round_up(largest)
    reach = round_up(max(largest, -smallest))
    return -reach, reach


def place(value: float | None, span: tuple[float, float]) -> float | None:
    """Return where a value is on an axis, in percent from its low end, kept on the axis."""
    if value is None:
        return None
    return round(min(100.0, max(0.0, 100.0 * (value - span[0]) / (span[1] - span[0]))), 2)


def duration(seconds: float) -> str:
    """Return a length of time as people say it.

    >>> duration(42), duration(600), duration(8000)
    ('42 s', '10 min', '2 h 13 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
