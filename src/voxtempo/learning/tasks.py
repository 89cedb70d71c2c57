"""What is learned, apart from how: truth to numbers, numbers to answers, and the figure that selects the best epoch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from voxtempo.cohort.regions import written_labels
from voxtempo.learning.probabilities import Logits, sigmoid, softmax
from voxtempo.metrics import criterion_of
from voxtempo.networks import Classify, Head, Regress, Segment


class LearningTask(ABC):
    """A task turns truths into targets, and a network's raw outputs into answers."""

    name: Literal["classify", "regress", "segment"]

    @property
    def monitor(self) -> str:
        """The metric that ``score`` returns and the best epoch is told by."""
        return criterion_of(self.name)

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


def _largest(answers: NDArray[np.float32], kind: Any, rows: int = 8) -> NDArray[Any]:
    """Return the place of the largest value along the last axis, some rows at a time: numpy's own takes 8 bytes a voxel."""
    places = np.empty(answers.shape[:-1], dtype=kind)
    for first in range(0, len(answers), rows):
        places[first : first + rows] = answers[first : first + rows].argmax(axis=-1)
    return places


def among(array: NDArray[Any], labels: Sequence[int]) -> NDArray[np.bool_]:
    """Return where an array holds one of some labels; a single one is found several times faster than by ``np.isin``."""
    return np.asarray(array == labels[0]) if len(labels) == 1 else np.isin(array, labels)


@dataclass(frozen=True)
class ClassifyTask(LearningTask):
    """One class a sample."""

    classes: tuple[str, ...]
    name = "classify"

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
    """One label a voxel, or yes or no for each of some regions that may overlap.

    Parameters
    ----------
    labels : the file's label values and their names; 0 is the background.
    others : values without a name are background too; else they are an error.
    regions : name -> label values, in the order in which they are written; empty where labels are learned.
    ignore : value of voxels that count nowhere, or None.
    """

    labels: Mapping[int, str]
    others: bool = False
    regions: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    ignore: int | None = None
    name = "segment"

    @property
    def head(self) -> Head:
        """A score for every region, or for the background and every label."""
        return Segment(len(self.regions) or len(self.labels) + 1)

    @property
    def values(self) -> NDArray[np.int32]:
        """The label values in order, the background first: those of the network's outputs, unless it learns regions."""
        return np.array([0, *sorted(self.labels)], dtype=np.int32)

    @property
    def outputs(self) -> tuple[str, ...]:
        """What each output of the network stands for; the background is ""."""
        return tuple(self.regions) or ("", *(self.labels[int(value)] for value in self.values[1:]))

    @property
    def written(self) -> dict[str, int]:
        """The label value that each region writes into a label map, in the order of writing."""
        return dict(zip(self.regions, written_labels(self.regions), strict=True))

    @property
    def region_indices(self) -> tuple[tuple[int, ...], ...]:
        """The labels of each region by their places in ``values``."""
        return tuple(tuple(int(i) for i in np.searchsorted(self.values, sorted(r))) for r in self.regions.values())

    @property
    def structures(self) -> dict[str, tuple[int, ...]]:
        """Name -> label values of all that is judged: the regions, and the labels that are not one of them."""
        labels = {self.labels[value]: (value,) for value in sorted(self.labels)}
        known = {frozenset(values) for values in self.regions.values()}
        return {**self.regions, **{name: values for name, values in labels.items() if frozenset(values) not in known}}

    @property
    def averaged(self) -> tuple[str, ...]:
        """The structures that headline figures are the mean of: what is learned."""
        return tuple(self.regions) or tuple(self.structures)

    def encode(self, truth: Any) -> None:
        """Return nothing: the truth of a segmentation is its label map."""
        return

    def decode(self, logits: Logits) -> NDArray[np.float32]:
        """Return probabilities (..., labels + 1), or (..., regions) each on its own."""
        return sigmoid(logits) if self.regions else softmax(logits)

    def judged(self, answers: NDArray[np.float32], thresholds: Mapping[str, float] | None = None) -> NDArray[Any]:
        """Return the label of each voxel by its place in ``values``.

        Parameters
        ----------
        answers : probabilities, (..., labels + 1) or (..., regions).
        thresholds : name -> probability between 0 and 1 above which an output is there; 0.5 where none is given. Of labels,
            which exclude each other, the one with the largest p (1 - t) / t is taken, which is the same with one label.
        """
        thresholds = thresholds or {}
        kind = np.uint8 if len(self.labels) < 255 else np.uint16
        if not self.regions:
            if thresholds:
                limits = np.array([thresholds.get(name, 0.5) for name in self.outputs], dtype=np.float32)
                answers = answers * ((1 - limits) / limits)
            return _largest(answers, kind)
        labels = np.zeros(answers.shape[:-1], dtype=kind)
        for place, (name, value) in enumerate(self.written.items()):
            labels[answers[..., place] > thresholds.get(name, 0.5)] = np.searchsorted(self.values, value)
        return labels

    def score(self, answers: NDArray[Any], targets: NDArray[Any]) -> float:
        """Return the mean Dice over labels or regions, pooled over all voxels given; what is nowhere is left out."""
        if self.ignore is not None:
            answers, targets = answers[targets >= 0], targets[targets >= 0]
        scores = []
        for labels in self.region_indices or [(index,) for index in range(1, len(self.labels) + 1)]:
            ours, theirs = among(answers, labels), among(targets, labels)
            total = np.count_nonzero(ours) + np.count_nonzero(theirs)
            if total:
                scores.append(2 * np.count_nonzero(ours & theirs) / total)
        return float(np.mean(scores)) if scores else 1.0

    def as_json(self) -> dict[str, Any]:
        """Return the label names, and what is learned of them."""
        labels = {str(value): name for value, name in sorted(self.labels.items())}
        regions = [{"name": name, "labels": list(values)} for name, values in self.regions.items()]
        return {"task": self.name, "labels": labels, "others": self.others, "regions": regions, "ignore": self.ignore}


def restore_task(record: Mapping[str, Any]) -> LearningTask:
    """Return the task that ``as_json`` wrote."""
    if record["task"] == "classify":
        return ClassifyTask(tuple(record["classes"]))
    if record["task"] == "regress":
        return RegressTask(float(record["mean"]), float(record["deviation"]))
    return SegmentTask(
        {int(value): name for value, name in record["labels"].items()},
        bool(record["others"]),
        {region["name"]: tuple(region["labels"]) for region in record.get("regions", [])},
        record.get("ignore"),
    )
