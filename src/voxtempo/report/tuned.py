"""Values that were chosen inside the training cases, and what several seeds gave: what a run tried, for a reader to see."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from voxtempo.metrics import higher_is_better, used
from voxtempo.report.numbers import metric_of, number, value_of
from voxtempo.report.result_tables import Grid, grid_of, headline_figures
from voxtempo.report.run_files import RunFiles, mapping
from voxtempo.report.settings import in_words

MOST = 24
"""Candidates shown of each fold."""


def tuned_tables(run: RunFiles) -> list[dict[str, Any]]:
    """Return, of every fold that chose values, the candidates with their figures on the inner folds, the best first."""
    return [table for each in (run, *run.folds) if (table := _tuned(each)) is not None]


def _tuned(run: RunFiles) -> dict[str, Any] | None:
    tried = [item for item in run.tuning.get("tried") or [] if isinstance(item, dict) and mapping(item.get("values"))]
    if not tried:
        return None
    metric = str(run.tuning.get("metric", ""))
    keys = list(dict.fromkeys(key for item in tried for key in item["values"]))
    chosen = mapping(run.tuning.get("chosen"))
    sign = -1.0 if higher_is_better(metric) else 1.0

    def rank(item: dict[str, Any]) -> tuple[bool, float]:
        mean = value_of(item.get("mean"))
        return item["values"] != chosen, math.inf if mean is None else sign * mean

    tried.sort(key=rank)
    rows = [
        {
            "values": [in_words(item["values"].get(key)) for key in keys],
            "mean": number(value_of(item.get("mean")), 4),
            "deviation": number(value_of(item.get("deviation")), 4),
            "scores": ", ".join(number(value_of(score), 3) for score in item.get("scores") or []),
            "chosen": item["values"] == chosen,
        }
        for item in tried
    ]
    return {
        "fold": run.tuning.get("fold"),
        "metric": metric_of(metric).title,
        "inner_folds": run.tuning.get("inner_folds"),
        "columns": keys,
        "rows": rows[:MOST],
        "left": max(0, len(rows) - MOST),
    }


def seeds_grid(run: RunFiles) -> tuple[Grid, str] | None:
    """Return the validation figures of each network alone and of all together, and their spread in words."""
    alone = [item for item in run.metrics.get("validation_alone") or [] if isinstance(item, dict)]
    if not alone:
        return None
    rows = [(f"seed {item.get('seed', '')}", headline_figures(run, item)) for item in alone]
    figures = [metric for metric in used("short", run.task) if any(metric in row for _, row in rows)]
    if not figures:
        return None
    together = headline_figures(run, mapping(run.metrics.get("validation")))
    rows += [("all together", together)] if together else []
    parts = []
    for metric in figures:
        values = [value for _, row in rows[: len(alone)] if (value := value_of(row.get(metric))) is not None]
        if len(values) > 1:
            shown = (
                f"{number(float(np.mean(values)), 3)} (standard deviation {number(float(np.std(values, ddof=1)), 3)})"
            )
            parts.append(f"{metric_of(metric).title} {shown}")
    spread = f"Mean over {len(alone)} seeds: {'; '.join(parts)}." if parts else ""
    return grid_of("Network", figures, rows), spread
