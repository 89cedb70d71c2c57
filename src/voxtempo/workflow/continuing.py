"""A run that goes on keeps its own plan, whatever the machine that continues it would have planned."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from voxtempo.cohort import load_study
from voxtempo.cohort.study import Sample, Study
from voxtempo.errors import StudyError
from voxtempo.planning import Plan, explain
from voxtempo.workflow.records import PLAN, write_json


def continued(study: Study, folder: Path) -> Study:
    """Return the complete study of the run in ``folder`` if it answers what ``study`` leaves open, else ``study``.

    Folds that were trained one by one, each on a machine of its own, make a run too.
    """
    for path in (folder / "study.yaml", *sorted(folder.glob("fold-*/study.yaml"))):
        with suppress(StudyError):
            if path.is_file() and answers(study, there := load_study(path)):
                return there
    return study


def leaks_are_known(folder: Path) -> bool:
    """Return whether the run in ``folder`` was begun with the word that its split may leak."""
    for path in (folder / "cohort.json", *sorted(folder.glob("fold-*/cohort.json"))):
        with suppress(OSError, ValueError):
            if "leaks" in json.loads(path.read_text(encoding="utf-8")):
                return True
    return False


def answers(asked: Study, given: Study) -> bool:
    """Return whether a complete study agrees with all that another one says."""
    if not _same_sample(asked.sample, given.sample):
        return False
    left = asked.model_dump(mode="json", exclude_none=True, exclude={"sample", "prepare"})
    right = given.model_dump(mode="json", exclude_none=True, exclude={"sample", "prepare"})
    if left["train"]["precision"] == "auto":
        del left["train"]["precision"]
    steps = given.prepare or []
    return _within(left, right) and (asked.prepare is None or steps[: len(asked.prepare)] == asked.prepare)


def _same_sample(asked: Sample | None, given: Sample | None) -> bool:
    if asked is None or given is None or asked.dimensions is None:
        return asked is None or asked == given
    return _dimensions(given) == asked.dimensions


def _dimensions(sample: Sample) -> str:
    if sample.slices is None and sample.across is None:
        return "3d"
    return "2.5d" if sample.beside else "2d"


def _within(asked: Any, given: Any) -> bool:
    if isinstance(asked, Mapping):
        return isinstance(given, Mapping) and all(key in given and _within(asked[key], given[key]) for key in asked)
    return bool(asked == given)


def write_plan(folder: Path, plan: Plan) -> None:
    """Write what the cohort is like and why the study was completed as it was, unless the run has it already."""
    if not (folder / PLAN).is_file():
        seen = plan.fingerprint.as_json() if plan.fingerprint is not None else None
        write_json(folder / PLAN, {"fingerprint": seen, "lines": explain(plan)})


def plan_lines(folder: Path) -> list[str]:
    """Return the plan of a run in words."""
    return [str(line) for line in json.loads((folder / PLAN).read_text(encoding="utf-8"))["lines"]]
