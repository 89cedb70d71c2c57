"""A prediction in time: one lane a class, the probability as a filled curve, the true periods as a band behind it.

A predicted number is one line, with the true number beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from numpy.typing import NDArray

from voxtempo.report.chart import BLUE, INK, ORANGE, RULE, new_chart, shortened, svg

BARS = 80
"""Up to this many windows each is drawn as a bar, beyond as a curve."""


def course_chart(
    time: NDArray[np.float64],
    probabilities: NDArray[np.float64],
    truth: Sequence[str],
    classes: Sequence[str],
    key: str,
) -> Markup:
    """Return the chart of one series.

    Parameters
    ----------
    time : (n,) seconds of each window, rising.
    probabilities : (n, k), 0 to 1.
    truth : (n,) class name of each window, or "" where nothing is known.
    classes : k names.
    key : unique on the page.
    """
    figure = draw_course(time, probabilities, truth, classes)
    return svg(figure, key, "Probability of each class over time with the true periods", wide=True)


def draw_course(
    time: NDArray[np.float64], probabilities: NDArray[np.float64], truth: Sequence[str], classes: Sequence[str]
) -> Figure:
    """Return the figure that ``course_chart`` shows, for the same arguments."""
    figure, axes = new_chart(920, 64 + 52 * len(classes))
    step = float(np.median(np.diff(time))) if len(time) > 1 else 1.0
    names = np.array(truth, dtype=object)
    for lane, name in enumerate(classes):
        base = len(classes) - 1 - lane
        axes.axhline(base, color=RULE, linewidth=1)
        for start, stop in _runs(time, np.asarray(names == name), step):
            axes.fill_between([start, stop], base, base + 0.86, color=ORANGE, alpha=0.3, linewidth=0)
        height = np.nan_to_num(probabilities[:, lane], nan=0.0).clip(0, 1) * 0.86
        if len(time) <= BARS:
            axes.bar(time, height, width=0.8 * step, bottom=base, color=BLUE, alpha=0.9, linewidth=0)
        else:
            for part in np.split(np.arange(len(time)), np.flatnonzero(np.diff(time) > 1.6 * step) + 1):
                axes.fill_between(
                    time[part], base, base + height[part], color=BLUE, alpha=0.85, linewidth=0, step="mid"
                )
    axes.set_yticks([len(classes) - 1 - lane + 0.4 for lane in range(len(classes))], shortened(list(classes)))
    axes.tick_params(axis="y", labelcolor=INK)
    axes.set(ylim=(-0.06, len(classes)), xlim=(float(time.min()) - step / 2, float(time.max()) + step / 2))
    axes.grid(False)
    axes.set_xlabel("seconds")
    return figure


def value_chart(time: NDArray[np.float64], values: NDArray[np.float64], truth: NDArray[np.float64], key: str) -> Markup:
    """Return the chart of a number predicted over time (n,), with the true numbers (n,), NaN where nothing is known."""
    return svg(draw_values(time, values, truth), key, "Predicted value over time with the true value", wide=True)


def draw_values(time: NDArray[np.float64], values: NDArray[np.float64], truth: NDArray[np.float64]) -> Figure:
    """Return the figure that ``value_chart`` shows, for the same arguments."""
    figure, axes = new_chart(920, 240)
    axes.plot(time, truth, color=ORANGE, linewidth=6, alpha=0.35, solid_capstyle="butt")
    axes.plot(time, values, color=BLUE, linewidth=2, marker="o" if len(time) <= BARS else "", markersize=5)
    axes.set_xlabel("seconds")
    axes.margins(x=0.02, y=0.12)
    return figure


def _runs(time: NDArray[np.float64], true: NDArray[np.bool_], step: float) -> list[tuple[float, float]]:
    """Return (start, stop) of each unbroken period in which ``true`` holds."""
    held = np.flatnonzero(true)
    if held.size == 0:
        return []
    breaks = np.flatnonzero((np.diff(held) > 1) | (np.diff(time[held]) > 1.6 * step)) + 1
    return [(float(time[part[0]]) - step / 2, float(time[part[-1]]) + step / 2) for part in np.split(held, breaks)]
