"""Heads turn the features of any network into logits: classify and regress from a vector, segment from a map.

Outputs are float32 whatever the compute precision, and never pass a softmax: losses and predictions take logits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from voxtempo.errors import StudyError
from voxtempo.networks.blocks import conv, pool_to_vector
from voxtempo.networks.card import Features, Task
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.pyramid import merge_levels
from voxtempo.networks.resize import resize


class Head(ABC):
    """What a task asks of a network's features."""

    task: ClassVar[Task]

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Size of the last axis of the output."""

    @abstractmethod
    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the output's shape, without the batch, for an input of ``input_shape`` (without the batch)."""

    @abstractmethod
    def attach(self, features: Features, input_shape: tuple[int, ...], dropout: float) -> Tensor:
        """Return the float32 logits.

        Raises
        ------
        StudyError : the features do not hold what this head needs.
        """

    def supervise(self, features: Features) -> tuple[Tensor, ...]:
        """Return float32 logits of the maps that answer too in training, each on its own grid.

        Raises
        ------
        StudyError : there are such maps, but the task has no truth for them.
        """
        if features.deep:
            raise StudyError(f"Deep supervision compares maps with label maps, so it cannot help to {self.task}.")
        return ()


def _vector_head(features: Features, outputs: int, dropout: float, task: str) -> Tensor:
    vector = features.vector
    if vector is None:
        if not features.levels:
            raise StudyError(f"The network gives neither a vector nor maps, so there is nothing to {task} from.")
        vector = pool_to_vector(features.levels[-1])
    if dropout > 0:
        vector = keras.layers.Dropout(dropout)(vector)
    return keras.layers.Dense(outputs, dtype="float32", name="logits")(vector)


@dataclass(frozen=True)
class Classify(Head):
    """One logit a class: output (batch, classes)."""

    classes: int
    task: ClassVar[Task] = "classify"

    @property
    def outputs(self) -> int:
        """The number of classes."""
        return self.classes

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return (classes,)."""
        return (self.classes,)

    def attach(self, features: Features, input_shape: tuple[int, ...], dropout: float) -> Tensor:
        """Dropout and a dense layer on the vector, or on the coarsest level's average."""
        return _vector_head(features, self.classes, dropout, self.task)


@dataclass(frozen=True)
class Regress(Head):
    """One value: output (batch, 1)."""

    task: ClassVar[Task] = "regress"

    @property
    def outputs(self) -> int:
        """One."""
        return 1

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return (1,)."""
        return (1,)

    def attach(self, features: Features, input_shape: tuple[int, ...], dropout: float) -> Tensor:
        """Dropout and a dense layer on the vector, or on the coarsest level's average."""
        return _vector_head(features, 1, dropout, self.task)


@dataclass(frozen=True)
class Segment(Head):
    """One logit a label and voxel: output (batch, x, y[, z], labels).

    ``labels`` counts the background; regions that may overlap have no background.
    """

    labels: int
    task: ClassVar[Task] = "segment"

    @property
    def outputs(self) -> int:
        """The number of labels with the background, or of regions."""
        return self.labels

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return (x, y[, z], labels)."""
        return (*input_shape[:-1], self.labels)

    def attach(self, features: Features, input_shape: tuple[int, ...], dropout: float) -> Tensor:
        """A 1x1 convolution on the decoded map, or on a light decoder of the levels, brought to the input's grid."""
        x = features.dense
        if x is None:
            if not features.levels:
                raise StudyError(
                    "The network gives one vector a sample and no maps, so it cannot segment. "
                    "Choose a network whose card lists 'segment', such as unet2d or unet3d."
                )
            x = merge_levels(features.levels)
        sizes = tuple(input_shape[:-1])
        if len(sizes) != len(x.shape) - 2:
            raise StudyError(f"The network gives maps of {len(x.shape) - 2} axes, the label map has {len(sizes)}.")
        if dropout > 0:
            x = keras.layers.Dropout(dropout)(x)
        x = resize(conv(x, self.labels, kernel=1, bias=True), sizes, "linear")
        return keras.layers.Activation("linear", dtype="float32", name="logits")(x)

    def supervise(self, features: Features) -> tuple[Tensor, ...]:
        """A 1x1 convolution on every map that answers too in training."""
        answers = (conv(x, self.labels, kernel=1, bias=True) for x in features.deep)
        return tuple(keras.layers.Activation("linear", dtype="float32")(x) for x in answers)


def head_for(task: Task, outputs: int) -> Head:
    """Return the head of a task; ``outputs`` is the number of classes, or of labels with the background."""
    if task == "classify":
        return Classify(outputs)
    return Segment(outputs) if task == "segment" else Regress()
