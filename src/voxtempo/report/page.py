"""The report as one file: every section put together, self-contained, small, and safe to open anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from voxtempo.errors import RunError, ScanError
from voxtempo.report.cases import cases_section
from voxtempo.report.learning_curves import learning_charts
from voxtempo.report.method import method_section
from voxtempo.report.motion import motion_section
from voxtempo.report.numbers import units_text
from voxtempo.report.provenance import moment, provenance_section
from voxtempo.report.result import result_section, subgroup_figures
from voxtempo.report.result_tables import subgroup_grid
from voxtempo.report.run_files import RunFiles, read_run
from voxtempo.report.section import Section
from voxtempo.report.studied import problem_counts, problems_section, studied_section
from voxtempo.report.verdict import verdict_of
from voxtempo.scans.atomic import atomic_file

LARGEST = 9_500_000
"""Bytes of a report; above this, fewer cases are shown as pictures."""

PICTURES = (12, 6, 3, 0)
TASKS = {"classify": "Classification", "regress": "Regression", "segment": "Segmentation"}


def write_report(run_folder: Path) -> Path:
    """Write ``report.html`` into a run folder, from the files in it alone.

    Parameters
    ----------
    run_folder : a run, or the folder of ``--fold all`` with its folds. Every file in it is optional; the report says
        what is missing and leaves it out.

    Returns
    -------
    The report's path.

    Raises
    ------
    RunError : it is no run folder, a file in it is damaged, or the report cannot be written.
    """
    folder = Path(run_folder)
    run = read_run(folder)
    fixed = _sections(run)
    page = ""
    for most in PICTURES:
        page = _render(run, [*fixed[:1], cases_section(run, most), *fixed[1:]])
        if len(page.encode()) <= LARGEST:
            break
    path = folder / "report.html"
    try:
        with atomic_file(path) as file:
            file.write(page.encode())
    except ScanError as problem:
        raise RunError(f"{problem}. Check the folder's permissions.") from None
    return path


def _sections(run: RunFiles) -> list[Section]:
    sections = [result_section(run)]
    subgroups = _subgroup_section(run)
    if subgroups is not None:
        sections.append(subgroups)
    motion = motion_section(run)
    return [
        *sections,
        studied_section(run),
        *([] if motion is None else [motion]),
        method_section(run),
        _learning_section(run),
        problems_section(run),
        provenance_section(run),
    ]


def _subgroup_section(run: RunFiles) -> Section | None:
    grids = [subgroup_grid(run, column, groups) for column, groups in subgroup_figures(run).items()]
    kept = [grid for grid in grids if grid is not None]
    return Section("subgroups", "Subgroups", {"grids": kept}) if kept else None


def _learning_section(run: RunFiles) -> Section:
    charts = learning_charts([run.history] if run.history else [fold.history for fold in run.folds])
    note = "There is no history.csv in the run folder, so learning curves are left out."
    content = {"charts": charts, "folds": len(run.folds) if not run.history else 0}
    return Section("learning", "How it learned", content if charts else {}, () if charts else (note,))


def _render(run: RunFiles, sections: list[Section]) -> str:
    environment = Environment(
        loader=PackageLoader("voxtempo.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(
        name=run.name,
        facts=_facts(run),
        verdict=verdict_of(run),
        sections=sections,
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
