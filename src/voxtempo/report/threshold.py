"""Calls of the second of two classes: what they are worth at the run's threshold, and at every other (decision curve)."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup

from voxtempo.report.chart import BLUE, MUTED, ORANGE, RULE, legend, new_chart, svg
from voxtempo.report.numbers import interval_of, number, value_of
from voxtempo.report.result_tables import metric_lines
from voxtempo.report.run_files import RunFiles, mapping


def threshold_table(run: RunFiles, metrics: dict[str, Any]) -> dict[str, Any] | None:
    """Return the rates at the threshold, or None where they are not recorded (more than two classes)."""
    recorded = mapping(metrics.get("at_threshold"))
    threshold, prevalence = value_of(recorded.get("threshold")), value_of(recorded.get("prevalence"))
    if threshold is None:
        return None
    return {
        "positive": str(recorded.get("positive", "")),
        "at": number(threshold, 2),
        "prevalence": "" if prevalence is None else f"{100 * prevalence:.3g} %",
        "lines": metric_lines(run, recorded),
    }


def decision_chart(curve: dict[str, Any]) -> Markup | None:
    """Return the net benefit of the model, of acting on everybody and on nobody, or None without a curve.

    Parameters
    ----------
    curve : "decision_curve" of metrics.json.
    """
    limits = [value_of(limit) for limit in curve.get("thresholds") or ()]
    model, everybody = ([value_of(f) for f in curve.get(key) or ()] for key in ("model", "treat_all"))
    if not limits or None in (*limits, *model, *everybody) or not len(limits) == len(model) == len(everybody):
        return None
    x, benefit = np.array(limits, np.float64), np.array(model, np.float64)
    ends = np.array([interval_of(f) or (value_of(f), value_of(f)) for f in curve["model"]], np.float64)
    figure, axes = new_chart(440, 420)
    axes.axhline(0.0, color=MUTED, linewidth=1.2, label="nobody")
    axes.plot(x, np.array(everybody, np.float64), color=ORANGE, linestyle=(0, (6, 2)), linewidth=1.8, label="everybody")
    axes.fill_between(x, ends[:, 0], ends[:, 1], color=RULE, linewidth=0)
    axes.plot(x, benefit, color=BLUE, linewidth=2.2, label="the network")
    top = max(float(ends.max()), float(everybody[0] or 0.0), 0.01)
    axes.set(xlim=(0, 1), ylim=(-0.6 * top, 1.08 * top))
    axes.set_xlabel("probability from which one acts")
    axes.set_ylabel("net benefit")
    legend(axes, "lower left", "acting on")
    return svg(figure, "decision", "Decision curve")


def decision_charts(run: RunFiles) -> list[tuple[str, Markup]]:
    """Return the decision curve of the test cases with its caption."""
    curve = mapping(run.metrics.get("decision_curve"))
    chart = decision_chart(curve) if run.role == "test" else None
    caption = f"Decision curve of “{curve.get('positive')}”; grey: intervals at each probability"
    return [(caption, chart)] if chart is not None else []
