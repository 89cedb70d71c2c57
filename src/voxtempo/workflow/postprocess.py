"""What a run does to its label maps: as the study lists it, or chosen on the validation cases, and written down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from voxtempo.cohort import Study, TrainingView, ValidationView, fitted_on
from voxtempo.cohort.study import Named
from voxtempo.inference import Predictor, Run
from voxtempo.inference.postprocess import Labels, Operation, build_operations, choose_operations, record_of
from voxtempo.inference.run import POSTPROCESS, operations_in
from voxtempo.inference.structures import without_ignored
from voxtempo.learning.tasks import SegmentTask
from voxtempo.scans import read_scan
from voxtempo.workflow.pairs import ValidationMaps
from voxtempo.workflow.records import write_json
from voxtempo.workflow.voice import Voice

MOST = 200
"""Training cases whose true label maps are looked at before a choice; of more, these many are evenly taken."""


@fitted_on(ValidationView, "validation")
@fitted_on(TrainingView, "training")
def settle_postprocess(
    out: Path,
    study: Study,
    training: TrainingView,
    validation: ValidationMaps,
    predictor: Predictor,
    voice: Voice,
) -> Predictor:
    """Return the predictor with the operations of its run; the first time they are chosen and written.

    Parameters
    ----------
    out : run folder. What its ``postprocess.json`` says is not chosen again.
    study : complete.
    training : whose true label maps show in how many parts structures come.
    validation : of the only cases that a choice is made on.
    predictor : the run's network.
    voice : told what was chosen.
    """
    task, asked = predictor.task, study.evaluate.postprocess
    if not isinstance(task, SegmentTask) or asked in (None, "none"):
        return predictor
    path = out / POSTPROCESS
    if not path.is_file():
        if isinstance(asked, list):
            record = _listed(asked, task)
        else:
            record = choose_operations(validation.pairs(predictor), task, _drawn(training, task))[1]
            names = [f"{name} of {options['of']}" for item in record["operations"] for name, options in item.items()]
            voice.say(f"postprocess: {', '.join(names) or 'nothing'} ({record['rule']}; {record['subjects']} subjects)")
        write_json(path, record)
    return predictor.with_operations(operations_in(out, task))


def _drawn(training: TrainingView, task: SegmentTask) -> Iterator[tuple[Labels, Sequence[float]]]:
    """Yield the true label map and spacing of training cases, evenly taken."""
    cases = [case for case in training if case.mask is not None]
    for case in cases[:: -(-len(cases) // MOST) or 1]:
        scan = read_scan(case.mask or "", kind="label")
        yield without_ignored(scan.volume(), scan.volume(), task)[1], scan.geometry.spacing


def _listed(asked: Sequence[Named], task: SegmentTask) -> dict[str, Any]:
    return {"operations": record_of(build_operations(asked, task)), "rule": "as the study lists them"}


def join_postprocess(run: Run) -> tuple[Operation, ...]:
    """Return what all folds do together, and write it into the run's folder.

    What the study lists, or those operations that most folds chose for the same structure, each with the median of their
    numbers.
    """
    task, asked = run.task, run.study.evaluate.postprocess
    if not isinstance(task, SegmentTask) or asked in (None, "none"):
        return ()
    if isinstance(asked, list):
        write_json(run.folder / POSTPROCESS, _listed(asked, task))
        return operations_in(run.folder, task)
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
