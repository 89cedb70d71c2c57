"""The contract of a loss: options as dataclass fields, one number a sample from logits.

A loss is a frozen dataclass with ``per_sample(truth, logits) -> (batch,)``. Keras weights and averages the samples
(``build_loss``). Truth comes as the feed gives it: class indices (batch,), values (batch, 1), label maps
(batch, x, y[, z]); for regions that overlap, ``build_loss`` turns label maps into region maps (batch, x, y[, z], regions).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal

from voxtempo.networks.card import Task
from voxtempo.networks.keras_seam import Tensor
from voxtempo.registry import Registry


class Loss(ABC):
    """One loss. Subclasses are frozen dataclasses whose fields are the options a study file may give.

    Class attributes
    ----------------
    name : as in the study file (set by the ``loss`` decorator).
    tasks : what it can be used for.
    main : the option that a bare value stands for (``loss: {focal: 2}``), or None.
    """

    name: ClassVar[str] = ""
    tasks: ClassVar[tuple[Task, ...]] = ()
    main: ClassVar[str | None] = None

    @abstractmethod
    def per_sample(self, truth: Tensor, logits: Tensor) -> Tensor:
        """Return the loss of each sample, (batch,), from float32 logits."""


losses: Registry[type[Loss]] = Registry("loss", "voxtempo.learning.losses")
Reduction = Literal["batch", "sample"]


def loss(name: str, *, tasks: tuple[Task, ...]) -> Callable[[type[Loss]], type[Loss]]:
    """Register a loss under the name that study files use."""

    def decorate(cls: type[Loss]) -> type[Loss]:
        cls.tasks = tasks
        return losses.named(name)(cls)

    return decorate
