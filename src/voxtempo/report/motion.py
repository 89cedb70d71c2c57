"""The section on motion: who moved how much, and the courses of a few series."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from voxtempo.report.motion_chart import motion_chart
from voxtempo.report.numbers import number
from voxtempo.report.run_files import Row, RunFiles, numbers
from voxtempo.report.section import Section

FOLDER = "motion"
SUMMARY = "summary.csv"
FIRST = 10
MOST = 500
COLUMNS = (
    ("mean_framewise_displacement", "Mean displacement (mm)", 3),
    ("max_framewise_displacement", "Largest (mm)", 2),
    ("displaced_volumes", "Volumes above 0.5 mm", 0),
    ("mean_dvars_before", "DVARS before (%)", 2),
    ("mean_dvars", "DVARS (%)", 2),
)


def motion_section(run: RunFiles) -> Section | None:
    """Return the section, or None where no motion is known."""
    run = next((holder for holder in (run, *run.folds) if (holder.folder / FOLDER / SUMMARY).is_file()), run)
    if not (run.folder / FOLDER / SUMMARY).is_file():
        return None
    rows = run.table(f"{FOLDER}/{SUMMARY}")
    rows = [row for row in rows if math.isfinite(numbers([row], COLUMNS[0][0])[0])]
    if not rows:
        return None
    moved = numbers(rows, COLUMNS[0][0])
    order = np.argsort(-moved, kind="stable")
    shown = {int(order[0]): "moved most", int(order[len(order) // 2]): "in the middle", int(order[-1]): "moved least"}
    charts = [_card(run, rows[place], note, number_) for number_, (place, note) in enumerate(shown.items())]
    columns = [(name, title, digits) for name, title, digits in COLUMNS if name in rows[0]]
    table = [[row.get("id", ""), *(_cell(row, name, digits) for name, _, digits in columns)] for row in rows]
    table = [table[place] for place in order[:MOST]]
    content: dict[str, Any] = {
        "sentence": _sentence(rows),
        "cards": [card for card in charts if card["chart"]],
        "columns": ["Case", *(title for _, title, _ in columns)],
        "first": table[:FIRST],
        "rest": table[FIRST:],
        "left": len(rows) - len(table),
    }
    return Section("motion", "Motion", content)


def _card(run: RunFiles, row: Row, note: str, place: int) -> dict[str, Any]:
    name = row.get("file", "")
    found = run.table(f"{FOLDER}/{name}") if name else []
    courses = {column: numbers(found, column) for column in (found[0] if found else {})}
    drawn = motion_chart(courses, f"motion-{place}") if "volume" in courses or "time" in courses else None
    text = f"mean displacement {_cell(row, COLUMNS[0][0], 2)} mm, largest {_cell(row, COLUMNS[1][0], 2)} mm"
    return {"id": row.get("id", ""), "note": note, "text": text, "chart": drawn}


def _sentence(rows: list[Row]) -> str:
    """Return the cohort's motion in words."""
    moved, largest = numbers(rows, COLUMNS[0][0]), numbers(rows, COLUMNS[1][0])
    if len(rows) == 1:
        return f"From volume to volume the head moved by {number(float(moved[0]), 2)} mm on average."
    low, middle, high = (number(float(value), 2) for value in np.quantile(moved, [0, 0.5, 1]))
    return (
        f"From volume to volume the heads of {len(rows)} series moved by {middle} mm on average (median of the series, "
        f"{low} to {high}), and at most by {number(float(np.nanmax(largest)), 2)} mm."
    )


def _cell(row: Row, name: str, digits: int) -> str:
    value = float(numbers([row], name)[0])
    return number(value if math.isfinite(value) else None, digits)
