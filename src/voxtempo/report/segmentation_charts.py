"""Charts of a segmentation: every case as a dot, label by label, so that no mean can hide a failure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from voxtempo.report.chart import BLUE, INK, ORANGE, RULE, new_chart, shortened, svg
from voxtempo.report.numbers import metric_of
from voxtempo.report.regression_charts import MANY


def strip_chart(values: Mapping[str, NDArray[np.float64]], metric: str) -> Markup | None:
    """Return one strip a label: each case a dot, the box from the first to the third quartile, a line at the median.

    Parameters
    ----------
    values : label -> (cases,); NaN is not drawn.
    metric : the metric's name in metrics.json.
    """
    known = {label: column[np.isfinite(column)] for label, column in values.items()}
    known = {label: column for label, column in known.items() if column.size}
    if not known:
        return None
    figure, axes = new_chart(440, 70 + 62 * len(known))
    everything = np.concatenate(list(known.values()))
    for row, column in enumerate(known.values()):
        offset = 0.22 * _spread(column)
        axes.scatter(
            column,
            row - offset,
            s=22,
            color=BLUE,
            alpha=0.55,
            linewidths=0,
            rasterized=column.size > MANY,
            clip_on=False,
        )
        first, median, third = np.quantile(column, [0.25, 0.5, 0.75])
        axes.plot(
            [first, third, third, first, first], row + np.array([-1, -1, 1, 1, -1]) * 0.32, color=INK, linewidth=1.2
        )
        axes.plot([median, median], [row - 0.32, row + 0.32], color=ORANGE, linewidth=3, solid_capstyle="butt")
    axes.set_yticks(range(len(known)), shortened(list(known)))
    axes.tick_params(axis="y", labelcolor=INK)
    axes.set_ylim(len(known) - 0.45, -0.55)
    axes.grid(False, axis="y")
    shown = metric_of(metric)
    if shown.axis == "rate":
        low = np.floor(10 * everything.min()) / 10
        axes.set_xlim(max(0.0, float(min(low, 0.9))) - 0.004, 1.004)
    else:
        axes.set_xlim(left=min(0.0, float(everything.min())))
    axes.set_xlabel(f"{shown.title}{f' ({shown.unit})' if shown.unit else ''}")
    axes.spines["bottom"].set_color(RULE)
    return svg(figure, f"strip-{metric}", f"{shown.title} of every case by label")


def _spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return offsets in [-1, 1] that keep close dots apart; the same for the same values (no random jitter)."""
    rank = np.argsort(np.argsort(values, kind="stable"), kind="stable")
    return np.asarray(2 * ((rank * 0.618034) % 1.0) - 1, dtype=np.float64)
