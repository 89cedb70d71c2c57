"""Batches made ahead of time by threads, in an order that depends on the seed alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxtempo.augment import Stack
from voxtempo.cohort.views import View
from voxtempo.feed.sampler import Position, Sampler
from voxtempo.feed.samplers import PatchSampler
from voxtempo.feed.source import FeedCase


@dataclass(frozen=True)
class Batch:
    """Samples side by side.

    ``image`` is (b, x, y, c), (b, x, y, z, c) or (b, t, x, y, z, c), by the network's input; ``target`` is int32 (b,) for
    classes, float32 (b, 1) for numbers, int32 (b, x, y[, z]) for label maps, None without truth; ``positions`` says
    where each sample came from.
    """

    image: NDArray[np.float32]
    target: NDArray[Any] | None
    positions: tuple[tuple[int, Position], ...]


def as_input(image: NDArray[np.float32], kind: str) -> NDArray[np.float32]:
    """Return a sample (t, x, y, z, c) in the axes of a network whose input is "slice", "volume" or "series"."""
    if kind == "series":
        return image
    if kind == "volume":
        return image[0]
    return image[0, :, :, 0]


def _placed(
    batch: NDArray[Any] | None, sample: NDArray[Any], number: int, count: int, dtype: Any = np.float32
) -> NDArray[Any]:
    """Return the batch of ``count`` samples, made for the first of them, with this one in its place."""
    if batch is None:
        batch = np.empty((count, *sample.shape), dtype)
    batch[number] = sample
    return batch


class Batches:
    """The samples of some cases, batched.

    Parameters
    ----------
    cases : the cases, in a fixed order.
    sampler : what a sample is.
    batch : samples in a batch; every batch is full (the last one is filled up from the start of the pass).
    kind : the network's input: "slice", "volume" or "series".
    task : "classify", "regress" or "segment", which decides what the target is.
    augment : random changes, or None.
    spare : frames that random changes find before and after those of a training sample, and that are cut off afterwards:
        what is shifted or stretched in time shows what truly came before and after.
    seed : the only source of randomness.
    workers : threads that make batches ahead.
    view : the side of a fold that the cases are of. Without it they can be predicted, and nothing can be fitted on them.

    Raises
    ------
    LeakageError : a case is not of the view.
    """

    def __init__(
        self,
        cases: Sequence[FeedCase],
        sampler: Sampler,
        *,
        batch: int,
        kind: str,
        task: str,
        augment: Stack | None = None,
        spare: int = 0,
        seed: int = 0,
        workers: int = 2,
        view: View | None = None,
    ) -> None:
        if view is not None:
            view.refuse_others(case.id for case in cases)
        self.view = view
        self.cases = tuple(cases)
        self.sampler = sampler
        self.batch = batch
        self.kind = kind
        self.task = task
        self.augment = augment
        self.spare = spare
        self.seed = seed
        self.workers = workers
        self._orders: dict[tuple[int, int], NDArray[np.int64]] = {}
        self._items = [(i, k) for i, case in enumerate(self.cases) for k in range(sampler.per_pass(case))]

    @property
    def samples(self) -> int:
        """Number of samples in one training pass."""
        return len(self._items)

    @property
    def targets(self) -> list[float | int | None]:
        """The truth of every sample of one training pass, case by case."""
        found: list[float | int | None] = []
        for case in self.cases:
            count = self.sampler.per_pass(case)
            found += [p.target for p in self.sampler.cover(case)] if case.events else [case.target] * count
        return found

    @property
    def steps(self) -> int:
        """Number of batches in one training pass."""
        return -(-len(self._items) // self.batch)

    def epoch(self, epoch: int, start: int = 0, steps: int | None = None) -> Iterator[Batch]:
        """Yield the batches of one training epoch, from batch ``start`` on.

        With more ``steps`` than a pass has, the epoch goes on into further passes.
        """
        total = self.steps if steps is None else steps
        yield from self._ahead(total, start, lambda step: self._training_batch(epoch, step))

    def cover(self) -> Iterator[Batch]:
        """Yield every fixed position of every case once, in order, unaugmented; the last batch may be smaller."""
        places = [(i, p) for i, case in enumerate(self.cases) for p in self.sampler.cover(case)]
        groups = [places[i : i + self.batch] for i in range(0, len(places), self.batch)]
        yield from self._ahead(len(groups), 0, lambda step: self._make(groups[step], None))

    def _training_batch(self, epoch: int, step: int) -> Batch:
        places, generators = [], []
        for index in range(step * self.batch, (step + 1) * self.batch):
            turn, within = divmod(index, len(self._items))
            case_index, k = self._items[self._order(epoch, turn)[within]]
            rng = np.random.default_rng([self.seed, epoch, turn, within])
            places.append((case_index, self.sampler.draw(self.cases[case_index], k, rng)))
            generators.append(rng)
        return self._make(places, generators)

    def _order(self, epoch: int, turn: int) -> NDArray[np.int64]:
        """Return the shuffled order of one pass (the last two are remembered)."""
        key = (epoch, turn)
        order = self._orders.get(key)
        if order is None:
            order = np.random.default_rng([self.seed, epoch, turn]).permutation(len(self._items))
            self._orders = {**dict(list(self._orders.items())[-1:]), key: order}
        return order

    def _make(self, places: Sequence[tuple[int, Position]], generators: list[np.random.Generator] | None) -> Batch:
        # Samples are copied one by one into the batch, so that each is made in the memory of the one before.
        images: NDArray[np.float32] | None = None
        labels: NDArray[np.int32] | None = None
        labelled = 0
        for number, (case_index, position) in enumerate(places):
            case = self.cases[case_index]
            image, label = self._sample(case, position, None if generators is None else generators[number])
            images = _placed(images, as_input(self.sampler.finish(image), self.kind), number, len(places))
            if label is not None and self.task == "segment":
                label = label[:, :, 0] if self.kind == "slice" else label
                labels = _placed(labels, label, number, len(places), np.int32)
                labelled += 1
        assert images is not None
        target: NDArray[Any] | None = None
        if self.task == "segment":
            target = labels if labelled == len(places) else None
        elif all(position.target is not None for _, position in places):
            values = [position.target for _, position in places]
            target = (
                np.asarray(values, dtype=np.int32)
                if self.task == "classify"
                else np.asarray(values, dtype=np.float32)[:, None]
            )
        return Batch(images, target, tuple(places))

    def _sample(
        self, case: FeedCase, position: Position, rng: np.random.Generator | None
    ) -> tuple[NDArray[np.float32], NDArray[np.integer[Any]] | None]:
        if self.augment is None or rng is None:
            return self.sampler.read(case, position)
        size, spacing = self.sampler.turned(position.size), self.sampler.turned(case.spacing)
        if not isinstance(self.sampler, PatchSampler):
            image, label = self.sampler.read(case, position, spare=self.spare)
            params = self.augment.draw(rng, image.shape[1:4], spacing)
            return self.augment.apply(image, label, params, self.spare)
        # A patch is read with a margin, so that what rotates into it is anatomy and not emptiness. There is none across a
        # slice, since nothing moves along an axis of one voxel.
        reach = self.augment.reach(size, spacing)
        margin = [-(-(far - near) // 2) for far, near in zip(reach, size, strict=True)]
        image, label = self.sampler.read(case, position, (margin[0], margin[1], margin[2]))
        params = self.augment.draw(rng, image.shape[1:4], spacing, size)
        return self.augment.apply(image, label, params)

    def _ahead(self, total: int, start: int, make: Any) -> Iterator[Batch]:
        """Yield ``make(step)`` for each step in order, a few steps ahead of the reader."""
        if self.workers < 1:
            yield from (make(step) for step in range(start, total))
            return
        with ThreadPoolExecutor(self.workers, thread_name_prefix="feed") as pool:
            waiting: deque[Future[Batch]] = deque()
            upcoming = iter(range(start, total))
            try:
                for step in upcoming:
                    waiting.append(pool.submit(make, step))
                    if len(waiting) > 2 * self.workers:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()
