"""Charts of predicted numbers: predicted against true, and the difference against the mean (Bland and Altman 1986)."""

from __future__ import annotations

import math

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from numpy.typing import NDArray

from voxtempo.report.chart import BLUE, INK, MUTED, ORANGE, RULE, new_chart, svg
from voxtempo.report.numbers import number

MANY = 1500
"""Beyond this many points they are drawn as a picture, or the page would grow too large."""


def scatter_chart(predicted: NDArray[np.float64], truth: NDArray[np.float64], name: str = "target") -> Markup | None:
    """Return predicted against true values, finite pairs only, or None without any."""
    known = np.isfinite(predicted) & np.isfinite(truth)
    if not known.any():
        return None
    p, y = predicted[known], truth[known]
    figure, axes = new_chart(440, 420)
    low, high = float(min(p.min(), y.min())), float(max(p.max(), y.max()))
    pad = 0.06 * (high - low or 1.0)
    ends = (low - pad, high + pad)
    axes.plot(ends, ends, color=RULE, linewidth=1.5)
    _dots(axes, y, p)
    if y.size > 2 and np.ptp(y) > 0:
        slope, start = np.polyfit(y, p, 1)
        line = np.array([y.min(), y.max()])
        axes.plot(line, slope * line + start, color=ORANGE, linewidth=2)
        axes.text(
            0.03,
            0.97,
            f"slope {number(float(slope), 2)}",
            transform=axes.transAxes,
            va="top",
            color=ORANGE,
            fontsize=13,
        )
    axes.set(xlim=ends, ylim=ends, aspect="equal")
    axes.set_xlabel(f"true {name}")
    axes.set_ylabel(f"predicted {name}")
    return svg(figure, "scatter", f"Predicted against true {name}")


def bland_altman_chart(
    predicted: NDArray[np.float64],
    truth: NDArray[np.float64],
    name: str = "target",
    key: str = "bland-altman",
    height: int = 420,
) -> Markup | None:
    """Return the difference against the mean of predicted and true, with bias and limits of agreement (± 1.96 SD)."""
    known = np.isfinite(predicted) & np.isfinite(truth)
    if known.sum() < 2:
        return None
    p, y = predicted[known], truth[known]
    difference, mean = p - y, (p + y) / 2
    bias, spread = float(difference.mean()), float(difference.std(ddof=1))
    figure, axes = new_chart(440, height)
    axes.axhline(0, color=RULE, linewidth=1.5)
    _dots(axes, mean, difference)
    reach = float(np.abs(difference).max())
    digits = (
        0
        if reach >= 100
        else 1
        if reach >= 10
        else 2
        if reach >= 0.5 or reach == 0
        else 1 - math.floor(math.log10(reach))
    )
    for value, style, text in (
        (bias, "-", "bias"),
        (bias + 1.96 * spread, (0, (6, 3)), "+1.96 SD"),
        (bias - 1.96 * spread, (0, (6, 3)), "−1.96 SD"),
    ):
        axes.axhline(value, color=ORANGE, linewidth=1.8, linestyle=style)
        axes.annotate(
            f"{text}\n{number(value, digits)}",
            (1.0, value),
            xycoords=("axes fraction", "data"),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            color=INK,
            fontsize=12,
        )
    axes.margins(x=0.06, y=0.14)
    axes.set_xlabel(f"mean of predicted and true {name}")
    axes.set_ylabel("predicted − true")
    axes.title.set_color(MUTED)
    return svg(figure, key, f"Difference between predicted and true {name} against their mean")


def _dots(axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    axes.scatter(x, y, s=26, color=BLUE, alpha=0.6, linewidths=0, rasterized=x.size > MANY, clip_on=False)
