"""Operations from a study's words or a run's record, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from voxtempo.cohort import Problem, Study
from voxtempo.cohort.case import Cohort
from voxtempo.cohort.sections.base import Named
from voxtempo.errors import StudyError, did_you_mean
from voxtempo.inference.postprocess.operation import FOREGROUND, Operation, operations
from voxtempo.inference.record import read_record
from voxtempo.learning.make_task import segment_task
from voxtempo.learning.tasks import SegmentTask
from voxtempo.networks.options import validate_options

WHERE = "evaluate.postprocess"


def build_operations(listed: Sequence[Named], task: SegmentTask) -> tuple[Operation, ...]:
    """Return the operations that a study lists.

    Raises
    ------
    StudyError : an operation, an option, or the label or region it is about is unknown.
    """
    return tuple(_build(named.name, named.options, task) for named in listed)


def _build(name: str, options: Any, task: SegmentTask) -> Operation:
    cls = operations[name]
    if options is not None and not isinstance(options, dict):
        options = {cls.main: options}
    made = cls(**validate_options(cls, dict(options or {}), f"{WHERE}: '{name}'"))
    known = [*(task.averaged if made.thresholds() else task.structures), FOREGROUND]
    if made.of not in known:
        raise StudyError(f"{WHERE}: {name}: there is no label or region '{made.of}'. {did_you_mean(made.of, known)}")
    return made


def thresholds_of(chosen: Sequence[Operation], task: SegmentTask) -> dict[str, float]:
    """Return the threshold of each output that has one; "foreground" stands for all that have none of their own."""
    given = {name: value for each in chosen for name, value in each.thresholds().items()}
    everywhere = given.pop(FOREGROUND, None) if FOREGROUND not in task.structures else None
    return {**dict.fromkeys(task.averaged if everywhere is not None else (), everywhere or 0.0), **given}


def check_operations(study: Study, cohort: Cohort) -> Iterator[Problem]:
    """Yield what is wrong with a study's ``evaluate.postprocess``."""
    asked = study.evaluate.postprocess
    if isinstance(asked, list):
        try:
            build_operations(asked, segment_task(study, cohort))
        except StudyError as error:
            yield Problem("error", WHERE, str(error))
    elif asked == "auto" and not study.split.validates:
        message = "'auto' chooses on validation cases, but 'split.validation' is 0. Give some, or list operations."
        yield Problem("error", WHERE, message)


def record_of(chosen: Sequence[Operation]) -> list[dict[str, Any]]:
    """Return operations as plain values, ``{name: {option: value}}`` each."""
    return [{each.name: asdict(each)} for each in chosen]


def read_operations(path: Path, task: SegmentTask) -> tuple[Operation, ...]:
    """Return the operations in a ``postprocess.json``; none where there is no such file.

    Raises
    ------
    RunError : the file is damaged.
    """

    def read(record: dict[str, Any]) -> tuple[Operation, ...]:
        return tuple(_build(name, options, task) for item in record["operations"] for name, options in item.items())

    return read_record(path, read) or ()
