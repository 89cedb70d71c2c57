"""What is learned, apart from how: truth to numbers, numbers to answers, and the figure that selects the best epoch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from voxtempo.cohort import truth_of
from voxtempo.cohort.case import Case, Cohort
from voxtempo.cohort.study import Study
from voxtempo.errors import CohortError
from voxtempo.networks import Classify, Head, Regress, Segment

Logits = NDArray[np.float32]


class LearningTask(ABC):
    """A task turns truths into targets, and a network's raw outputs into answers."""

    name: Literal["classify", "regress", "segment"]
    monitor: str
    larger_is_better: bool = True

    @property
    @abstractmethod
    def head(self) -> Head:
        """The head that the network gets."""

    @abstractmethod
    def encode(self, truth: Any) -> float | int | None:
        """Return a case's truth as the number the loss compares with."""

    @abstractmethod
    def decode(self, logits: Logits) -> NDArray[np.float32]:
        """Return probabilities (classify, segment: last axis) or values in the target's unit (regress)."""

    def judged(self, answers: NDArray[np.float32]) -> NDArray[Any]:
        """Return what ``score`` needs of decoded answers, in as little memory as possible."""
        return answers

    @abstractmethod
    def score(self, answers: NDArray[Any], targets: NDArray[Any]) -> float:
        """Return the monitored figure of ``judged`` answers against encoded targets."""

    def as_json(self) -> dict[str, Any]:
        """Return what a run must remember of the task."""
        return {"task": self.name}


def softmax(logits: Logits) -> NDArray[np.float32]:
    """Return the softmax over the last axis.

    >>> softmax(np.array([[0.0, 0.0]], dtype=np.float32)).tolist()
    [[0.5, 0.5]]
    """
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (shifted / shifted.sum(axis=-1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True)
class ClassifyTask(LearningTask):
    """One class a sample."""

    classes: tuple[str, ...]
    name = "classify"
    monitor = "balanced_accuracy"

    @property
    def head(self) -> Head:
        """A score for every class."""
        return Classify(len(self.classes))

    def encode(self, truth: Any) -> int | None:
        """Return the class's index."""
        return None if truth is None else self.classes.index(str(truth))

    def decode(self, logits: Logits) -> NDArray[np.float32]:
        """Return probabilities (n, classes)."""
        return softmax(logits)

    def score(self, answers: NDArray[Any], targets: NDArray[Any]) -> float:
        """Return the mean recall over the classes present."""
        predicted = answers.argmax(axis=-1)
        return float(np.mean([np.mean(predicted[targets == k] == k) for k in np.unique(targets)]))

    def as_json(self) -> dict[str, Any]:
        """Return the class names."""
        return {"task": self.name, "classes": list(self.classes)}


@dataclass(frozen=True)
class RegressTask(LearningTask):
    """One number a sample; the network learns it standardised by the training cases' mean and standard deviation."""

    mean: float
    deviation: float
    name = "regress"
    monitor = "mae"
    larger_is_better = False

    @property
    def head(self) -> Head:
        """One number."""
        return Regress()

    def encode(self, truth: Any) -> float | None:
        """Return the standardised value."""
        return None if truth is None else (float(truth) - self.mean) / self.deviation

    def decode(self, logits: Logits) -> NDArray[np.float32]:
        """Return values (n,) in the target's own unit."""
        return (logits[..., 0] * self.deviation + self.mean).astype(np.float32)

    def score(self, answers: NDArray[Any], targets: NDArray[Any]) -> float:
        """Return the mean absolute error in the target's own unit."""
        truth = targets.reshape(-1) * self.deviation + self.mean
        return float(np.abs(answers.reshape(-1) - truth).mean())

    def as_json(self) -> dict[str, Any]:
        """Return what the training cases fixed."""
        return {"task": self.name, "mean": self.mean, "deviation": self.deviation}


@dataclass(frozen=True)
class SegmentTask(LearningTask):
    """One label a voxel. ``labels`` maps the file's label values to names; 0 is the background.

    With ``others``, values without a name are background too; else they are an error.
    """

    labels: Mapping[int, str]
    others: bool = False
    name = "segment"
    monitor = "dice"

    @property
    def head(self) -> Head:
        """A score for the background and for every label."""
        return Segment(len(self.labels) + 1)

    @property
    def values(self) -> NDArray[np.int32]:
        """The label values in the order of the network's outputs, the background first."""
        return np.array([0, *sorted(self.labels)], dtype=np.int32)

    def encode(self, truth: Any) -> None:
        """Return nothing: the truth of a segmentation is its label map."""
        return

    def decode(self, logits: Logits) -> NDArray[np.float32]:
        """Return probabilities (..., labels + 1)."""
        return softmax(logits)

    def judged(self, answers: NDArray[np.float32]) -> NDArray[Any]:
        """Return the index of the most probable label a voxel."""
        return answers.argmax(axis=-1).astype(np.uint8 if len(self.labels) < 255 else np.uint16)

    def score(self, answers: NDArray[Any], targets: NDArray[Any]) -> float:
        """Return the mean Dice over labels, pooled over all voxels given; labels nowhere present are left out."""
        scores = []
        for index in range(1, len(self.labels) + 1):
            total = np.count_nonzero(answers == index) + np.count_nonzero(targets == index)
            if total:
                scores.append(2 * np.count_nonzero((answers == index) & (targets == index)) / total)
        return float(np.mean(scores)) if scores else 1.0

    def as_json(self) -> dict[str, Any]:
        """Return the label names."""
        labels = {str(value): name for value, name in sorted(self.labels.items())}
        return {"task": self.name, "labels": labels, "others": self.others}


def make_task(study: Study, cohort: Cohort, train: Sequence[Case]) -> LearningTask:
    """Return the study's task; what must be fitted is fitted on the training cases alone.

    Raises
    ------
    CohortError : the training cases hold fewer than two classes, or a number that never changes.
    """
    if study.task == "segment":
        return SegmentTask(dict(cohort.labels), cohort.others)
    if study.task == "classify":
        present = {truth for case in train for truth in truth_of(case)}
        if len(present) < 2:
            raise CohortError(
                f"The training cases hold only the class {', '.join(map(repr, present))}: nothing to tell apart."
            )
        return ClassifyTask(cohort.classes)
    truths = [_number(case.id, truth) for case in train for truth in truth_of(case)]
    values = np.array(truths, dtype=np.float64)
    deviation = float(values.std())
    if not deviation > 0:
        raise CohortError(f"The target is {values[0]:g} in every training case: nothing to learn.")
    return RegressTask(float(values.mean()), deviation)


def _number(case_id: str, truth: str | float | None) -> float:
    try:
        return float(truth)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise CohortError(f"{case_id}: the target '{truth}' is not a number.") from None


def restore_task(record: Mapping[str, Any]) -> LearningTask:
    """Return the task that ``as_json`` wrote."""
    if record["task"] == "classify":
        return ClassifyTask(tuple(record["classes"]))
    if record["task"] == "regress":
        return RegressTask(float(record["mean"]), float(record["deviation"]))
    return SegmentTask({int(value): name for value, name in record["labels"].items()}, bool(record["others"]))
