"""Charts of certainty: the reliability diagram, and the error that is left where the least certain cases are not answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from voxtempo.report.chart import BLUE, MUTED, ORANGE, RULE, legend, new_chart, svg
from voxtempo.report.numbers import interval_of, value_of


def reliability_chart(bins: Sequence[dict[str, Any]], of: str, name: str = "reliability") -> Markup | None:
    """Return the reliability diagram, or None without bins.

    Parameters
    ----------
    bins : of metrics.json: "confidence", "frequency" (a figure) and "cases".
    of : what is told of: names the vertical axis.
    name : of the chart, unique on the page.
    """
    known = [each for each in bins if value_of(each.get("confidence")) is not None]
    known = [each for each in known if value_of(each.get("frequency")) is not None]
    if not known:
        return None
    told = np.array([value_of(each["confidence"]) for each in known], np.float64)
    right = np.array([value_of(each["frequency"]) for each in known], np.float64)
    ends = [interval_of(each["frequency"]) or (at, at) for each, at in zip(known, right, strict=True)]
    figure, axes = new_chart(440, 420)
    axes.plot([0, 1], [0, 1], color=RULE, linewidth=1.5)
    axes.text(0.03, 0.06, "perfect", color=MUTED, fontsize=12, rotation=45, rotation_mode="anchor", va="bottom")
    axes.vlines(told, [low for low, _ in ends], [high for _, high in ends], color=BLUE, linewidth=1.6, alpha=0.55)
    axes.plot(told, right, color=BLUE, linewidth=1.4, marker="o", markersize=6)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.set_xlabel("probability that was told")
    axes.set_ylabel(of)
    return svg(figure, name, "Reliability diagram")


def risk_coverage_chart(curve: dict[str, Any], error: str) -> Markup | None:
    """Return the risk-coverage curve beside that of the best order, or None without one.

    Parameters
    ----------
    curve : "risk_coverage" of metrics.json: "coverage", "risk" and "best", lists of one length.
    error : what the risk is, in words.
    """
    columns = [curve.get(name) or [] for name in ("coverage", "risk", "best")]
    if not columns[0] or len({len(column) for column in columns}) > 1:
        return None
    coverage, risk, best = (np.array([value_of(v) for v in column], np.float64) for column in columns)
    figure, axes = new_chart(440, 420)
    axes.axhline(float(risk[-1]), color=MUTED, linewidth=1.2, label="in any order")
    axes.plot(coverage, best, color=ORANGE, linestyle=(0, (6, 2)), linewidth=1.8, label="by the errors themselves")
    axes.plot(coverage, risk, color=BLUE, linewidth=2.2, label="by uncertainty")
    axes.set(xlim=(0, 1.01), ylim=(0, 1.5 * max(float(np.nanmax(risk)), 1e-9)))  # room for the legend
    axes.set_xlabel("share of cases answered, the most certain first")
    axes.set_ylabel(error)
    legend(axes, "upper left", "cases in order")
    return svg(figure, "risk-coverage", "Risk-coverage curve")
