"""Subgroups: every one's figures, which is judged worst, and how far it is behind the best."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from voxtempo.metrics import leading
from voxtempo.report.numbers import (
    digits_for,
    interval_of,
    interval_text,
    is_figure,
    metric_of,
    number,
    units_text,
    value_of,
)
from voxtempo.report.result_tables import Grid, subgroup_grid
from voxtempo.report.run_files import RunFiles, mapping
from voxtempo.report.section import Section


@dataclass(frozen=True)
class GapLine:
    """One metric: its name, the worst and the best subgroup, how much worse the worst is, and whether 0 is outside."""

    title: str
    worst: str
    best: str
    difference: str
    interval: str
    units: str
    clear: bool


def subgroup_section(run: RunFiles) -> Section | None:
    """Return the section of subgroups, or None for a run that judged none."""
    columns = [
        {"grid": grid, "gaps": gap_lines(run, column), "fairness": run.task == "classify"}
        for column, grid in subgroup_grids(run).items()
    ]
    return Section("subgroups", "Subgroups", {"columns": columns}) if columns else None


def subgroup_grids(run: RunFiles) -> dict[str, Grid]:
    """Return column -> the headline figures of its subgroups, of columns that hold at least one figure."""
    grids = {}
    for column, groups in mapping(run.metrics.get("subgroups")).items():
        if isinstance(groups, dict) and any(_judged(metrics) for metrics in groups.values()):
            grid = subgroup_grid(run, str(column), groups)
            if grid is not None:
                grids[str(column)] = grid
    return grids


def _judged(metrics: Any) -> bool:
    return isinstance(metrics, dict) and any(
        value_of(figure) is not None or (isinstance(figure, dict) and not is_figure(figure))
        for figure in metrics.values()
    )


def gap_lines(run: RunFiles, column: str) -> list[GapLine]:
    """Return how far the worst subgroup of a column is behind the best, by every metric that was compared."""
    lines = []
    for name, of, gap in _gaps(run, mapping(mapping(run.metrics.get("gaps")).get(column))):
        figure, shown = mapping(gap.get("difference")), metric_of(name)
        if value_of(figure) is None:
            continue
        digits, interval = digits_for(figure, shown.axis), interval_of(figure)
        unit = f" {shown.unit}" if shown.unit else ""
        lines.append(
            GapLine(
                title=f"{shown.title}{f' of {of}' if of else ''}",
                worst=str(gap.get("worst", "")),
                best=str(gap.get("best", "")),
                difference=f"{number(value_of(figure), digits)}{unit}",
                interval=interval_text(figure, digits),
                units=units_text(figure),
                clear=interval is not None and interval[0] > 0,
            )
        )
    return lines


def _gaps(run: RunFiles, recorded: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (metric, class or label, gap): the headline metrics first, then every class's sensitivity or label's Dice."""
    for name in dict.fromkeys([*leading(run.task), *recorded]):
        found = mapping(recorded.get(name))
        gap = mapping(found.get("mean")) if run.task == "segment" else found
        if "difference" in gap:
            yield name, "", gap
    if run.task == "classify":
        for label, found in mapping(recorded.get("per_class")).items():
            if "difference" in mapping(mapping(found).get("recall")):
                yield "recall", label, found["recall"]
    elif run.task == "segment" and len(run.labels) > 1:
        for label in run.labels:
            if "difference" in mapping(mapping(recorded.get("dice")).get(label)):
                yield "dice", label, recorded["dice"][label]
