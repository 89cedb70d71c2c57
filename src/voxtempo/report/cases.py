"""Case by case: pictures of the worst and the typical, the largest errors by name, and every failure."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from voxtempo.errors import RunError
from voxtempo.report.course_chart import course_chart, value_chart
from voxtempo.report.numbers import number
from voxtempo.report.overlay import planes
from voxtempo.report.run_files import Row, RunFiles, numbers
from voxtempo.report.section import Section

SHOWN_FAILURES = 40
SHOWN_COURSES = 4
WORST = 8


def cases_section(run: RunFiles, most_pictures: int) -> Section:
    """Return the section of single cases.

    Parameters
    ----------
    run : the run.
    most_pictures : examples to show as pictures; the page keeps its size by lowering it.
    """
    sources = [(run, example) for example in run.examples]
    if not sources:
        sources = [(fold, example) for fold in run.folds for example in fold.examples]
    notes = []
    if not sources:
        notes.append("There is no examples/examples.json in the run folder, so pictures of single cases are left out.")
    shown = _shown(sources, most_pictures)
    if len(shown) < len(sources):
        notes.append(f"{len(shown)} of {len(sources)} examples are shown here; all are in the run folder.")
    cards = [_card(holder, example, i) for i, (holder, example) in enumerate(shown)]
    failures = [(row.get("id", ""), row.get("role", ""), row.get("status", "")) for row in run.failures]
    content = {
        "pictures": [card for card in cards if card["planes"]],
        "courses": [card for card in cards if card["course"]],
        "outlined": any(card["outlined"] for card in cards),
        "worst": _worst(run, {card["id"]: card["thumb"] for card in cards if card["planes"]}),
        "failures": failures[:SHOWN_FAILURES],
        "failures_left": max(0, len(failures) - SHOWN_FAILURES),
        "none_failed": bool(run.predictions) and not failures,
        "task": run.task,
    }
    return Section("cases", "Case by case", content if cards or failures or content["worst"] else {}, tuple(notes))


def _shown(sources: list[tuple[RunFiles, dict[str, Any]]], most_pictures: int) -> list[tuple[RunFiles, dict[str, Any]]]:
    courses = [source for source in sources if source[1].get("kind") == "course"]
    pictures = [source for source in sources if source[1].get("kind") != "course"]
    return pictures[:most_pictures] + courses[: min(SHOWN_COURSES, most_pictures)]


def _card(run: RunFiles, example: dict[str, Any], position: int) -> dict[str, Any]:
    files = example.get("files")
    if not isinstance(files, dict):
        raise RunError(f"{run.folder}/examples/examples.json: an example has no 'files'. Evaluate the run again.")
    card: dict[str, Any] = {
        "id": str(example.get("id", "")),
        "note": str(example.get("note", "")),
        "text": str(example.get("text", "")) or _scores(run, str(example.get("id", ""))),
        "planes": [],
        "thumb": f"case-{position}-0",
        "course": None,
        "outlined": False,
    }
    if example.get("kind") == "course" or "course" in files:
        card["course"] = _course(run, files, position)
        return card
    arrays = {name: run.array(str(files[name])) for name in ("image", "truth", "predicted") if files.get(name)}
    if "image" not in arrays:
        raise RunError(f"{run.folder}/examples/examples.json: example '{card['id']}' names no 'image'.")
    shapes = {name: array.shape for name, array in arrays.items()}
    axes = arrays["image"].ndim
    if len(set(shapes.values())) != 1 or axes not in (2, 3):
        raise RunError(
            f"{run.folder}/examples: the arrays of '{card['id']}' must share one shape, "
            f"(x, y) or (x, y, z), found {shapes}."
        )
    spacing = example.get("spacing") or [1.0] * axes
    if not (isinstance(spacing, list) and len(spacing) >= axes and all(isinstance(s, int | float) for s in spacing)):
        raise RunError(
            f"{run.folder}/examples/examples.json: the spacing of '{card['id']}' must be {axes} numbers in mm, "
            f"found {spacing}."
        )
    if axes == 2:
        arrays, spacing = {name: array[..., None] for name, array in arrays.items()}, [*spacing[:2], 1.0]
    oriented = str(example.get("orientation", "")).upper() == "RAS"
    labels = (arrays.get("truth"), arrays.get("predicted"))
    card["planes"] = planes(arrays["image"], spacing, *labels, oriented, f"case-{position}")
    card["outlined"] = len(arrays) > 1
    return card


def _scores(run: RunFiles, case: str) -> str:
    row = next((row for row in run.predictions if row.get("id") == case), None)
    if row is None or not run.labels:
        return ""
    scores = numbers([row], f"dice_{run.labels[0]}") if len(run.labels) == 1 else None
    if scores is not None:
        return f"Dice {number(float(scores[0]), 2)}" if math.isfinite(scores[0]) else ""
    parts = [(label, float(numbers([row], f"dice_{label}")[0])) for label in run.labels]
    return "Dice: " + ", ".join(f"{label} {number(value, 2)}" for label, value in parts if math.isfinite(value))


def _course(run: RunFiles, files: dict[str, Any], position: int) -> Any:
    name = str(files.get("course") or next(iter(files.values()), ""))
    rows = run.table(name)
    time = numbers(rows, "time")
    order = np.argsort(time, kind="stable")
    if len(rows) == 0 or not np.isfinite(time).all():
        raise RunError(
            f"{run.inside(name)}: expected a 'time' in seconds on every row, found {len(rows)} rows without it."
        )
    classes = [column[2:] for column in rows[0] if column.startswith("p_")]
    if not classes:
        return value_chart(
            time[order], numbers(rows, "value")[order], numbers(rows, "truth")[order], f"course-{position}"
        )
    scores = np.stack([numbers(rows, f"p_{label}") for label in classes], axis=1)[order]
    truth = [rows[i].get("truth", "") for i in order]
    return course_chart(time[order], scores, truth, classes, f"course-{position}")


def _worst(run: RunFiles, thumbs: dict[str, str]) -> dict[str, Any]:
    """Return the cases judged worst as a table, failed ones first, or nothing without predictions."""
    scored = {"classify": _classify_errors, "segment": _segment_errors}.get(run.task, _regress_errors)
    columns, found = scored(run)
    if not found:
        return {}
    rows = [
        {"cells": [row.get("id", ""), *cells], "status": _status(row), "thumb": thumbs.get(row.get("id", ""), "")}
        for _, row, cells in sorted(found, key=lambda item: (not _status(item[1]), -item[0]))[:WORST]
    ]
    return {
        "columns": ["Case", *columns],
        "rows": rows,
        "pictured": any(row["thumb"] for row in rows),
        "failed": any(row["status"] for row in rows),
    }


def _status(row: Row) -> str:
    """Return why a case failed, or nothing."""
    status = row.get("status", "")
    return "" if status == "ok" else status


Scored = tuple[list[str], list[tuple[float, Row, list[str]]]]


def _classify_errors(run: RunFiles) -> Scored:
    found = []
    for row in run.rows:
        answer, truth = row.get("predicted", ""), row.get("truth", "")
        if not truth or (answer == truth and not _status(row)) or not (_status(row) or f"p_{answer}" in row):
            continue
        surety, rightly = (float(numbers([row], f"p_{name}")[0]) for name in (answer, truth))
        cells = [truth, answer or "–", number(_known(surety), 2), number(_known(rightly), 2)]
        found.append((surety if math.isfinite(surety) else 1.0, row, cells))
    return ["Truth", "Predicted", "Its probability", "Truth's probability"], found


def _regress_errors(run: RunFiles) -> Scored:
    found = []
    truths = numbers(run.rows, "truth")
    spread = float(np.ptp(truths[np.isfinite(truths)])) if np.isfinite(truths).any() else 0.0
    digits = max(1, math.ceil(-math.log10(spread)) + 2) if spread > 0 else 1
    for row in run.rows:
        predicted, truth = (float(numbers([row], name)[0]) for name in ("predicted", "truth"))
        error = predicted - truth
        if math.isfinite(error) or _status(row):
            cells = [number(_known(value), digits) for value in (truth, predicted, error)]
            found.append((abs(error) if math.isfinite(error) else 0.0, row, cells))
    return ["Truth", "Predicted", "Difference"], found


def _segment_errors(run: RunFiles) -> Scored:
    columns = [title for label in run.labels for title in (f"{label}: Dice", "HD95 (mm)")]
    found = []
    for row in run.rows if run.labels else []:
        dice = [float(numbers([row], f"dice_{label}")[0]) for label in run.labels]
        far = [float(numbers([row], f"hausdorff_95_{label}")[0]) for label in run.labels]
        cells = []
        for score, distance in zip(dice, far, strict=True):
            cells += [number(_known(score), 2), number(_known(distance), 1)]
        found.append((-float(np.mean(np.nan_to_num(dice))), row, cells))
    return columns, found


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
