"""Who was studied: how many cases came through each step, and what the sides of the split look like."""

from __future__ import annotations

from typing import Any

from voxtempo.report.run_files import ROLES, RunFiles
from voxtempo.report.section import Section

NAMES = {"train": "Training", "validation": "Validation", "test": "Test", "all": "All"}


def studied_section(run: RunFiles) -> Section:
    """Return the section with the flow of cases and the cohort table."""
    notes = []
    steps, sides = _flow(run)
    table = run.cohort.get("table")
    if not run.cohort:
        notes.append("There is no cohort.json in the run folder, so the cohort table is left out.")
    content: dict[str, Any] = {}
    if steps or sides:
        content["steps"], content["sides"] = steps, sides
    if isinstance(table, dict) and table.get("rows"):
        columns = [NAMES.get(str(column), str(column)) for column in table.get("columns", [])]
        content["table"] = {"columns": columns, "rows": [[str(cell) for cell in row] for row in table["rows"]]}
    return Section("studied", "Who was studied", content, tuple(notes))


def _flow(run: RunFiles) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the steps one after another, each with what it took away, and the sides they end in."""
    recorded = [item for item in run.cohort.get("flow") or [] if isinstance(item, dict)]
    steps: list[dict[str, Any]] = []
    sides = [_side(item["step"], item) for item in recorded if item.get("step") in ROLES]
    for item in recorded:
        if item.get("step") in ROLES:
            continue
        step = {
            "name": str(item.get("step", "")),
            "cases": item.get("cases"),
            "subjects": item.get("subjects"),
            "lost": 0,
        }
        before = steps[-1]["cases"] if steps else None
        if isinstance(before, int) and isinstance(step["cases"], int):
            step["lost"] = max(0, before - step["cases"])
        steps.append(step)
    if not sides and not run.folds:
        rows = run.split or run.predictions
        for role in ROLES:
            members = [row for row in rows if row.get("role") == role]
            if members:
                subjects = {row.get("subject", row.get("id", "")) for row in members}
                sides.append(_side(role, {"cases": len(members), "subjects": len(subjects)}))
    return steps, [] if run.folds else sides


def _side(role: str, counts: dict[str, Any]) -> dict[str, Any]:
    return {"name": NAMES[role], "role": role, "cases": counts.get("cases"), "subjects": counts.get("subjects")}


def problems_section(run: RunFiles) -> Section:
    """Return the section of what was found wrong or worth knowing about the data."""
    order = {"error": 0, "warning": 1, "note": 2}
    found = [item for item in run.cohort.get("problems") or [] if isinstance(item, dict)]
    found.sort(key=lambda item: order.get(str(item.get("severity")), 3))
    notes = (
        () if run.cohort else ("There is no cohort.json in the run folder, so findings about the data are not known.",)
    )
    problems = [{key: str(item.get(key, "")) for key in ("severity", "where", "message")} for item in found]
    content = {"problems": problems, "checked": bool(run.cohort)} if run.cohort else {}
    return Section("problems", "Findings in the data", content, notes)


def problem_counts(run: RunFiles) -> str:
    """Return "1 error and 2 warnings", or nothing if there are none."""
    found = [item.get("severity") for item in run.cohort.get("problems") or [] if isinstance(item, dict)]
    parts = []
    for severity in ("error", "warning"):
        count = found.count(severity)
        if count:
            parts.append(f"{count} {severity}{'s' if count > 1 else ''}")
    return " and ".join(parts)
