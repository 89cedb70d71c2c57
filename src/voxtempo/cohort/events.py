"""Events of a series: what happened when, from a BIDS-style table (onset, duration, a column with the label)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from voxtempo.cohort.case import Event
from voxtempo.cohort.problem import few
from voxtempo.cohort.table import is_missing, read_table
from voxtempo.errors import CohortError

SHORTEST_REST = 1e-3  # seconds; less between two events is a rounding error


def read_events(path: Path, column: str, rest: str | None = None, end: float | None = None) -> tuple[Event, ...]:
    """Return the events of one series, sorted by onset.

    Parameters
    ----------
    path : TSV or CSV with ``onset`` and ``duration`` in seconds from the first volume.
    column : the column with each event's label. Rows without a label (n/a) are left out.
    rest : label of further events: the stretches of time of which no row of the table says anything.
    end : of the series in seconds, for the last of those stretches (None: unknown, it has none).

    Raises
    ------
    CohortError : a column is missing, an onset is not a number, a duration is negative or not a number. A duration of
        n/a counts as 0 (an impulse), as BIDS says.
    """
    table = read_table(path)
    for name, key in (("onset", "onset"), ("duration", "duration"), (column, "cohort.target.column")):
        table.require(name, key)
    events: list[Event] = []
    unlabelled: list[Event] = []
    faults: list[str] = []
    for row in table.rows:
        label = row.values[column]
        if is_missing(label) and rest is None:
            continue
        onset = _seconds(row.values["onset"], math.nan)
        duration = _seconds(row.values["duration"], 0.0)
        if not math.isfinite(onset):
            faults.append(f"line {row.line}: onset '{row.values['onset']}'")
        elif not (math.isfinite(duration) and duration >= 0):
            faults.append(f"line {row.line}: duration '{row.values['duration']}'")
        else:
            (unlabelled if is_missing(label) else events).append(Event(onset, duration, label))
    if faults:
        raise CohortError(f"{path}: onset and duration are numbers of seconds; found {few(faults)}.")
    if rest is not None:
        events += gaps([*events, *unlabelled], rest, end)
    return tuple(sorted(events, key=lambda event: (event.onset, event.duration, event.label)))


def gaps(events: Sequence[Event], label: str, end: float | None) -> list[Event]:
    """Return the stretches between the events, from 0 to ``end`` seconds (None: to the last event), as events.

    >>> [(g.onset, g.duration) for g in gaps([Event(4.0, 2.0, "a"), Event(5.0, 3.0, "b"), Event(30.0, 1.0, "a")], "rest", 20.0)]
    [(0.0, 4.0), (8.0, 12.0)]
    """
    found: list[Event] = []
    until, last = 0.0, math.inf if end is None else end
    spans = sorted((event.onset, event.onset + event.duration) for event in events)
    for onset, stop in spans if end is None else [*spans, (end, end)]:
        length = min(onset, last) - until
        if length > SHORTEST_REST:
            found.append(Event(until, length, label))
        until = max(until, stop)
    return found


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
