"""Prepared cases with their truth as numbers: what the feed is given for training and for judging."""

from __future__ import annotations

from collections.abc import Container

import numpy as np

from voxtempo.cohort.case import Case
from voxtempo.errors import CohortError
from voxtempo.feed import FeedCase, FeedEvent, LabelMap, Voxels
from voxtempo.learning.losses.labels import IGNORED
from voxtempo.learning.tasks import LearningTask, SegmentTask
from voxtempo.prepare import PreparedCase
from voxtempo.scans import CachedScan


def feed_case(case: Case, prepared: PreparedCase, task: LearningTask) -> FeedCase:
    """Return a case as the feed wants it.

    Raises
    ------
    CohortError : the label map holds values that the study does not name.
    """
    image = prepared.image
    return FeedCase(
        id=case.id,
        image=_voxels(image),
        spacing=image.geometry.spacing,
        mask=None
        if prepared.mask is None or not isinstance(task, SegmentTask)
        else _label_indices(case, prepared.mask, task),
        target=task.encode(case.target),
        events=tuple(
            FeedEvent(event_unit(case.id, event.onset), event.onset, task.encode(event.label), event.duration)  # type: ignore[arg-type]
            for event in case.events
        ),
        repetition_time=image.repetition_time or case.repetition_time,
        row=case.row,
        site=case.site,
    )


def event_unit(case_id: str, onset: float) -> str:
    """Return the name of an event's row in the predictions.

    >>> event_unit("run-01", 52.5)
    'run-01@52.5s'
    """
    return f"{case_id}@{onset:g}s"


def case_of(unit: str, known: Container[str]) -> str:
    """Return the id of the case that a row of the predictions is about: of an event's row, what stands before its onset.

    >>> case_of("run-01@52.5s", {"run-01"}), case_of("left@rest", {"left@rest"})
    ('run-01', 'left@rest')
    """
    return unit if unit in known else unit.rpartition("@")[0] or unit


def _voxels(scan: CachedScan) -> Voxels:
    return Voxels(scan.array, scan.scale, scan.offset)


def _label_indices(case: Case, mask: CachedScan, task: SegmentTask) -> LabelMap:
    """Return the label map, on disk, whose labels are 0 to k, the places in ``task.values``, and -1 for what is ignored."""
    values = task.values
    in_order = np.array_equal(values, np.arange(len(values)))
    if in_order and int(mask.array.min()) >= 0 and int(mask.array.max()) < len(values):
        return LabelMap(mask.array)
    found = np.unique(mask.array)
    unknown = sorted(set(found.tolist()) - {*values.tolist(), task.ignore})
    if unknown and not task.others:
        raise CohortError(
            f"{case.id}: the label map {case.mask} holds the values {unknown[:5]}, which 'cohort.target.labels' does not "
            f"name (it names {sorted(task.labels)}). Name them, or say 'others: background' beside 'labels'."
        )
    kind = np.int16 if task.ignore is not None else np.uint8 if len(values) < 256 else np.uint16
    lowest = min(0, int(found.min()))
    table = np.zeros(max(int(values.max()), int(found.max()), task.ignore or 0) + 1 - lowest, dtype=kind)
    table[values - lowest] = np.arange(len(values))
    if task.ignore is not None:
        table[task.ignore - lowest] = IGNORED
    return LabelMap(mask.array, table, lowest)
