"""Networks over whole cases: patches are stitched, slices stacked, windows averaged, folds of an ensemble averaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxtempo.assess.uncertainty import entropy
from voxtempo.cohort.sections.evaluate import Evaluate
from voxtempo.cohort.study import Study
from voxtempo.feed import Batches, FeedCase, Plane, Position, Sampler, WindowSampler, make_sampler
from voxtempo.feed.batches import as_input
from voxtempo.inference.answer import Answer
from voxtempo.inference.calibration import Calibration
from voxtempo.inference.certainty import map_certainty, unit_certainty
from voxtempo.inference.lens import Lens
from voxtempo.inference.network import Look, Network
from voxtempo.inference.postprocess import Operation, thresholds_of
from voxtempo.inference.stitching import stitch
from voxtempo.inference.windows import join_windows
from voxtempo.learning.tasks import LearningTask, SegmentTask
from voxtempo.metrics import RULERS
from voxtempo.scans.room import room

Probabilities = NDArray[np.float32]
Read = Callable[[FeedCase], Iterator[tuple[Sequence[Position], NDArray[np.float32]]]]


class Predictor:
    """One network, or several whose answers are averaged, with all that is needed to show them whole cases.

    Parameters
    ----------
    networks : of one study: they share shape and classes. Those of one fold stand side by side, and what they say together goes
        through their calibration before the folds are averaged.
    study : complete.
    operations : what is done to label maps on their way to the native grid (segment).
    mirror : axes ("x", "y", "z") of a sample along which its mirror image is asked too; the answers are averaged.
    """

    def __init__(
        self,
        networks: Sequence[Network],
        study: Study,
        operations: Sequence[Operation] = (),
        mirror: Sequence[str] = (),
    ) -> None:
        self.networks = tuple(networks)
        self.study = study
        self.operations = tuple(operations)
        self.mirror = tuple(mirror)
        self.recipe = self.networks[0].recipe
        self.tasks: tuple[LearningTask, ...] = tuple(network.task for network in self.networks)

    @property
    def task(self) -> LearningTask:
        """The task (classes and labels are the same for all networks)."""
        return self.tasks[0]

    @property
    def calibrations(self) -> tuple[Calibration, ...]:
        """The calibration of each network; none where the run is not calibrated."""
        return tuple(network.calibration for network in self.networks if network.calibration is not None)

    def with_operations(self, operations: Sequence[Operation]) -> Predictor:
        """Return the same network(s) with these operations on label maps."""
        return Predictor(self.networks, self.study, operations, self.mirror)

    def with_mirror(self, axes: Sequence[str]) -> Predictor:
        """Return the same network(s), asked about mirror images along these axes too."""
        return Predictor(self.networks, self.study, self.operations, axes)

    def judged_as(self, evaluate: Evaluate) -> Predictor:
        """Return the same network(s), whose label maps are compared with truths by these tolerances."""
        rules = {name: getattr(evaluate, name) for name in RULERS}
        own = self.study.model_copy(update={"evaluate": self.study.evaluate.model_copy(update=rules)})
        return Predictor(self.networks, own, self.operations, self.mirror)

    def with_lenses(self, lenses: Sequence[Lens]) -> Predictor:
        """Return the same network(s), each looking through its lens (or, without any, at prepared cases as they are)."""
        return self._each("lens", lenses)

    def with_calibrations(self, calibrations: Sequence[Calibration]) -> Predictor:
        """Return the same network(s), each calibrated by its map (or, without any, not at all)."""
        return self._each("calibration", calibrations)

    def only(self, first: int, count: int = 1) -> Predictor:
        """Return a predictor of some of the networks, ``count`` of them from the one at place ``first`` on."""
        return Predictor(self.networks[first : first + count], self.study, self.operations, self.mirror)

    def _each(self, name: str, values: Sequence[Any]) -> Predictor:
        pairs = zip(self.networks, values or [None] * len(self.networks), strict=True)
        networks = [replace(network, **{name: value}) for network, value in pairs]
        return Predictor(networks, self.study, self.operations, self.mirror)

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
        CohortError : the case cannot be harmonised.
        """
        sampler = self.sampler(case)
        if isinstance(self.task, SegmentTask):
            return self._map(case, sampler, self.task)
        positions, said, scores = self._listen(case, lambda seen: self._cover(seen, sampler))
        places: dict[str, list[int]] = {}
        for place, position in enumerate(positions):
            places.setdefault(position.unit, []).append(place)
        return self._told(
            case.id,
            {unit: self._join(said[several], scores[several]) for unit, several in places.items()},
            {position.unit: position.target for position in positions},
        )

    def course(self, case: FeedCase, stride: int = 1) -> Answer:
        """Return the answer over time: one window every ``stride`` volumes, and what they say together.

        Single windows are not calibrated: the map was fitted on what the windows of a series say together.
        """
        sampler = self.sampler(case)
        assert isinstance(sampler, WindowSampler)
        tracked = sampler.track(case, stride)

        def read(seen: FeedCase) -> Iterator[tuple[Sequence[Position], NDArray[np.float32]]]:
            for start in range(0, len(tracked), self._batch):
                group = tracked[start : start + self._batch]
                yield (
                    group,
                    np.stack([as_input(sampler.finish(sampler.read(seen, p)[0]), self.recipe.kind) for p in group]),
                )

        positions, said, scores = self._listen(case, read)
        seconds = case.repetition_time or self.recipe.repetition_time or 1.0
        middles = [(position.frames[0] + position.frames[-1] + 1) / 2 * seconds for position in positions]
        points = tuple(zip(middles, said.mean(axis=(1, 2), dtype=np.float32), strict=True))
        return self._told(case.id, {case.id: self._join(said, scores)}, {case.id: case.target}, points)

    def together(self, said: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the one answer (k,) that several make: the mean of the folds' calibrated means.

        Parameters
        ----------
        said : (networks, looks, k), as an ``Answer`` keeps them.
        """
        mean = said.mean(axis=1, dtype=np.float64)
        if not self.calibrations:
            return np.asarray(mean.mean(axis=0), np.float32)
        total = np.zeros(said.shape[-1])
        for calibration, places in self._alike("calibration"):
            total += len(places) * calibration.apply(mean[places].mean(axis=0))
        return np.asarray(total / len(mean), np.float32)

    def _told(
        self, case_id: str, said: dict[str, NDArray[np.float32]], targets: dict[str, Any], course: Any = ()
    ) -> Answer:
        units = {unit: self.together(each) for unit, each in said.items()}
        certainty = {unit: unit_certainty(self.task, units[unit], each) for unit, each in said.items()}
        return Answer(case_id, units, targets, course=course, said=said, certainty=certainty)

    @property
    def looks(self) -> tuple[Look, ...]:
        """In how many ways each network is asked about each sample."""
        samples: Sequence[int | None] = range(self.study.evaluate.samples) or [None]
        return tuple(Look(axis, sample) for sample, axis in product(samples, (None, *self.mirror)))

    @property
    def _batch(self) -> int:
        return self.study.train.batch or 1

    def _seen(self, case: FeedCase) -> Iterator[tuple[int, FeedCase]]:
        """Yield the place of each network with the case as that network sees it."""
        for lens, places in self._alike("lens"):
            seen = case if lens is None else lens(case)
            yield from ((place, seen) for place in places)

    def _alike(self, name: str) -> Iterator[tuple[Any, list[int]]]:
        """Yield what neighbouring networks share, and their places."""
        owned = [getattr(network, name) for network in self.networks]
        for _, places in groupby(range(len(owned)), lambda place: id(owned[place])):
            several = list(places)
            yield owned[several[0]], several

    def _cover(self, case: FeedCase, sampler: Sampler) -> Iterator[tuple[Sequence[Position], NDArray[np.float32]]]:
        """Yield the positions that cover a case, a batch at a time, with their samples."""
        batches = Batches([case], sampler, batch=self._batch, kind=self.recipe.kind, task=self.study.task, workers=1)
        for batch in batches.cover():
            yield [position for _, position in batch.positions], batch.image

    def _listen(self, case: FeedCase, read: Read) -> tuple[list[Position], NDArray[np.float32], NDArray[np.float64]]:
        """Return the positions of a case, what is said of each (n, networks, looks, k), and its scores (n, networks, looks).

        A regression's value is (1,). Scores are those of learned weights, else 0.
        """
        positions: list[Position] = []
        said, scores = [], []
        for place, seen in self._seen(case):
            positions = []
            answers, weights = [], []
            for number, (group, images) in enumerate(read(seen)):
                heard = [self.networks[place].ask(images, self._batch, look, number) for look in self.looks]
                answers.append(np.stack([each for each, _ in heard], axis=1))
                weights.append(np.stack([score for _, score in heard], axis=1))
                positions += group
            said.append(np.concatenate(answers))
            scores.append(np.concatenate(weights))
        return positions, np.stack(said, axis=1), np.stack(scores, axis=1)

    def _join(self, said: NDArray[np.float32], scores: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return what the windows (slices, events' windows) of one unit say together, (networks, looks, k).

        Each network joins its own, and each look by itself.
        """
        how, weighed = self.study.evaluate.windows, self.networks[0].pooling is not None
        joined = np.empty(said.shape[1:], np.float32)
        for place in np.ndindex(*joined.shape[:2]):
            joined[place] = join_windows(said[:, *place], how, scores[:, *place][:, None] if weighed else None)
        return joined

    def _map(self, case: FeedCase, sampler: Sampler, task: SegmentTask) -> Answer:
        """Return the mean of all probability maps, stitched one after another, and how far they are apart."""
        count = len(self.networks) * len(self.looks)
        maps: list[NDArray[Any]] = []
        expected: NDArray[np.float32] | None = None
        if count == 1:
            mean = self._stitch(next(self._seen(case))[1], sampler, 0, self.looks[0])
        else:
            shape = case.image.shape[1:4]
            mean, expected = room((*shape, task.head.outputs), np.float32), room(shape, np.float32)
            mean.fill(0.0)
            expected.fill(0.0)
            for place, seen in self._seen(case):
                for look in self.looks:
                    one = self._stitch(seen, sampler, place, look)
                    mean += one
                    for row in range(shape[0]):
                        expected[row] += entropy(one[row], independent=bool(task.regions))
                    maps.append(task.judged(one, thresholds_of(self.operations, task)))
            mean /= count
            expected /= count
        predicted = task.judged(mean, thresholds_of(self.operations, task))
        certainty = {case.id: map_certainty(task, mean, predicted, expected, maps)}
        return Answer(case.id, probabilities=mean, certainty=certainty, expected_entropy=expected)

    def _stitch(self, case: FeedCase, sampler: Sampler, place: int, look: Look) -> Probabilities:
        """Return (x, y, z, outputs): what a network says of the whole case in one way of asking it."""

        def pieces() -> Iterator[tuple[Sequence[int], Probabilities]]:
            for number, (positions, images) in enumerate(self._cover(case, sampler)):
                heard = self.networks[place].ask(images, self._batch, look, number)[0]
                for position, said in zip(positions, heard, strict=True):
                    patch = said if said.ndim == 4 else said[:, :, None]
                    yield position.start, patch if sampler.plane is None else sampler.plane.to_scan(patch)

        return stitch(pieces(), (*case.image.shape[1:4], self.task.head.outputs))
