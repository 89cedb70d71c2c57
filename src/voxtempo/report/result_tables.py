"""Tables of results: every figure with its interval, its denominator and a bar on the scale of its kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from voxtempo.metrics import METRICS, leading
from voxtempo.report.numbers import (
    digits_for,
    interval_of,
    interval_text,
    is_figure,
    metric_of,
    number,
    place,
    span_of,
    units_text,
    value_of,
)
from voxtempo.report.run_files import RunFiles, mapping
from voxtempo.report.verdict import baseline_of, baseline_text


@dataclass(frozen=True)
class Line:
    """One metric as a line of the table; places are in percent of the bar's scale."""

    title: str
    meaning: str
    value: str
    interval: str
    units: str
    scale: str = ""
    at: float | None = None
    low: float | None = None
    high: float | None = None
    baseline: float | None = None
    baseline_text: str = ""
    flat: bool = False


@dataclass(frozen=True)
class Grid:
    """A table of figures with two keys: classes, labels, folds or subgroups down, metrics across.

    ``flat`` says whether an interval in it has no width; ``last`` heads the column of denominators.
    """

    corner: str
    columns: list[str]
    rows: list[tuple[str, list[tuple[str, str]], str]]
    flat: bool = False
    last: str = "Over"


def _flat(figure: Any) -> bool:
    interval = interval_of(figure)
    return interval is not None and interval[0] == interval[1]


def headline_figures(run: RunFiles, metrics: dict[str, Any]) -> dict[str, Any]:
    """Return the scalar figures of one role's metrics in reading order; of labels, their mean."""
    figures = {}
    for name in dict.fromkeys([*leading(run.task), *METRICS, *sorted(metrics)]):
        if not metric_of(name).judges:
            continue
        found = metrics.get(name)
        if isinstance(found, dict) and is_figure(found.get("mean")) and run.task == "segment":
            found = found["mean"]
        if is_figure(found):
            figures[name] = found
    return figures


def metric_lines(run: RunFiles, metrics: dict[str, Any]) -> list[Line]:
    """Return the main table's lines."""
    figures = headline_figures(run, metrics)
    lines = []
    for name, figure in figures.items():
        shown = metric_of(name)
        baseline = baseline_of(run, name)
        kind = [
            f
            for other, f in figures.items()
            if (metric_of(other).axis, metric_of(other).unit) == (shown.axis, shown.unit)
        ]
        ends = [v for f in kind for v in (value_of(f), *(interval_of(f) or ())) if v is not None]
        span = span_of(shown.axis, [*ends, baseline] if baseline is not None else ends)
        digits = digits_for(figure, shown.axis)
        low, high = interval_of(figure) or (None, None)
        lines.append(
            Line(
                title=shown.title,
                meaning=shown.meaning,
                value=f"{number(value_of(figure), digits)}{f' {shown.unit}' if shown.unit else ''}",
                interval=interval_text(figure, digits),
                units=units_text(figure),
                scale=f"{span[0]:g} to {span[1]:g}{f' {shown.unit}' if shown.unit else ''}",
                at=place(value_of(figure), span),
                low=place(low, span),
                high=place(high, span),
                baseline=place(baseline, span),
                baseline_text=baseline_text(run, baseline, shown.axis, digits),
                flat=_flat(figure),
            )
        )
    return lines


def class_grid(metrics: dict[str, Any], classes: list[str]) -> Grid | None:
    """Return recall, precision and so on of every class, or None where they are not recorded."""
    recorded = metrics.get("per_class")
    if not isinstance(recorded, dict):
        return None
    names = [name for name in classes if isinstance(recorded.get(name), dict)] or list(recorded)
    known = ("recall", "precision", "specificity", "f1", "auc", "average_precision")
    columns = [metric for metric in known if any(metric in recorded[name] for name in names)]
    # What a recall is a share of is the class's own cases, not all that were resampled.
    return _with_cases(grid_of("Class", columns, [(name, recorded[name]) for name in names]), recorded)


def band_grid(metrics: dict[str, Any]) -> Grid | None:
    """Return the errors of every band of the truth, or None where they are not recorded."""
    recorded = metrics.get("per_band")
    bands = {name: band for name, band in mapping(recorded).items() if isinstance(band, dict)}
    columns = [metric for metric in ("mae", "bias") if any(metric in band for band in bands.values())]
    return _with_cases(grid_of("Band", columns, list(bands.items())), bands) if columns else None


