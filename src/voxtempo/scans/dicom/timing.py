"""The order of volumes in time, and the seconds between them.

DICOM has no field that always means "time between volumes". RepetitionTime is it for EPI, but in 3D and cine imaging it
is the time between excitations. Where frames say when they were taken, that decides, and RepetitionTime, which is the
more exact number, is used if it agrees.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from voxtempo.errors import ScanError
from voxtempo.scans.dicom.frame import Frame

Order = Callable[[Frame], float | None]
ORDERS: tuple[Order, ...] = (
    lambda frame: frame.temporal_position,
    lambda frame: frame.acquired,
    lambda frame: frame.trigger_time,
    lambda frame: frame.instance,
)
AGREEMENT = 0.05
REGULARITY = 0.1
SHORTEST = 0.1
"""Seconds below which a stated repetition time is no time between volumes."""
DAY = 86_400.0


def in_time(places: Sequence[Sequence[Frame]], where: str) -> list[list[Frame]]:
    """Return the frames of every place (one slice and contrast) in order of time.

    The first of temporal position, acquisition time, trigger time and instance number that distinguishes all frames of
    every place gives the order.

    Raises
    ------
    ScanError : nothing distinguishes them, so the same slice is there twice.
    """
    places = past_midnight(places)
    for order in ORDERS:
        keys = [[order(frame) for frame in frames] for frames in places]
        if all(None not in row and len(set(row)) == len(row) for row in keys):
            return [sorted(frames, key=order) for frames in places]  # type: ignore[arg-type]
    first = places[0]
    raise ScanError(
        f"{where}: {len(first)} images show the same slice and nothing tells their order in time, "
        f"such as {first[0].file.name} and {first[-1].file.name}"
    )


def repetition_time(volumes: Sequence[Frame]) -> float | None:
    """Return the seconds between volumes, given one slice's frames in order of time.

    None if unknown, of one volume, or where the moments show that volumes are missing in between.
    """
    if len(volumes) < 2:
        return None
    stated = volumes[0].repetition_time
    for moments, step in (
        ([frame.acquired for frame in volumes], volumes[0].clock_step),
        ([frame.trigger_time for frame in volumes], 1e-3),
    ):
        measured = _regular_step(moments, step)
        if measured is None:
            if _pauses(moments, step):
                return None
            continue
        if stated is not None and abs(measured - stated) <= AGREEMENT * stated + step / (len(volumes) - 1):
            return stated
        return measured
    # Nothing was measured: a time below a tenth of a second is that of an excitation, not of a volume.
    excitation = stated is not None and stated < SHORTEST
    return volumes[0].temporal_resolution or (None if excitation else stated)


def past_midnight(places: Sequence[Sequence[Frame]]) -> list[list[Frame]]:
    """Return the frames with a day added to what was acquired after midnight, where dates were removed and times were not."""
    moments = sorted({frame.acquired for frames in places for frame in frames if frame.acquired is not None})
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    if not gaps or moments[-1] >= DAY or max(gaps) < DAY / 2:
        return [list(frames) for frames in places]
    evening = moments[int(np.argmax(gaps)) + 1]
    return [
        [
            replace(frame, acquired=frame.acquired + DAY)
            if frame.acquired is not None and frame.acquired < evening
            else frame
            for frame in frames
        ]
        for frames in places
    ]


def _pauses(moments: Sequence[float | None], clock_step: float) -> bool:
    """Return whether volumes follow each other evenly but for gaps of whole steps, where some are missing."""
    steps = _steps(moments)
    if steps is None or steps.size < 3:
        return False
    usual = float(np.median(steps))
    if usual <= clock_step:
        return False
    whole = np.round(steps / usual)
    return bool(
        whole.max() > 1 and whole.min() == 1 and np.abs(steps - whole * usual).max() <= REGULARITY * usual + clock_step
    )


def _steps(moments: Sequence[float | None]) -> NDArray[np.float64] | None:
    """Return the distances from each moment to the next; None if one is unknown."""
    known = [moment for moment in moments if moment is not None]
    return np.diff(np.array(known, np.float64)) if len(known) == len(moments) else None


def _regular_step(moments: Sequence[float | None], clock_step: float) -> float | None:
    """Return the mean distance of moments that are evenly spaced as far as their clock can tell, else None."""
    steps = _steps(moments)
    if steps is None:
        return None
    mean = float(steps.mean())
    if mean <= 0 or np.abs(steps - mean).max() > REGULARITY * mean + clock_step:
        return None
    return round(mean, 6)
