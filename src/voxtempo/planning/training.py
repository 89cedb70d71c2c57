"""How long and in what portions a network is trained, where the study leaves it open."""

from __future__ import annotations

from typing import Literal

import numpy as np

from voxtempo.cohort import make_folds
from voxtempo.cohort.case import Case, Cohort
from voxtempo.cohort.study import Sample, Study, Train, Window
from voxtempo.errors import CohortError
from voxtempo.feed.event_windows import owners, tiles, window_owners
from voxtempo.planning.foresee import Foreseen

ENOUGH_LABEL_MAPS = 10
ENOUGH_SUBJECTS = 50


def train_samples(cohort: Cohort, sample: Sample, foreseen: Foreseen) -> int:
    """Return about how many samples one pass over 70 % of the cohort has."""
    if sample.window is not None:
        times = foreseen.repetition_times or (None,) * len(cohort)
        count = sum(
            _windows(sample.window, case, volumes, seconds)
            for case, volumes, seconds in zip(cohort, foreseen.volumes, times, strict=True)
        )
    elif sample.slices is not None:
        axis = "xyz".index(sample.slices.axis)
        count = sum(shape[axis] for shape in foreseen.shapes)
    elif sample.patch is not None:
        voxels = float(np.prod(sample.patch))
        count = sum(max(1, round(float(np.prod(shape)) / voxels)) for shape in foreseen.shapes)
    else:
        count = len(cohort)
    return max(1, round(0.7 * count))


def _windows(window: Window, case: Case, volumes: int, seconds: float | None) -> int:
    """Return how many windows one pass takes from a case."""
    if window.frames is not None:
        return 1
    if window.align == "events" or (window.labels is not None and seconds is None):
        return len(case.events)
    stride = window.stride or window.span
    if window.labels is None or seconds is None:
        return 1 + max(0, -(-(volumes - window.span) // stride))
    owner = owners([(event.onset, event.duration) for event in case.events], volumes, seconds, window.delay)
    labels = [event.label for event in case.events]
    speaks_for = window_owners(owner, labels, window.volumes, window.dilation, window.labels)
    return len(tiles(speaks_for, window.labels, stride))


def plan_training(study: Study, cohort: Cohort, sample: Sample, foreseen: Foreseen, reasons: list[str]) -> Train:
    """Return the section ``train`` with nothing left open; appends to ``reasons`` what was decided."""
    samples = train_samples(cohort, sample, foreseen)
    flat = foreseen.flat or sample.kind == "slices"
    own = study.train
    batch = own.batch or (32 if flat else 2 if study.task == "segment" else 8 if sample.kind == "window" else 4)
    batch = own.batch or max(1, min(batch, samples))
    steps = own.steps or -(-samples // batch)
    updates = 1700 if study.task == "segment" else 1500 if flat and sample.kind != "window" else 1000
    epochs = own.epochs or int(np.clip(round(updates / steps), 8, 60 if sample.kind == "window" else 100))
    keep = own.keep or _plan_keep(study, cohort, reasons)
    changes = {
        "batch": batch,
        "epochs": epochs,
        "keep": keep,
        "rate": own.rate or (1e-2 if own.optimiser == "sgd" else 1e-3),
        "weight_decay": own.weight_decay
        if own.weight_decay is not None
        else (1e-4 if study.task == "segment" else 1e-2),
        "patience": own.patience or (max(10, epochs // 2) if keep == "best" else epochs),
        "dropout": own.dropout if own.dropout is not None else (0.0 if study.task == "segment" else 0.3),
    }
    if own.batch is None or own.epochs is None:
        reasons.append(f"train: {epochs} epochs of about {steps} updates of {batch} samples ({epochs * steps} updates)")
    return own.model_copy(update=changes)


def _plan_keep(study: Study, cohort: Cohort, reasons: list[str]) -> Literal["best", "last"]:
    """Return which weights to keep: few validation subjects cannot tell one epoch from another.

    A label map holds thousands of voxels, so ten cases are enough there.
    """
    if study.split.validation == 0 and not (study.split.test is not None and study.split.folds is not None):
        reasons.append("train: the last epoch's weights are kept, since every case beside the test trains")
        return "last"
    enough = ENOUGH_LABEL_MAPS if study.task == "segment" else ENOUGH_SUBJECTS
    try:
        fold = make_folds(cohort, study.split)[0]
        subjects = len({case.group for case in cohort.only(fold.validation)})
    except CohortError:
        subjects = 0
    if subjects >= enough:
        return "best"
    reasons.append(
        f"train: the last epoch's weights are kept, since {subjects} validation subjects are too few to choose an epoch by "
        f"({enough} would do)"
    )
    return "last"
