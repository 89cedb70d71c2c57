"""The result: metrics with intervals, and the charts that belong to the task."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from markupsafe import Markup

from voxtempo.assess import aggregate_by_subject
from voxtempo.errors import RunError, VoxTempoError
from voxtempo.report.choices import chosen_by_validation
from voxtempo.report.classification_charts import roc_chart
from voxtempo.report.elsewhere import elsewhere
from voxtempo.report.regression_charts import bland_altman_chart, scatter_chart
from voxtempo.report.result_tables import LESIONS, VOLUMES, band_grid, class_grid, fold_grid, label_grid, metric_lines
from voxtempo.report.run_files import RunFiles, mapping, numbers
from voxtempo.report.section import Section
from voxtempo.report.segmentation_charts import strip_chart
from voxtempo.report.threshold import decision_charts, threshold_table
from voxtempo.wording import listed

Chart = tuple[str, Markup]

HALF_PAGE = 42
"""Letters that the columns of a confusion matrix may take side by side with a chart."""


def result_section(run: RunFiles) -> Section:
    """Return the section of metrics and task charts."""
    notes = []
    metrics = run.judged
    if not run.metrics:
        notes.append("There is no metrics.json in the run folder, so the table of metrics is left out.")
    if not run.predictions:
        notes.append("There is no predictions.csv in the run folder, so charts of single cases are left out.")
    content: dict[str, Any] = {
        "role": run.role,
        "lines": metric_lines(run, metrics),
        "folds": fold_grid(run) if run.folds else None,
        "by_case": metric_lines(run, mapping(run.metrics.get(f"{run.role}_by_case"))),
        "other": _other_role(run),
        "selected": listed(chosen_by_validation(run)),
        "baseline": str(mapping(run.metrics.get("baseline")).get("method", "")),
        "flat": False,
        "failed": metrics.get("failed") if isinstance(metrics.get("failed"), int) else None,
        "confusion": None,
        "grid": None,
        "more": [],
        "threshold": None,
        "corrected": [],
        "charts": [],
        "elsewhere": elsewhere(run),
    }
    if run.task == "classify":
        content["confusion"] = _confusion(run, metrics.get("confusion"))
        content["grid"] = class_grid(metrics, run.classes)
        content["threshold"] = threshold_table(run, metrics)
        content["charts"] = [*_roc(run), *decision_charts(run)]
    elif run.task == "segment":
        content["grid"] = label_grid(metrics, run.labels, run.averaged)
        lesions = label_grid(metrics, run.labels, run.averaged, LESIONS)
        volumes = label_grid(metrics, run.labels, [], VOLUMES)
        named = (("Lesions (connected components)", lesions), ("Volume agreement", volumes))
        content["more"] = [(title, grid) for title, grid in named if grid is not None]
        content["charts"] = _strips(run)
        notes += _absent(run)
    else:
        content["grid"] = band_grid(metrics)
        content["corrected"] = metric_lines(run, mapping(metrics.get("corrected")))
        content["charts"] = _agreement(run)
    tables = [content["grid"], content["folds"], *content["lines"]]
    content["flat"] = any(table.flat for table in tables if table is not None)
    shown = any(content[key] for key in ("lines", "folds", "charts", "elsewhere")) or content.get("confusion")
    return Section("result", "Result", content if shown else {}, tuple(notes))


def _absent(run: RunFiles) -> list[str]:
    """Return a sentence about labels that many of the judged cases do not have: what their averages are made of."""
    found = []
    for label in run.labels:
        volumes = numbers(run.rows, f"true_volume_{label}")
        known = volumes[np.isfinite(volumes)]
        there = int((known > 0).sum())
        if there < known.size:
            found.append(f"{label} is in {there} of {known.size} cases")
    if not found:
        return []
    return [
        f"{'; '.join(found)}. Where there is none, Dice, sensitivity, precision and their like are 1 if nothing was marked, "
        "and 0 if something was: averages over labels that are often absent say more of silence than of finding."
    ]


def _other_role(run: RunFiles) -> dict[str, Any] | None:
    """Return the metrics of the validation cases, which selected the model and so look better than they are."""
    metrics = run.metrics.get("validation")
    if run.role == "validation" or not isinstance(metrics, dict):
        return None
    return {"lines": metric_lines(run, metrics)}


def _confusion(run: RunFiles, recorded: Any) -> dict[str, Any] | None:
    if not isinstance(recorded, dict) or not recorded.get("counts"):
        return None
    k = len(run.classes)
    try:
        counts = np.asarray(recorded["counts"], dtype=int).reshape(k, k)
        failed = np.asarray(recorded.get("failed") or [0] * k, dtype=int).reshape(k)
    except (TypeError, ValueError):
        raise RunError(
            f"{run.folder / 'metrics.json'} is damaged: expected a confusion matrix of {k} x {k} counts, "
            f"found {str(recorded['counts'])[:60]}. Evaluate the run again."
        ) from None
    total = counts.sum(axis=1) + failed
    rows = []
    for i, name in enumerate(run.classes):
        cells = [
            {"count": int(count), "share": round(int(count) / max(int(total[i]), 1), 3), "right": i == j}
            for j, count in enumerate(counts[i])
        ]
        rows.append({"name": name, "cells": cells, "failed": int(failed[i]), "total": int(total[i])})
    longest = max(len(piece) for name in run.classes for piece in re.split(r"[_\s-]", name))
    wide = k > 5 or (k + 1) * max(longest, 6) > HALF_PAGE
    return {"classes": run.classes, "rows": rows, "any_failed": bool(failed.any()), "wide": wide}


def _roc(run: RunFiles) -> list[Chart]:
    rows = [row for row in run.rows if row.get("truth") in run.classes]
    if not rows or len(run.classes) < 2 or f"p_{run.classes[0]}" not in rows[0]:
        return []
    scores = np.stack([numbers(rows, f"p_{name}") for name in run.classes], axis=1)
    truth = [row["truth"] for row in rows]
    unit = "cases"
    if mapping(run.study.get("evaluate")).get("by") == "subject":
        try:
            joined = aggregate_by_subject(scores, truth, [row.get("subject", row.get("id", "")) for row in rows])
        except VoxTempoError:
            pass  # a subject with several truths stays as single cases, as its caption says
        else:
            scores, truth, unit = joined.probabilities, joined.truth.tolist(), "subjects"
    chart = roc_chart(scores, truth, run.classes)
    against = (
        f"“{run.classes[1]}” against “{run.classes[0]}”" if len(run.classes) == 2 else "each class against the rest"
    )
    return [(f"ROC, {against}, {len(truth)} {unit}", chart)] if chart else []


def _agreement(run: RunFiles) -> list[Chart]:
    predicted, truth = numbers(run.rows, "predicted"), numbers(run.rows, "truth")
    target = mapping(mapping(run.study.get("cohort")).get("target")).get("column")
    name = str(target) if target else "value"
    lost = int((~np.isfinite(predicted)).sum())
    suffix = f" ({lost} failed, not drawn)" if lost else ""
    charts = [
        (f"Predicted against true; the grey line is perfect{suffix}", scatter_chart(predicted, truth, name)),
        ("Bland–Altman: bias and limits of agreement", bland_altman_chart(predicted, truth, name)),
    ]
    return [(caption, chart) for caption, chart in charts if chart is not None]


def _strips(run: RunFiles) -> list[Chart]:
    charts: list[Chart] = []
    for metric, caption in (
        ("dice", "Dice of every case; box: quartiles, line: median"),
        ("hausdorff_95", "Hausdorff 95 of every case; to the left is better"),
    ):
        columns = {label: numbers(run.rows, f"{metric}_{label}") for label in run.labels}
        chart = strip_chart(columns, metric) if columns and run.rows else None
        if chart is not None:
            charts.append((caption, chart))
    if run.rows and run.labels and f"true_volume_{run.labels[0]}" in run.rows[0]:
        for i, label in enumerate(run.labels[:4]):
            predicted, truth = numbers(run.rows, f"volume_{label}"), numbers(run.rows, f"true_volume_{label}")
            volumes = bland_altman_chart(predicted, truth, "volume (ml)", f"volume-{i}", 290)
            if volumes is not None:
                charts.append((f"Volume agreement: {label}", volumes))
    return charts
