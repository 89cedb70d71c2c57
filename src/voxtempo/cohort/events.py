"""Events of a series: what happened when, from a BIDS-style table (onset, duration, a column with the label)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from voxtempo.cohort.case import Event
from voxtempo.cohort.problem import few
from voxtempo.cohort.table import is_missing, read_table
from voxtempo.errors import CohortError


def read_events(path: Path, column: str) -> tuple[Event, ...]:
    """Return the events of one series, sorted by onset.

    Parameters
    ----------
    path : TSV or CSV with ``onset`` and ``duration`` in seconds from the first volume.
    column : the column with each event's label. Rows without a label (n/a) are left out.

    Raises
    ------
    CohortError : a column is missing, an onset is not a number, a duration is negative or not a number. A duration of
        n/a counts as 0 (an impulse), as BIDS says.
    """
    table = read_table(path)
    for name, key in (("onset", "onset"), ("duration", "duration"), (column, "cohort.target.column")):
        table.require(name, key)
    events: list[Event] = []
    faults: list[str] = []
    for row in table.rows:
        label = row.values[column]
        if is_missing(label):
            continue
        onset = _seconds(row.values["onset"], math.nan)
        duration = _seconds(row.values["duration"], 0.0)
        if not math.isfinite(onset):
            faults.append(f"line {row.line}: onset '{row.values['onset']}'")
        elif not (math.isfinite(duration) and duration >= 0):
            faults.append(f"line {row.line}: duration '{row.values['duration']}'")
        else:
            events.append(Event(onset, duration, label))
    if faults:
        raise CohortError(f"{path}: onset and duration are numbers of seconds; found {few(faults)}.")
    return tuple(sorted(events, key=lambda event: (event.onset, event.duration, event.label)))


def _seconds(text: str, missing: float) -> float:
    if is_missing(text):
        return missing
    try:
        return float(text)
    except ValueError:
        return math.nan


def outside(events: Sequence[Event], duration: float) -> tuple[Event, ...]:
    """Return the events that start before the first volume or at or after ``duration`` seconds, the end of the scan.

    >>> [e.label for e in outside([Event(-1.0, 2.0, "a"), Event(3.0, 2.0, "b"), Event(10.0, 0.0, "c")], 10.0)]
    ['a', 'c']
    """
    return tuple(event for event in events if event.onset < 0 or event.onset >= duration)
