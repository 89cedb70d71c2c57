"""From a study's words to a loss that Keras can compile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from voxtempo.errors import StudyError
from voxtempo.learning.losses.base import Loss, losses
from voxtempo.learning.losses.labels import region_maps
from voxtempo.networks.card import Task
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.options import options_of, validate_options

DEFAULTS: dict[Task, str] = {"classify": "cross_entropy", "regress": "huber", "segment": "dice_ce"}


def choose_loss(task: Task, name: str | None = None, options: Any = None, **planned: Any) -> Loss:
    """Return the loss of a task, without loading a framework.

    Parameters
    ----------
    task : what is learned.
    name : of a registered loss; default: cross_entropy, huber or dice_ce.
    options : None, one value for the loss's main option, or a mapping, as a study file gives them.
    planned : options from elsewhere (label_smoothing, class_weights, ignore); those the loss does not know must be None or 0.

    Raises
    ------
    StudyError : the loss is unknown or not for this task, or an option is unknown or wrong.
    """
    name = name or DEFAULTS[task]
    cls = losses[name]
    if task not in cls.tasks:
        fitting = ", ".join(n for n in losses if task in losses[n].tasks)
        raise StudyError(f"train.loss: '{name}' cannot {task}. Losses that can: {fitting}.")
    if options is not None and not isinstance(options, dict):
        if cls.main is None:
            raise StudyError(f"train.loss: '{name}' takes no single value, found {options!r}; write name: value pairs.")
        options = {cls.main: options}
    given = dict(options or {})
    known = {option.name for option in options_of(cls)}
    for option, value in planned.items():
        if option in known:
            given.setdefault(option, value)
        elif value:
            raise StudyError(
                f"train: the loss '{name}' has no {option.replace('_', ' ')}; leave it out or change the loss."
            )
    return cls(**validate_options(cls, given, f"train.loss: '{name}'"))


def build_loss(
    task: Task,
    name: str | None = None,
    options: Any = None,
    regions: Sequence[Sequence[int]] | None = None,
    **planned: Any,
) -> keras.losses.Loss:
    """Return the loss of a task as a ``keras.losses.Loss``: the (weighted) mean over samples.

    See ``choose_loss`` and ``as_keras``.
    """
    return as_keras(choose_loss(task, name, options, **planned), regions)


def as_keras(chosen: Loss, regions: Sequence[Sequence[int]] | None = None) -> keras.losses.Loss:
    """Wrap a loss for ``keras.Model.compile``; sample weights multiply the samples' losses.

    Parameters
    ----------
    chosen : the loss.
    regions : the labels of each region, where a network has a logit a region: label maps are then compared as region maps.
    """
    ignore = getattr(chosen, "ignore", None)

    class SampleLoss(keras.losses.Loss):
        def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
            if regions is not None:
                y_true = region_maps(y_true, regions, ignore)
            return chosen.per_sample(y_true, keras.ops.cast(y_pred, "float32"))

    return SampleLoss(name=chosen.name, dtype="float32")
