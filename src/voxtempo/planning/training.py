"""How long and in what portions a network is trained, where the study leaves it open."""

from __future__ import annotations

from typing import Literal

import numpy as np

from voxtempo.cohort import make_folds
from voxtempo.cohort.case import Case, Cohort
from voxtempo.cohort.study import Sample, Study, Train, Window
from voxtempo.errors import CohortError
from voxtempo.feed.event_windows import owners, tiles, window_owners
from voxtempo.planning.estimate import Estimate, estimate
from voxtempo.planning.fingerprint import Fingerprint
from voxtempo.planning.foresee import Foreseen
from voxtempo.planning.limits import Limits
from voxtempo.planning.machine import Machine
from voxtempo.planning.network import flat_sample

MOST_UPDATES = 5000
FEWEST_UPDATES = 2500
"""Of a segmentation network: more gain little, and a patch is not made so large that the budget holds fewer."""
FEWEST_EPOCHS = 20
FOREGROUND = 0.5
FOREGROUND_BY_SHARE = ((0.01, 0.67), (0.1, 0.5), (1.0, 0.33))
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


def plan_batch(study: Study, sample: Sample, foreseen: Foreseen) -> int:
    """Return the samples of an update, before memory and the number of samples are looked at."""
    if sample.kind == "window":
        return 8
    flat = flat_sample(sample, foreseen)
    if study.task == "segment":
        return 16 if flat else 2
    return 32 if flat else 4


def plan_training(
    study: Study,
    cohort: Cohort,
    foreseen: Foreseen,
    limits: Limits,
    machine: Machine,
    fingerprint: Fingerprint | None,
    reasons: list[str],
) -> Train:
    """Return the section ``train`` with nothing left open; appends to ``reasons`` what was decided.

    Parameters
    ----------
    study : with sample and network.
    cohort : its cases.
    foreseen : what preparation will give.
    limits : what training may cost.
    machine : what it runs on.
    fingerprint : what the label maps are like, or None.
    reasons : of all choices so far.
    """
    assert study.sample is not None
    own, sample = study.train, study.sample
    precision = own.precision
    if precision == "auto" and study.task == "segment" and machine.bfloat16 and _open(own):
        precision = "bfloat16"
        reasons.append("train: bfloat16, in which this processor multiplies faster; the weights stay float32")
    study = study.model_copy(update={"train": own.model_copy(update={"precision": precision})})
    samples = train_samples(cohort, sample, foreseen)
    batch = own.batch or _batch_that_fits(study, foreseen, samples, limits, machine, reasons)
    epochs, steps = _length(study, foreseen, samples, batch, limits, machine, reasons)
    keep = own.keep or _plan_keep(study, cohort, reasons)
    return own.model_copy(
        update={
            "precision": precision,
            "batch": batch,
            "epochs": epochs,
            "steps": steps,
            "keep": keep,
            "foreground": own.foreground if own.foreground is not None else _foreground(study, fingerprint, reasons),
            "rate": own.rate or (1e-2 if own.optimiser == "sgd" else 1e-3),
            "weight_decay": own.weight_decay
            if own.weight_decay is not None
            else (1e-4 if study.task == "segment" else 1e-2),
            "patience": own.patience or (max(10, epochs // 2) if keep == "best" else epochs),
            "dropout": own.dropout if own.dropout is not None else (0.0 if study.task == "segment" else 0.3),
        }
    )


def _open(train: Train) -> bool:
    """Return whether anything is yet to be planned: a run that goes on elsewhere keeps the precision it began with."""
    return None in (
        train.batch,
        train.epochs,
        train.rate,
        train.weight_decay,
        train.patience,
        train.dropout,
        train.keep,
    )


def _expected(study: Study, foreseen: Foreseen, machine: Machine, **train: int) -> Estimate:
    tried = study.model_copy(update={"train": study.train.model_copy(update=train)})
    return estimate(tried, foreseen.largest, 1, machine)


def _batch_that_fits(
    study: Study, foreseen: Foreseen, samples: int, limits: Limits, machine: Machine, reasons: list[str]
) -> int:
    assert study.sample is not None
    wanted = batch = max(1, min(plan_batch(study, study.sample, foreseen), samples))
    while (
        batch > 1
        and _expected(study, foreseen, machine, batch=batch, steps=1, epochs=1).memory_mb > 1024 * limits.memory
    ):
        batch //= 2
    if batch < wanted:
        reasons.append(f"train: batches of {batch}, since {wanted} samples would take more than {limits.memory:.3g} GB")
    return batch


def _length(
    study: Study, foreseen: Foreseen, samples: int, batch: int, limits: Limits, machine: Machine, reasons: list[str]
) -> tuple[int, int | None]:
    """Return the epochs, and the updates of one where they are not a pass over the samples."""
    own = study.train
    assert study.sample is not None
    flat = flat_sample(study.sample, foreseen)
    window = study.sample.kind == "window"
    segment = study.task == "segment"
    updates = MOST_UPDATES if segment else 1500 if flat and not window else 1000
    minutes = _expected(study, foreseen, machine, batch=batch, steps=1000, epochs=1).minutes / 1000
    within = ""
    if segment or limits.asked:
        affordable = max(1, int(limits.minutes / minutes))
        if affordable < updates:
            updates, within = affordable, f", as many as {limits.minutes:.3g} minutes allow"
    steps = own.steps or -(-samples // batch)
    given = own.steps
    most = 60 if window else 100
    if own.steps is None and own.epochs is None:
        # Neither more than a pass that would leave too few epochs, nor fewer than several passes of a small cohort.
        fewest, largest = -(-updates // most), max(1, updates // FEWEST_EPOCHS)
        if not fewest <= steps <= largest:
            steps = given = min(max(steps, fewest), largest)
    least = 1 if within or given else 8
    epochs = own.epochs or int(np.clip(round(updates / steps), least, most))
    if own.epochs is not None or own.steps is not None:
        within = ""
    if own.batch is None or own.epochs is None:
        reasons.append(
            f"train: {epochs} epochs of {'' if given else 'about '}{steps} updates of {batch} samples "
            f"({epochs * steps} updates{within})"
        )
    return epochs, given


def _foreground(study: Study, fingerprint: Fingerprint | None, reasons: list[str]) -> float:
    """Return the share of patches that are centred on a label: the rarer labels are, the larger."""
    share = fingerprint.foreground if fingerprint is not None else None
    if study.task != "segment" or study.sample is None or study.sample.patch is None or share is None:
        return FOREGROUND
    value = next(value for most, value in FOREGROUND_BY_SHARE if min(share, 1.0) <= most)
    reasons.append(
        f"train: {value:.0%} of the patches are centred on a label, since labels hold {share:.2%} of the voxels"
    )
    return value


def _plan_keep(study: Study, cohort: Cohort, reasons: list[str]) -> Literal["best", "last"]:
    """Return which weights to keep: few validation subjects cannot tell one epoch from another.

    A label map holds thousands of voxels, so ten cases are enough there; but where the rate falls to nothing, the best of
    many epochs is a lucky one from before it did.
    """
    if not study.split.validates:
        reasons.append("train: the last epoch's weights are kept, since every case beside the test trains")
        return "last"
    if study.train.patience is not None:
        reasons.append(
            f"train: the best epoch's weights are kept, since {study.train.patience} epochs without a better one end it"
        )
        return "best"
    if study.task == "segment" and study.train.schedule in ("cosine", "polynomial"):
        reasons.append("train: the last epoch's weights are kept, when the rate has fallen to nothing")
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
