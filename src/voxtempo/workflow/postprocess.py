"""What a run does to its label maps: as the study lists it, or chosen on the validation cases, and written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from voxtempo.cohort import Study, ValidationView, fitted_on
from voxtempo.inference import Predictor, Run
from voxtempo.inference.postprocess import Operation, build_operations, choose_operations, record_of
from voxtempo.inference.run import POSTPROCESS, operations_in
from voxtempo.learning.tasks import SegmentTask
from voxtempo.workflow.pairs import ValidationMaps
from voxtempo.workflow.records import write_json
from voxtempo.workflow.voice import Voice


@fitted_on(ValidationView, "validation")
def settle_postprocess(
    out: Path,
    study: Study,
    validation: ValidationMaps,
    predictor: Predictor,
    voice: Voice,
) -> Predictor:
    """Return the predictor with the operations of its run; the first time they are chosen and written.

    Parameters
    ----------
    out : run folder. What its ``postprocess.json`` says is not chosen again.
    study : complete.
    validation : of the only cases that a choice is made on.
    predictor : the run's network.
    voice : told what was chosen.
    """
    task, asked = predictor.task, study.evaluate.postprocess
    if not isinstance(task, SegmentTask) or asked == "none":
        return predictor
    path = out / POSTPROCESS
    if not path.is_file():
        if isinstance(asked, list):
            record: dict[str, Any] = {
                "operations": record_of(build_operations(asked, task)),
                "rule": "as the study lists them",
            }
        else:
            record = choose_operations(validation.pairs(predictor), task)[1]
            names = [f"{name} of {options['of']}" for item in record["operations"] for name, options in item.items()]
            voice.say(f"postprocess: {', '.join(names) or 'nothing'} ({record['rule']}; {record['subjects']} subjects)")
        write_json(path, record)
    return predictor.with_operations(operations_in(out, task))


def join_postprocess(run: Run) -> tuple[Operation, ...]:
    """Return what all folds do together, and write it into the run's folder.

    Those operations that most folds chose for the same structure, each with the median of their numbers.
    """
    task = run.task
    if not isinstance(task, SegmentTask) or run.study.evaluate.postprocess == "none":
        return ()
    chosen = [operations_in(member, task) for member in run.members]
    votes: dict[tuple[str, str], list[Operation]] = {}
    for operations in chosen:
        for key, each in {(each.name, each.of): each for each in operations}.items():
            votes.setdefault(key, []).append(each)
    joined = tuple(_median(alike) for alike in votes.values() if 2 * len(alike) > len(run.members))
    record = {
        "operations": record_of(joined),
        "rule": "what more than half of the folds chose, medians of their numbers",
    }
    write_json(run.folder / POSTPROCESS, record)
    return joined


def _median(alike: Sequence[Operation]) -> Operation:
    """Return the operation whose numbers are the medians of those of several that do the same to the same structure."""
    numbers = {each.name for each in fields(alike[0]) if isinstance(getattr(alike[0], each.name), float)}
    medians: dict[str, Any] = {name: float(np.median([getattr(each, name) for each in alike])) for name in numbers}
    return replace(alike[0], **medians)
