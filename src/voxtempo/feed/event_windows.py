"""Which event a window of volumes speaks for: the rules ``majority`` and ``pure`` on plain arrays.

A volume belongs to the event during which its middle was acquired, a delay later. A window starts at a volume and takes
every ``dilation``-th from there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from voxtempo.cohort.sections.window import Window

Rule = Literal["majority", "pure"]
Owners = NDArray[np.int64]

NONE = -1
MICROSECONDS = 6
"""Digits to which seconds are compared, so that events which touch do not overlap by a rounding error."""


def nearest_volume(moment: float, seconds: float) -> int:
    """Return the volume nearest to a moment, halfway between two always the earlier one.

    Rounding to even would start every other window a volume later where onsets lie on such halves, so that conditions which
    take turns could be told apart by the phase of their windows.

    >>> [nearest_volume(moment, 2.0) for moment in (5.0, 15.0, 25.0, 5.1)]
    [2, 7, 12, 3]
    """
    return math.ceil(round(moment / seconds, MICROSECONDS) - 0.5)


@dataclass(frozen=True)
class Tile:
    """A window that starts at a volume and speaks for an event (its place in the list of events)."""

    start: int
    event: int


def owners(spans: Sequence[tuple[float, float]], volumes: int, seconds: float, delay: float = 0.0) -> Owners:
    """Return the event of each volume (volumes,): its place in ``spans``, or -1 for none and for several at once.

    Parameters
    ----------
    spans : onset and duration of each event in seconds from the first volume.
    volumes : of the series.
    seconds : the repetition time.
    delay : seconds from an event to its response in the scan.

    >>> owners([(0.0, 4.0), (6.0, 2.0)], volumes=6, seconds=2.0, delay=2.0).tolist()
    [-1, 0, 0, -1, 1, -1]
    """
    middles = np.round((np.arange(volumes) + 0.5) * seconds, MICROSECONDS)
    owner = np.full(volumes, NONE)
    claims = np.zeros(volumes, np.int64)
    for place, (onset, duration) in enumerate(spans):
        begin, end = round(onset + delay, MICROSECONDS), round(onset + delay + duration, MICROSECONDS)
        inside = (middles >= begin) & (middles < end)
        owner[inside] = place
        claims += inside
    owner[claims > 1] = NONE
    return owner


def window_owners(owner: Owners, labels: Sequence[object], length: int, dilation: int, rule: Rule) -> Owners:
    """Return the event that each window speaks for, by its first volume (volumes - span + 1,); -1 for none.

    Parameters
    ----------
    owner : the event of each volume.
    labels : of each event.
    length, dilation : of the window.
    rule : "pure": all volumes belong to one event. "majority": one label has more volumes than any other and than those
        without a label; the window speaks for that label's event with most volumes in it (the first of several).

    >>> owner = np.array([0, 0, -1, 1, 1, 1])
    >>> window_owners(owner, ["a", "b"], 3, 1, "majority").tolist(), window_owners(owner, ["a", "b"], 2, 1, "pure").tolist()
    ([0, -1, 1, 1], [0, -1, -1, 1, 1])
    """
    starts = np.arange(len(owner) - (length - 1) * dilation)
    if not len(starts):
        return starts
    inside = owner[starts[:, None] + dilation * np.arange(length)]
    if rule == "pure":
        return np.where((inside == inside[:, :1]).all(axis=1), inside[:, 0], NONE)
    names = list(dict.fromkeys(labels))
    kinds = np.array([*(names.index(label) for label in labels), len(names)])  # the last one: no event
    counts = np.stack([(kinds[inside] == kind).sum(axis=1) for kind in range(len(names) + 1)], axis=1)
    winner = counts.argmax(axis=1)
    winner[(counts == counts.max(axis=1, keepdims=True)).sum(axis=1) > 1] = len(names)
    found = np.full(len(starts), NONE)
    most = np.zeros(len(starts), np.int64)
    for event in np.unique(owner[owner >= 0]):
        own = (inside == event).sum(axis=1)
        better = (winner == kinds[event]) & (own > most)
        found[better], most[better] = event, own[better]
    return found


def tiles(speaks_for: Owners, rule: Rule, stride: int) -> list[Tile]:
    """Return the windows that show every event, in time's order.

    ``pure`` windows are tiled from the first that lies inside an event to the last; ``majority`` windows over the whole
    series, and an event that none of those speaks for has the middle one of its own.

    >>> [(tile.start, tile.event) for tile in tiles(np.array([0, 0, 0, -1, 1]), "pure", 2)]
    [(0, 0), (2, 0), (4, 1)]
    """
    chosen: list[Tile] = []
    if rule == "majority":
        last = len(speaks_for) - 1
        grid = sorted({*range(0, last + 1, stride), last}) if last >= 0 else []
        chosen = [Tile(start, int(speaks_for[start])) for start in grid if speaks_for[start] != NONE]
    shown = {tile.event for tile in chosen}
    for event in np.unique(speaks_for[speaks_for != NONE]).tolist():
        own = np.flatnonzero(speaks_for == event).tolist()
        if rule == "pure":
            chosen += [Tile(start, event) for start in _spaced(own, stride)]
        elif event not in shown:
            chosen.append(Tile(own[len(own) // 2], event))
    return sorted(chosen, key=lambda tile: (tile.start, tile.event))


def _spaced(starts: Sequence[int], stride: int) -> list[int]:
    """Return the first start, further ones at least ``stride`` apart, and the last."""
    taken = [starts[0]]
    for start in starts[1:]:
        if start - taken[-1] >= stride:
            taken.append(start)
    return taken if taken[-1] == starts[-1] else [*taken, starts[-1]]


def lost_events(
    spans: Sequence[tuple[float, float]], labels: Sequence[object], volumes: int, seconds: float, window: Window
) -> list[int]:
    """Return the places of the events that no window speaks for; without them, every other event has one.

    Parameters
    ----------
    spans, labels : onset and duration (seconds), and the label of each event.
    volumes, seconds : of the series; the latter is the repetition time.
    window : with ``length`` and the rule ``labels``.
    """
    assert window.length is not None
    assert window.labels is not None
    kept = list(range(len(spans)))
    while True:
        owner = owners([spans[i] for i in kept], volumes, seconds, window.delay)
        own = [labels[i] for i in kept]
        found = set(window_owners(owner, own, window.length, window.dilation, window.labels).tolist())
        # Time of an event that is left out has no label, which may cost another event its majority: look again.
        if len(found - {NONE}) == len(kept):
            return [i for i in range(len(spans)) if i not in set(kept)]
        kept = [i for place, i in enumerate(kept) if place in found]
