"""Other cohorts that the run was judged on, beside its own test, and how much worse it does there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from voxtempo.metrics import used
from voxtempo.report.numbers import digits_for, interval_of, interval_text, metric_of, number, units_text, value_of
from voxtempo.report.result_tables import grid_of, headline_figures
from voxtempo.report.run_files import RunFiles, mapping


@dataclass(frozen=True)
class Drop:
    """How much worse one metric is on another cohort; ``clear`` where the interval does not hold 0."""

    cohort: str
    title: str
    difference: str
    interval: str
    units: str
    clear: bool


def elsewhere(run: RunFiles) -> dict[str, Any] | None:
    """Return "grid", the figures of every cohort, and "drops"; None for a run that was judged on its own test only."""
    rows = [(name, headline_figures(run, mapping(recorded.get("test")))) for name, recorded in run.external.items()]
    rows = [row for row in rows if row[1]]
    if not rows:
        return None
    own = headline_figures(run, mapping(run.metrics.get("test")))
    columns = [metric for metric in used("elsewhere", run.task) if any(metric in row for _, row in rows)]
    grid = grid_of("Cohort", columns, [*([("own test", own)] if own else []), *rows])
    return {"grid": grid, "drops": drops_of(run, columns)}


def drops_of(run: RunFiles, metrics: list[str]) -> list[Drop]:
    """Return the recorded drops of these metrics, cohort by cohort."""
    found = []
    for cohort, recorded in run.external.items():
        for name in metrics:
            figure = mapping(mapping(recorded.get("drop")).get(name))
            figure = mapping(figure.get("mean")) if run.task == "segment" else figure
            if value_of(figure) is None:
                continue
            shown, interval = metric_of(name), interval_of(figure)
            digits = digits_for(figure, shown.axis)
            found.append(
                Drop(
                    cohort=cohort,
                    title=shown.title,
                    difference=f"{number(value_of(figure), digits)}{f' {shown.unit}' if shown.unit else ''}",
                    interval=interval_text(figure, digits),
                    units=units_text(figure),
                    clear=interval is not None and interval[0] > 0,
                )
            )
    return found
