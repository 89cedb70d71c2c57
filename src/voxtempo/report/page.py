"""The report as one file: every section put together, self-contained, small, and safe to open anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from voxtempo.report.cases import cases_section
from voxtempo.report.certainty import certainty_section
from voxtempo.report.checklist import checklist_section
from voxtempo.report.findings import findings_section, leaks_of, looked_often, looks_text, problem_counts
from voxtempo.report.html import render_html
from voxtempo.report.learning_curves import learning_charts
from voxtempo.report.method import method_section
from voxtempo.report.motion import motion_section
from voxtempo.report.numbers import units_text
from voxtempo.report.provenance import moment, provenance_section
from voxtempo.report.result import result_section
from voxtempo.report.run_files import RunFiles
from voxtempo.report.section import Section
from voxtempo.report.studied import studied_section
from voxtempo.report.subgroups import subgroup_section
from voxtempo.report.verdict import verdict_of

LARGEST = 9_500_000
"""Bytes of a report; above this, fewer cases are shown as pictures."""

PICTURES = (12, 6, 3, 0)
TASKS = {"classify": "Classification", "regress": "Regression", "segment": "Segmentation"}


def page_of(run: RunFiles, answers: Mapping[str, str]) -> str:
    """Return ``report.html``; answers are what was written into the checklist."""
    fixed = _sections(run, answers)
    page = ""
    for most in PICTURES:
        page = _render(run, [*fixed[:1], cases_section(run, most), *fixed[1:]])
        if len(page.encode()) <= LARGEST:
            break
    return page


def _sections(run: RunFiles, answers: Mapping[str, str]) -> list[Section]:
    sections = [result_section(run)]
    subgroups = subgroup_section(run)
    if subgroups is not None:
        sections.append(subgroups)
    certainty = certainty_section(run)
    if certainty is not None:
        sections.append(certainty)
    motion = motion_section(run)
    return [
        *sections,
        studied_section(run),
        *([] if motion is None else [motion]),
        method_section(run),
        _learning_section(run),
        findings_section(run),
        provenance_section(run),
        checklist_section(run, answers),
    ]


def _learning_section(run: RunFiles) -> Section:
    charts = learning_charts([run.history] if run.history else [fold.history for fold in run.folds])
    note = "There is no history.csv in the run folder, so learning curves are left out."
    content = {"charts": charts, "folds": len(run.folds) if not run.history else 0}
    return Section("learning", "How it learned", content if charts else {}, () if charts else (note,))


def _render(run: RunFiles, sections: list[Section]) -> str:
    return render_html(
        "report.html",
        name=run.name,
        facts=_facts(run),
        verdict=verdict_of(run),
        sections=sections,
        leaks=leaks_of(run),
        looks=looks_text(run) if looked_often(run) else "",
        problems=problem_counts(run),
        failures=len(run.failures),
        version=str((run.manifest or (run.folds[0].manifest if run.folds else {})).get("voxtempo", "")),
        created=moment(run.manifest.get("created", "")),
    )


def _facts(run: RunFiles) -> list[str]:
    """Return what stands under the title: task, network, cohort's size, fold."""
    facts: list[Any] = [TASKS.get(run.task, run.task)]
    manifest = run.manifest or (run.folds[0].manifest if run.folds else {})
    for holder in (manifest.get("network"), run.study.get("network")):
        if isinstance(holder, dict) and holder.get("name"):
            facts.append(str(holder["name"]))
            break
    flow = [item for item in run.cohort.get("flow") or [] if isinstance(item, dict)]
    whole = [item for item in flow if item.get("step") not in ("train", "validation", "test")]
    if whole and isinstance(whole[-1].get("cases"), int):
        cases, subjects = whole[-1]["cases"], whole[-1].get("subjects")
        text = units_text({"n": cases, "over": "cases"})
        same = not isinstance(subjects, int) or subjects == cases
        facts.append(text if same else f"{text} of {units_text({'n': subjects, 'over': 'subjects'})}")
    fold = manifest.get("fold")
    if run.folds:
        facts.append(f"{len(run.folds)} folds")
    elif isinstance(fold, dict) and fold.get("name"):
        facts.append(f"fold {fold['name']}" if not str(fold["name"]).startswith("fold") else str(fold["name"]))
    return facts
