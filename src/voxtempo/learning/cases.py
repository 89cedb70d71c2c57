"""Prepared cases with their truth as numbers: what the feed is given for training and for judging."""

from __future__ import annotations

import numpy as np

from voxtempo.cohort.case import Case
from voxtempo.errors import CohortError
from voxtempo.feed import FeedCase, FeedEvent, Voxels
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
    )


def event_unit(case_id: str, onset: float) -> str:
    """Return the name of an event's row in the predictions.

    >>> event_unit("run-01", 52.5)
    'run-01@52.5s'
    """
    return f"{case_id}@{onset:g}s"


def _voxels(scan: CachedScan) -> Voxels:
    return Voxels(scan.array, scan.scale, scan.offset)


def _label_indices(case: Case, mask: CachedScan, task: SegmentTask) -> Voxels:
    """Return the label map with values 0 to k in the order of the network's outputs."""
    values = task.values
    if np.array_equal(values, np.arange(len(values))):
        # Already in order: stays on disk. A glance makes sure that nothing unnamed is in it.
        highest = int(mask.array.max())
        if highest < len(values):
            return _voxels(mask)
    found = np.unique(mask.array)
    unknown = sorted(set(found.tolist()) - set(values.tolist()))
    if unknown and not task.others:
        raise CohortError(
            f"{case.id}: the label map {case.mask} holds the values {unknown[:5]}, which 'cohort.target.labels' does not "
            f"name (it names {sorted(task.labels)}). Name them, or say 'others: background' beside 'labels'."
        )
    table = np.zeros(max(int(values.max()), int(found.max())) + 1, dtype=np.uint8 if len(values) < 256 else np.uint16)
    table[values] = np.arange(len(values))
    return Voxels(table[mask.array])