def _with_cases(grid: Grid, recorded: dict[str, Any]) -> Grid:
    """Return a table whose last column is the number of each row's own cases, where that is recorded."""
    counts = [recorded[name].get("cases") for name, _, _ in grid.rows]
    if not all(isinstance(count, int) for count in counts):
        return grid
    rows = [(name, cells, f"{count:,}") for (name, cells, _), count in zip(grid.rows, counts, strict=True)]
    return replace(grid, rows=rows, last="Its cases")


LABELS = ("dice", "hausdorff_95", "average_surface_distance", "sensitivity", "volume_error")
LESIONS = ("lesion_sensitivity", "lesion_precision", "lesion_f1", "false_lesions", "panoptic_quality")
VOLUMES = ("volume_error", "volume_lower_limit", "volume_upper_limit", "volume_concordance")


def label_grid(
    metrics: dict[str, Any], labels: list[str], averaged: list[str], known: Sequence[str] = LABELS
) -> Grid | None:
    """Return some figures of every label and the mean of those that are averaged; None where none is recorded."""
    columns = [name for name in known if isinstance(metrics.get(name), dict) and not is_figure(metrics[name])]
    names = [name for name in (labels or list(metrics[columns[0]]) if columns else []) if name != "mean"]
    if not names:
        return None
    rows = [(name, {column: metrics[column].get(name) for column in columns}) for name in names]
    if len(averaged) > 1:
        what = "labels" if averaged == names else "regions"
        rows.append((f"mean of {what}", {column: metrics[column].get("mean") for column in columns}))
    return grid_of("Label", columns, rows)


def subgroup_grid(run: RunFiles, column: str, groups: dict[str, Any]) -> Grid | None:
    """Return the headline figures of every subgroup of one column."""
    judged = {str(name): metrics for name, metrics in groups.items() if isinstance(metrics, dict)}
    wanted = {"classify": ("accuracy", "balanced_accuracy", "auc"), "regress": ("mae", "bias", "r2")}.get(
        run.task, ("dice", "hausdorff_95", "volume_error")
    )
    rows = [(name, headline_figures(run, metrics)) for name, metrics in judged.items()]
    columns = [metric for metric in wanted if any(metric in row for _, row in rows)]
    return grid_of(column, columns, rows) if columns else None


def fold_grid(run: RunFiles) -> Grid | None:
    """Return the headline figures of every fold and of all folds' predictions together."""
    wanted = {"classify": ("accuracy", "balanced_accuracy", "auc"), "regress": ("mae", "r2", "correlation")}.get(
        run.task, ("dice", "hausdorff_95", "average_surface_distance")
    )
    rows = [(_fold_name(fold), headline_figures(run, fold.judged)) for fold in run.folds]
    if run.judged:
        rows.append(("all folds together", headline_figures(run, run.judged)))
    columns = [metric for metric in wanted if any(metric in row for _, row in rows)]
    return grid_of("Fold", columns, rows) if columns else None


def _fold_name(fold: RunFiles) -> str:
    """Return the fold's number and, where it has one of its own (the value left out), its name."""
    number_of = fold.folder.name.removeprefix("fold-")
    name = str(mapping(fold.manifest.get("fold")).get("name") or "").removeprefix("fold-")
    return number_of if name in ("", number_of) else f"{number_of}: {name}"


def grid_of(corner: str, metrics: list[str], rows: list[tuple[str, dict[str, Any]]]) -> Grid:
    """Return a table of figures, a row each of (name, metrics), with the decimals that its widest interval supports."""
    shown = [metric_of(name) for name in metrics]
    columns = [f"{metric.title}{f' ({metric.unit})' if metric.unit else ''}" for metric in shown]
    widest = [
        min((digits_for(row[key], metric.axis) for _, row in rows if row.get(key)), default=2)
        for key, metric in zip(metrics, shown, strict=True)
    ]
    body = []
    for name, row in rows:
        cells, units = [], ""
        for key, digits in zip(metrics, widest, strict=True):
            figure = row.get(key)
            cells.append((number(value_of(figure), digits), interval_text(figure, digits)))
            if isinstance(figure, dict) and not units:
                units = units_text(figure)
        body.append((name, cells, units))
    flat = any(_flat(row.get(key)) for _, row in rows for key in metrics)
    return Grid(corner, columns, body, flat)
