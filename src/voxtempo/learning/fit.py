"""The fit loop: updates, validation, selection, checkpoints. It can be stopped at any moment and goes on exactly there.

Batches depend on (seed, epoch, step) alone, and a checkpoint holds every variable of model and optimiser, so an
interrupted training and an undisturbed one end in the same numbers (same machine, backend and seed).
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np

from voxtempo.cohort.sections.train import Train
from voxtempo.cohort.views import TrainingView, ValidationView, fitted_on
from voxtempo.errors import RunError
from voxtempo.feed import Batches
from voxtempo.learning.backend import seed_update
from voxtempo.learning.checkpoints import Checkpoints, Progress
from voxtempo.learning.schedules import rate_at
from voxtempo.learning.tasks import LearningTask
from voxtempo.metrics import higher_is_better

Report = Callable[[dict[str, float]], None]
Tick = Callable[[int, int, float], None]


class Interrupted(Exception):
    """Training was asked to stop and did, with everything saved."""


@dataclass(frozen=True)
class Watch:
    """Who is told what: ``epoch`` gets each history row, ``step`` gets (done, total, loss) inside an epoch."""

    epoch: Report = lambda row: None
    step: Tick = lambda done, total, loss: None


@fitted_on(TrainingView, "train")
@fitted_on(ValidationView, "validation")
def fit(
    model: Any,
    task: LearningTask,
    train: Batches,
    validation: Batches | None,
    settings: Train,
    checkpoints: Checkpoints,
    watch: Watch | None = None,
    refresh: Callable[[int], None] = lambda epoch: None,
) -> Progress:
    """Train a compiled model until its epochs are done or it stops improving, and leave it with the weights to keep.

    Parameters
    ----------
    model : compiled ``keras.Model`` that gives logits.
    task : decodes answers and scores them on the validation cases.
    train, validation : samples; without validation the last epoch's weights are kept.
    settings : the study's ``train`` section, complete.
    checkpoints : where to go on from, and where to save.
    watch : progress callbacks.
    refresh : called with the epoch before each validation, to bring batch statistics up to date (see ``statistics``).

    Raises
    ------
    Interrupted : SIGINT or SIGTERM came; a checkpoint was written first.
    RunError : the loss is no longer a finite number.
    """
    assert settings.epochs is not None
    watch = watch or Watch()
    progress = checkpoints.restore(model) or Progress()
    steps = settings.steps or train.steps
    with _stoppable() as stop:
        while progress.epoch < settings.epochs and not progress.finished:
            _epoch(model, train, settings, steps, checkpoints, progress, watch, stop)
            row = _close_epoch(model, task, validation, settings, steps, checkpoints, progress, refresh)
            checkpoints.save(model, progress)
            watch.epoch(row)
            if stop.is_set() and not progress.finished and progress.epoch < settings.epochs:
                raise Interrupted
    if progress.best_epoch is not None and settings.keep != "last":
        checkpoints.load_best(model)
    return progress


def _epoch(
    model: Any, train: Batches, settings: Train, steps: int, checkpoints: Checkpoints, progress: Progress, watch: Watch,
    stop: threading.Event,
) -> None:  # fmt: skip
    total = steps * (settings.epochs or 1)
    began = saved = time.monotonic()
    for batch in train.epoch(progress.epoch, progress.step, steps):
        done = progress.epoch * steps + progress.step
        model.optimizer.learning_rate = progress.reduction * rate_at(
            done, total, peak=settings.rate or 1e-3, schedule=settings.schedule, warmup=settings.warmup
        )
        seed_update(settings.seed, progress.epoch, progress.step)
        model.reset_metrics()
        loss = float(model.train_on_batch(batch.image, batch.target))
        if not math.isfinite(loss):
            raise RunError(
                f"The loss became {loss} in epoch {progress.epoch + 1}, update {progress.step + 1}. Lower 'train.rate' "
                f"(now {settings.rate:g}), or check the scans for extreme values with 'voxtempo check'."
            )
        progress.loss_sum += loss
        progress.step += 1
        watch.step(progress.step, steps, progress.loss_sum / progress.step)
        now = time.monotonic()
        late = now - saved > 60 * settings.checkpoint_minutes
        if (late or stop.is_set()) and progress.step < steps:
            progress.epoch_seconds += now - began
            began = saved = now
            checkpoints.save(model, progress)
            if stop.is_set():
                raise Interrupted
    progress.epoch_seconds += time.monotonic() - began


def _close_epoch(
    model: Any, task: LearningTask, validation: Batches | None, settings: Train, steps: int, checkpoints: Checkpoints,
    progress: Progress, refresh: Callable[[int], None],
) -> dict[str, float]:  # fmt: skip
    """Bring statistics up to date, validate, keep the best, and write the epoch's row of the history."""
    began = time.monotonic()
    refresh(progress.epoch)
    row = {
        "epoch": float(progress.epoch + 1),
        "rate": float(np.asarray(model.optimizer.learning_rate)),
        "train_loss": progress.loss_sum / steps,
    }
    if validation is not None:
        loss, score = validate(model, task, validation)
        row["validation_loss"] = loss
        row[f"validation_{task.monitor}"] = score
        # A classifier's accuracy moves in steps of one case; its loss does not.
        value = -loss if task.name == "classify" else score if higher_is_better(task.monitor) else -score
        if progress.best is None or value > progress.best:
            progress.best, progress.best_epoch, progress.stale = value, progress.epoch + 1, 0
            checkpoints.save_best(model)
        else:
            progress.stale += 1
            patience = settings.patience or settings.epochs or 1
            if settings.schedule == "plateau" and progress.stale % max(1, patience // 3) == 0:
                progress.reduction *= 0.3
            progress.finished = progress.stale >= patience
    row["seconds"] = progress.epoch_seconds + time.monotonic() - began
    progress.seconds += row["seconds"]
    progress.history.append(row)
    progress.epoch, progress.step, progress.loss_sum, progress.epoch_seconds = progress.epoch + 1, 0, 0.0, 0.0
    return row


def validate(model: Any, task: LearningTask, batches: Batches) -> tuple[float, float]:
    """Return the mean loss and the monitored figure over every fixed position of the cases."""
    losses: list[float] = []
    weights: list[int] = []
    answers: list[np.ndarray] = []
    targets: list[Any] = []
    for batch in batches.cover():
        logits = predict_full(model, batch.image, batches.batch)
        losses.append(float(model.loss(batch.target, logits)))
        weights.append(len(logits))
        answers.append(task.judged(task.decode(logits)))
        targets.append(batch.target)
    score = task.score(np.concatenate(answers), np.concatenate(targets))
    return float(np.average(losses, weights=weights)), score


def predict_full(model: Any, images: np.ndarray, batch: int) -> np.ndarray:
    """Return the logits of some samples; one alone stays alone, others are filled up to a full batch.

    So a backend compiles for two shapes at most, and a case that is one sample does not cost a whole batch.
    """
    missing = batch - len(images) if len(images) > 1 else 0
    filled = np.concatenate([images, np.repeat(images[-1:], missing, axis=0)]) if missing > 0 else images
    return np.asarray(model.predict_on_batch(filled))[: len(images)]


@contextmanager
def _stoppable() -> Iterator[threading.Event]:
    """Turn the first SIGINT or SIGTERM into a wish to stop; a second one acts at once."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def wish(number: int, frame: FrameType | None) -> None:
        event.set()
        for each, handler in previous.items():
            signal.signal(each, handler)

    previous = {each: signal.signal(each, wish) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)
