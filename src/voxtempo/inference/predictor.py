"""Networks over whole cases: patches are stitched, slices stacked, windows averaged, folds of an ensemble averaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxtempo.cohort.study import Study
from voxtempo.feed import Batches, FeedCase, Plane, Position, Sampler, WindowSampler, make_sampler
from voxtempo.feed.batches import as_input
from voxtempo.inference.answer import Answer
from voxtempo.inference.postprocess import Operation
from voxtempo.inference.windows import join_windows
from voxtempo.learning.attention_pooling import AttentionPooling, describer
from voxtempo.learning.fit import predict_full
from voxtempo.learning.recipe import Recipe
from voxtempo.learning.tasks import LearningTask
from voxtempo.scans.room import room

Probabilities = NDArray[np.float32]
Said = tuple[Probabilities, NDArray[np.float64] | None]


class Predictor:
    """One network, or several whose answers are averaged, with all that is needed to show them whole cases.

    Parameters
    ----------
    models : Keras models that give logits.
    recipes : of each model, in the same order. Models of one study share shape and classes.
    study : complete.
    poolings : of each model where the study joins windows by learned weights, else empty.
    operations : what is done to label maps on their way to the native grid (segment).
    mirror : axes ("x", "y", "z") of a sample along which its mirror image is asked too; the answers are averaged.
    """

    def __init__(
        self,
        models: Sequence[Any],
        recipes: Sequence[Recipe],
        study: Study,
        poolings: Sequence[AttentionPooling] = (),
        operations: Sequence[Operation] = (),
        mirror: Sequence[str] = (),
    ) -> None:
        self.models = tuple(models)
        self.poolings = tuple(poolings)
        self.operations = tuple(operations)
        self.mirror = tuple(mirror)
        self.recipes = tuple(recipes)
        self.recipe = recipes[0]
        self.tasks: tuple[LearningTask, ...] = tuple(recipe.learning_task for recipe in recipes)
        self.study = study

    @property
    def task(self) -> LearningTask:
        """The task (classes and labels are the same for all models)."""
        return self.tasks[0]

    def with_operations(self, operations: Sequence[Operation]) -> Predictor:
        """Return the same network(s) with these operations on label maps."""
        return Predictor(self.models, self.recipes, self.study, self.poolings, operations, self.mirror)

    def with_mirror(self, axes: Sequence[str]) -> Predictor:
        """Return the same network(s), asked about mirror images along these axes too."""
        return Predictor(self.models, self.recipes, self.study, self.poolings, self.operations, axes)

    def only(self, first: int, count: int = 1) -> Predictor:
        """Return a predictor of some of the networks, ``count`` of them from the one at place ``first`` on."""
        places = slice(first, first + count)
        return Predictor(
            self.models[places], self.recipes[places], self.study, self.poolings[places], self.operations, self.mirror
        )

    def sampler(self, case: FeedCase) -> Sampler:
        """Return the sampler that covers a case as the study wants it."""
        assert self.study.sample is not None
        shape = case.image.shape[1:4]
        sample = self.study.sample
        if sample.kind in ("volume", "window"):
            space = self.recipe.input_shape[:-1] if self.recipe.kind != "series" else self.recipe.input_shape[1:-1]
            shape = (*space, 1) if len(space) == 2 else space  # type: ignore[assignment]
        elif sample.slices is not None:
            axis, plane = "xyz".index(sample.slices.axis), self.recipe.input_shape[:2]
            shape = Plane(axis).turned_back((*plane, shape[axis]))
        return make_sampler(sample, shape, overlap=self.study.evaluate.overlap)

    def answers(self, cases: Sequence[FeedCase], progress: Callable[[int], None] | None = None) -> Iterator[Answer]:
        """Yield the answer for each case, in order."""
        for number, case in enumerate(cases):
            yield self.answer(case)
            if progress is not None:
                progress(number + 1)

    def answer(self, case: FeedCase) -> Answer:
        """Return the answer for one case.

        Raises
        ------
        StudyError : the prepared case has not the shape the network takes.
        """
        sampler = self.sampler(case)
        if self.study.task == "segment":
            return Answer(case.id, probabilities=self._stitch(case, sampler))
        said: dict[str, list[Said]] = {}
        targets: dict[str, Any] = {}
        for position, one in self._say(case, sampler):
            said.setdefault(position.unit, []).append(one)
            targets[position.unit] = position.target
        return Answer(case.id, {unit: self._join(several) for unit, several in said.items()}, targets)

    def course(self, case: FeedCase, stride: int = 1) -> Answer:
        """Return the answer over time: one window every ``stride`` volumes, and what they say together."""
        sampler = self.sampler(case)
        assert isinstance(sampler, WindowSampler)
        seconds = case.repetition_time or 1.0
        points, together = [], []
        places = sampler.track(case, stride)
        for start in range(0, len(places), self._batch):
            group = places[start : start + self._batch]
            images = np.stack([as_input(sampler.finish(sampler.read(case, p)[0]), self.recipe.kind) for p in group])
            for position, said in zip(group, self._decode(images), strict=True):
                middle = (position.frames[0] + position.frames[-1] + 1) / 2 * seconds
                points.append((middle, said[0]))
                together.append(said)
        return Answer(case.id, {case.id: self._join(together)}, {case.id: case.target}, course=tuple(points))

    @property
    def _batch(self) -> int:
        return self.study.train.batch or 1

    def _join(self, several: Sequence[Said]) -> Probabilities:
        """Return what the windows (slices, events' windows) of one unit say together, as the study wants it."""
        answers = np.stack([answer for answer, _ in several])
        scores = [score for _, score in several]
        return join_windows(answers, self.study.evaluate.windows, np.stack(scores) if self.poolings else None)  # type: ignore[arg-type]

    def _say(self, case: FeedCase, sampler: Sampler) -> Iterator[tuple[Position, Said]]:
        """Yield every position of the case with its decoded answer and, with learned weights, each model's score."""
        batches = Batches([case], sampler, batch=self._batch, kind=self.recipe.kind, task=self.study.task, workers=1)
        for batch in batches.cover():
            for (_, position), said in zip(batch.positions, self._decode(batch.image), strict=True):
                yield position, said

    @cached_property
    def _describers(self) -> list[Any]:
        return [describer(model) for model in self.models] if self.poolings else []

    def _decode(self, images: NDArray[np.float32]) -> list[Said]:
        """Return for each sample its answer (k,) or (..., k), averaged over the models, and its scores (models,).

        A regression's value is (1,). Without learned weights the scores are None.
        """
        answers, scores = [], []
        for place, (model, task) in enumerate(zip(self.models, self.tasks, strict=True)):
            if self.poolings:
                features, logits = self._describers[place](images, self._batch)
                scores.append(self.poolings[place].scores(features))
                said = task.decode(logits)
            else:
                said = self._seen_from_both_sides(model, task, images)
            answers.append(said[:, None] if task.name == "regress" else said)
        mean = np.stack(answers).mean(axis=0, dtype=np.float32)
        return list(zip(mean, np.stack(scores, axis=1) if scores else [None] * len(mean), strict=True))

    def _seen_from_both_sides(self, model: Any, task: LearningTask, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the decoded answers to samples, averaged with those to their mirror images turned back."""
        said = task.decode(predict_full(model, images, self._batch))
        for name in self.mirror:
            axis = 1 + "xyz".index(name)
            other = task.decode(predict_full(model, np.ascontiguousarray(np.flip(images, axis)), self._batch))
            said = said + (np.flip(other, axis) if other.ndim == images.ndim else other)
        return said / np.float32(1 + len(self.mirror))

    def _stitch(self, case: FeedCase, sampler: Sampler) -> Probabilities:
        """Return (x, y, z, outputs): overlapping patches weighted by a Gaussian of their centre's distance.

        What is large lies on a scratch file, so that a scan of any size needs the memory of a few patches.
        """
        shape = case.image.shape[1:4]
        total, weights = room((*shape, self.task.head.outputs), np.float32), room(shape, np.float32)
        total.fill(0.0)
        weights.fill(0.0)
        importances: dict[tuple[int, ...], NDArray[np.float32]] = {}
        for position, (said, _) in self._say(case, sampler):
            patch = said if said.ndim == 4 else said[:, :, None]
            if sampler.plane is not None:
                patch = sampler.plane.to_scan(patch)
            if patch.shape[:3] not in importances:
                importances[patch.shape[:3]] = gaussian_importance(patch.shape[:3])
            importance = importances[patch.shape[:3]]
            inside, taken = _overlap(position.start, patch.shape[:3], shape)
            total[inside] += patch[taken] * importance[taken][..., None]
            weights[inside] += importance[taken]
        total /= weights[..., None]
        return total


def gaussian_importance(shape: Sequence[int], share: float = 1 / 8) -> NDArray[np.float32]:
    """Return the weight of each voxel of a patch: a Gaussian about its centre with sigma = ``share`` of each side.

    Weights never fall below a thousandth of the largest, so that every voxel has a say where patches do not overlap.

    >>> float(gaussian_importance((5, 5, 1)).max())
    1.0
    """
    weight = np.ones(shape, dtype=np.float64)
    for axis, length in enumerate(shape):
        distance = np.arange(length) - (length - 1) / 2
        profile = np.exp(-0.5 * (distance / max(length * share, 1e-6)) ** 2) if length > 1 else np.ones(1)
        weight = weight * profile.reshape([-1 if a == axis else 1 for a in range(len(shape))])
    return np.maximum(weight / weight.max(), 1e-3).astype(np.float32)


def _overlap(
    start: Sequence[int], size: Sequence[int], shape: Sequence[int]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return where a box lies in the array, and which part of the box that is."""
    low = [max(s, 0) for s in start]
    high = [min(s + n, limit) for s, n, limit in zip(start, size, shape, strict=True)]
    inside = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    taken = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start, strict=True))
    return inside, taken
