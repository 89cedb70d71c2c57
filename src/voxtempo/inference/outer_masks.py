"""Outer masks: a label's voxels above a threshold so low that little of the true structure is missed.

The thresholds are made on validation subjects who have the structure (``assess.conformal.threshold_for_misses``), on the
native grid, where the masks are judged and written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from voxtempo.assess.conformal import threshold_for_misses
from voxtempo.cohort import Case, ValidationView, fitted_on
from voxtempo.inference.answer import Answer
from voxtempo.inference.judged import Judged, Row
from voxtempo.inference.native import native_outputs
from voxtempo.inference.promise import Promise
from voxtempo.inference.structures import without_ignored
from voxtempo.learning.tasks import SegmentTask, among
from voxtempo.prepare import PreparedCase
from voxtempo.scans import Geometry, Scan, read_scan

LIMITS = np.concatenate([[0.0], np.geomspace(1e-4, 0.05, 40), np.linspace(0.05, 0.5, 46)[1:]])
"""Thresholds that outer masks are tried with. None is above one half: they are to hold what is predicted."""

Floats = NDArray[np.float64]


@fitted_on(ValidationView, "view")
def promise_masks(view: ValidationView, misses: Misses, task: SegmentTask, coverage: float) -> Promise:
    """Return the promise of outer masks: of each structure the threshold under which little of it is missed.

    Parameters
    ----------
    view : the only cases that it is fitted on.
    misses : of them; a case that failed missed all.
    task : names the structures.
    coverage : wanted mean share of each structure in its outer mask.

    Raises
    ------
    LeakageError : a case is not of the view.
    """
    view.refuse_others(misses.found)
    thresholds = {}
    for name in task.averaged:
        rows, groups = [], []
        for case in view:
            share = misses.found[case.id].get(name) if case.id in misses.found else failed_misses(case, name, task)
            if share is not None:
                rows.append(share)
                groups.append(case.group)
        if rows:
            thresholds[name] = threshold_for_misses(np.array(rows), groups, LIMITS, 1 - coverage)
    return Promise(coverage, thresholds={name: value for name, value in thresholds.items() if math.isfinite(value)})


def failed_misses(case: Case, name: str, task: SegmentTask) -> Floats | None:
    """Return what a failed case missed of a structure under each of ``LIMITS``: all, but under 0; None where it has none."""
    truth = read_scan(case.mask or "", kind="label").volume()
    return np.concatenate([[0.0], np.ones(len(LIMITS) - 1)]) if among(truth, task.structures[name]).any() else None


class Misses:
    """A look at every judged case that keeps which share of each structure lies below each of some probabilities.

    Parameters
    ----------
    task : names the structures.
    prepared : by id.
    """

    def __init__(self, task: SegmentTask, prepared: Mapping[str, PreparedCase]) -> None:
        self.task, self.prepared = task, prepared
        self.found: dict[str, dict[str, Floats]] = {}

    def __call__(self, case: Case, answer: Answer, labels: Scan | None) -> None:
        """Keep the shares (limits,) of the structures that the case has."""
        self.found[case.id] = {}
        for name, chance, truth in _beside_truth(case, answer, self.prepared[case.id], self.task):
            inside = np.sort(chance[truth])
            if inside.size:
                self.found[case.id][name] = (
                    np.searchsorted(inside, LIMITS.astype(np.float32), side="left") / inside.size
                )


class Outer:
    """A look at every judged case that keeps how much of each structure its outer mask missed, and how large it is.

    Parameters
    ----------
    task : names the structures.
    prepared : by id.
    promise : has the thresholds.
    """

    def __init__(self, task: SegmentTask, prepared: Mapping[str, PreparedCase], promise: Promise) -> None:
        self.task, self.prepared, self.promise = task, prepared, promise
        self.found: dict[str, Row] = {}

    def __call__(self, case: Case, answer: Answer, labels: Scan | None) -> None:
        """Keep the columns of the case."""
        native = self.prepared[case.id].native
        row: Row = {}
        for name, chance, truth in _beside_truth(case, answer, self.prepared[case.id], self.task):
            if name in self.promise.thresholds:
                outer = chance >= np.float32(self.promise.thresholds[name])
                row[f"outer_missed_{name}"] = float(np.mean(~outer[truth])) if truth.any() else math.nan
                row[f"outer_volume_{name}"] = float(outer.sum() * native.voxel_volume / 1000)
        self.found[case.id] = row

    def beside(self, judged: Judged) -> Judged:
        """Return judged cases with their columns; a failed case has missed all that it has."""
        return judged.with_rows(row | self.found.get(row["id"], self._lost(row)) for row in judged.rows)

    def _lost(self, row: Row) -> Row:
        missed = {
            f"outer_missed_{name}": 1.0 if row.get(f"true_volume_{name}", math.nan) > 0 else math.nan
            for name in self.promise.thresholds
        }
        return missed | {f"outer_volume_{name}": 0.0 for name in self.promise.thresholds}


def _beside_truth(
    case: Case, answer: Answer, prepared: PreparedCase, task: SegmentTask
) -> Iterator[tuple[str, NDArray[np.float32], NDArray[np.bool_]]]:
    """Yield every structure that is learned, its probability and whether it is there, on the native grid."""
    assert answer.probabilities is not None
    chances = native_outputs(answer.probabilities, prepared.image.geometry, prepared.native, task, case.id)
    truth = read_scan(case.mask or "", kind="label").volume()
    truth = without_ignored(truth, truth, task)[1]
    for name in task.averaged:
        yield name, chances[..., task.outputs.index(name)], among(truth, task.structures[name])


def outer_masks(
    promise: Promise, answer: Answer, prepared: Geometry, native: Geometry, task: SegmentTask
) -> list[Scan]:
    """Return the outer mask of each structure that there is a promise for, on the native grid."""
    assert answer.probabilities is not None
    chances = native_outputs(answer.probabilities, prepared, native, task, answer.case)
    return [
        Scan(
            (chances[..., task.outputs.index(name)] >= np.float32(limit)).astype(np.uint8)[None, ..., None],
            native, kind="label", channels=(name,), source=answer.case,
        )
        for name, limit in promise.thresholds.items()
    ]  # fmt: skip


def looks(*several: Callable[[Case, Answer, Scan | None], None]) -> Callable[[Case, Answer, Scan | None], None]:
    """Return one look that looks several times."""

    def look(case: Case, answer: Answer, labels: Scan | None) -> None:
        for each in several:
            each(case, answer, labels)

    return look
