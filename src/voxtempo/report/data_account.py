"""What a run knows of its data, in sentences: where they come from, who was left out, how they were prepared and divided.

Each function takes the files of a run and returns a sentence or two, or nothing where the run does not know. The checklist and
the model card are made of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from voxtempo.report.findings import leaks_of, problems_of
from voxtempo.report.flow_chart import Box
from voxtempo.report.run_files import RunFiles, mapping
from voxtempo.report.settings import in_words, steps_of
from voxtempo.report.studied import flow_of


def source(run: RunFiles) -> str:
    """Return where the scans were read from, and what is in them."""
    cohort = mapping(run.study.get("cohort"))
    place = cohort.get("bids") or cohort.get("table")
    if not place:
        return ""
    kind = "The BIDS folder" if cohort.get("bids") else "The table"
    scans = ", ".join(mapping(cohort.get("scans")))
    flow = flow_of(run)[0]
    count = f", {flow[-1].box.count} in the study" if flow and flow[-1].box.count else ""
    site = f" The column '{cohort['site']}' names the site." if cohort.get("site") else ""
    return f"{kind} {place}{count}{f'; scans: {scans}' if scans else ''}.{site}"


def flow_text(run: RunFiles) -> str:
    """Return the flow of cases in one sentence."""
    steps, sides, _ = flow_of(run)
    parts = []
    for step in steps:
        parts.append(_counted(step.box))
        if step.left is not None:
            parts.append(f"{_counted(step.left)} ({'; '.join(step.left.more)})")
    ends = ", ".join(_counted(box) for box in sides)
    return "; ".join([*parts, *([ends] if ends else [])]) + ("." if parts or ends else "")


def _counted(box: Box) -> str:
    return f"{box.name[:1].lower()}{box.name[1:]}: {box.count}"


def chosen(run: RunFiles) -> str:
    """Return how rows were chosen, and what became of those without files or truth."""
    cohort = mapping(run.study.get("cohort"))
    where = cohort.get("where")
    rule = f"Rows where {in_words(where)}." if where else "All rows of the table." if cohort else ""
    return " ".join(text for text in (rule, missing(run)) if text)


def missing(run: RunFiles) -> str:
    """Return what was done about missing files and values."""
    how = mapping(run.study.get("cohort")).get("missing")
    told = {
        "refuse": "A case without one of its files would have stopped the run.",
        "skip": "Cases without all files were left out.",
    }
    lost = [step.left for step in flow_of(run)[0] if step.left is not None]
    parts = [told.get(str(how), "")]
    parts += [f"Left out: {box.count} ({'; '.join(box.more)})." for box in lost]
    unknown = [row for row in _table_rows(run) if str(row[0]).endswith(": not known")]
    parts += [f"{str(row[0]).removesuffix(': not known')} is not known of {row[1]} cases." for row in unknown]
    return " ".join(part for part in parts if part)


def preparation(run: RunFiles) -> str:
    """Return the steps of preparation in order."""
    steps = [f"{name}{f' ({options})' if options else ''}" for name, options in steps_of(run.study.get("prepare"))]
    return f"In this order: {', '.join(steps)}." if steps else ""


def sample(run: RunFiles) -> str:
    """Return which part of a scan the network sees at once."""
    asked = mapping(run.study.get("sample"))
    parts = [f"{key} {in_words(value)}" for key, value in asked.items() if value is not None]
    shape = run.network.get("input_shape")
    size = f" Input of the network: {' × '.join(str(n) for n in shape)}." if isinstance(shape, list) else ""
    return f"{'; '.join(parts).capitalize()}.{size}" if parts else size.strip()


def truth(run: RunFiles) -> str:
    """Return what counts as the truth."""
    target = mapping(mapping(run.study.get("cohort")).get("target"))
    if target.get("mask"):
        names = ", ".join(f"{name} ({value})" for value, name in mapping(target.get("labels")).items())
        regions = ", ".join(mapping(target.get("regions")))
        return f"A label map a case{f': {names}' if names else ''}{f'; regions {regions}' if regions else ''}."
    if target.get("events"):
        return f"The column '{target.get('column')}' of a table of events a series."
    if not target.get("column"):
        return ""
    classes = ", ".join(run.classes) if run.task == "classify" else ""
    return f"The column '{target['column']}' of the table{f': {classes}' if classes else ''}."


def columns(run: RunFiles) -> str:
    """Return which columns of the cohort are described by side."""
    names = [str(row[0]) for row in _table_rows(run) if row]
    return f"Described by side of the split: {'; '.join(names)}." if names else ""


def sizes(run: RunFiles) -> str:
    """Return how many cases are on each side."""
    sides = flow_of(run)[1]
    return "; ".join(f"{box.name}: {box.count}" for box in sides) + ("." if sides else "")


def division(run: RunFiles) -> str:
    """Return how cases were given to sides."""
    split = mapping(run.study.get("split"))
    if not split:
        return ""
    if split.get("column"):
        which = f" (of {', '.join(map(str, split['only']))})" if split.get("only") else ""
        how = f"One value of the column '{split['column']}'{which} is the test at a time"
    elif split.get("test") and split.get("folds"):
        how = (
            f"A share of {split['test']:g} drawn as the test, the rest in {split['folds']} folds that validate in turn"
        )
    elif split.get("test"):
        how = f"A share of {split['test']:g} drawn as the test"
    else:
        how = f"{split.get('folds') or 5} folds, each the test once"
    if not (split.get("test") and split.get("folds")):
        how += f", and {split.get('validation', 0.15):g} of what is left for validation"
    kept = [*(["the target"] if run.task != "segment" else []), *(str(name) for name in split.get("stratify") or [])]
    balance = f", balanced over {', '.join(kept)}" if kept else ""
    return f"{how}{balance}; seed {split.get('seed', 0)}. The side of every case is in split.csv."


def disjoint(run: RunFiles) -> str:
    """Return what never stands on two sides, or how the run leaks."""
    leaks = leaks_of(run)
    if leaks:
        return f"This run leaks, and was made in spite of it: {' '.join(leaks)}"
    if not run.cohort:
        return ""
    return (
        "Subjects: all cases of a subject are on one side. Subjects that share an identical image are kept together, and the "
        "run would have been refused if one stood on two sides."
    )


def warnings(run: RunFiles) -> list[str]:
    """Return the errors and warnings about the data."""
    found = [item for item in problems_of(run) if item["severity"] in ("error", "warning")]
    return [f"{item['where']}: {item['message']}" if item["where"] else item["message"] for item in found]


def _table_rows(run: RunFiles) -> list[Sequence[Any]]:
    rows = mapping(run.cohort.get("table")).get("rows")
    return [row for row in rows if isinstance(row, list) and len(row) > 1] if isinstance(rows, list) else []
