"""Windows of time: tiled over the series or anywhere in it, with events, or named volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from voxtempo.cohort.sections.window import Window
from voxtempo.errors import StudyError
from voxtempo.feed.derivatives import with_derivatives
from voxtempo.feed.event_windows import NONE, Owners, Tile, nearest_volume, owners, tiles, window_owners
from voxtempo.feed.sampler import Box, Position, Sampler
from voxtempo.feed.source import FeedCase


@dataclass(frozen=True)
class Places:
    """The windows of one case; for windows with events' labels also every start and the event it speaks for."""

    case: FeedCase
    cover: tuple[Position, ...]
    speaks_for: Owners | None = None


@dataclass(frozen=True)
class WindowSampler(Sampler):
    """Some volumes of a series, in order.

    Parameters
    ----------
    window : which volumes, as the study says.
    shape : (x, y, z) of every series.
    """

    window: Window
    shape: Box
    _found: dict[str, Places] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def stride(self) -> int:
        """Volumes between neighbouring windows of a tiling."""
        return self.window.stride or self.window.span

    def cover(self, case: FeedCase) -> list[Position]:
        """Return the windows that show the case, in time's order."""
        return list(self._places(case).cover)

    def per_pass(self, case: FeedCase) -> int:
        """Return how many windows show the case."""
        return len(self._places(case).cover)

    def draw(self, case: FeedCase, index: int, rng: np.random.Generator) -> Position:
        """Return the ``index``-th window of the case, moved at random as far as the study allows.

        That is by up to ``jitter`` volumes (aligned with events), to anywhere in the series (without events), or to
        anywhere where the window speaks for the same event (``labels``).
        """
        places = self._places(case)
        place, window = places.cover[index], self.window
        last = case.image.shape[0] - window.span
        if window.jitter:
            far = window.jitter
            start = int(np.clip(place.frames[0] + rng.integers(-far, far + 1), 0, last))
            return self._at(case, start, place.unit, place.target)
        if window.frames is not None or window.align == "events" or window.draw == "tiled":
            return place
        if places.speaks_for is None:
            return self._at(case, int(rng.integers(0, last + 1)), place.unit, place.target)
        starts = np.flatnonzero(places.speaks_for == places.speaks_for[place.frames[0]])
        return self._at(case, int(starts[rng.integers(len(starts))]), place.unit, place.target)

    def track(self, case: FeedCase, stride: int = 1) -> list[Position]:
        """Return windows at every ``stride`` volumes whatever the events, for a time course of the decision."""
        if self.window.frames is not None:
            return self.cover(case)
        last = self._last(case)
        return [self._at(case, start, case.id, None) for start in range(0, last + 1, stride)]

    def with_spare(self, case: FeedCase, position: Position, spare: int) -> tuple[int, ...]:
        """Return the frames of a window with ``spare`` more at its pace on each side; the ends of the series repeat."""
        if self.window.frames is not None:
            return super().with_spare(case, position, spare)
        step, first = self.window.dilation, position.frames[0]
        frames = first + step * np.arange(-spare, len(position.frames) + spare)
        return tuple(np.clip(frames, 0, case.image.shape[0] - 1).tolist())

    def finish(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the window with its derivative channels."""
        return with_derivatives(image, self.window.derivatives)

    def _places(self, case: FeedCase) -> Places:
        known = self._found.get(case.id)
        if known is None or known.case is not case:
            known = self._found[case.id] = self._find(case)
        return known

    def _find(self, case: FeedCase) -> Places:
        window = self.window
        if window.frames is not None:
            self._check_shape(case)
            frames = frame_numbers(window.frames, case.row, case.image.shape[0], case.id)
            return Places(case, (Position(case.id, frames, (0, 0, 0), self.shape, case.target),))
        last = self._last(case)
        if window.align == "events":
            return Places(
                case, tuple(self._at(case, self._start(case, e.onset, last), e.unit, e.target) for e in case.events)
            )
        if window.labels is not None:
            speaks_for, chosen = self._with_labels(case)
            at = [(tile.start, case.events[tile.event]) for tile in chosen]
            return Places(case, tuple(self._at(case, start, e.unit, e.target) for start, e in at), speaks_for)
        starts = list(range(0, last + 1, self.stride))
        if starts[-1] != last:
            starts.append(last)
        return Places(case, tuple(self._at(case, start, case.id, case.target) for start in starts))

    def _with_labels(self, case: FeedCase) -> tuple[Owners, list[Tile]]:
        """Return the event that each start speaks for, and the windows that show every event."""
        window = self.window
        assert window.labels is not None
        assert window.length is not None
        spans = [(event.onset, event.duration) for event in case.events]
        owner = owners(spans, case.image.shape[0], _seconds(case), window.delay)
        labels = [event.target for event in case.events]
        speaks_for = window_owners(owner, labels, window.length, window.dilation, window.labels)
        lost = sorted(set(range(len(spans))) - set(speaks_for[speaks_for != NONE].tolist()))
        if lost:
            event = case.events[lost[0]]
            raise StudyError(
                f"{case.id}: no window of {window.span} volumes speaks for the event at {event.onset:g} s, which lasts "
                f"{event.duration:g} s ('labels: {window.labels}'; {len(lost)} such events). Shorten the window or remove "
                "the event."
            )
        return speaks_for, tiles(speaks_for, window.labels, self.stride)

    def _at(self, case: FeedCase, start: int, unit: str, target: float | int | None) -> Position:
        frames = tuple(range(start, start + self.window.span, self.window.dilation))
        return Position(unit, frames, (0, 0, 0), self.shape, target)

    def _start(self, case: FeedCase, onset: float, last: int) -> int:
        """Return the volume at which the window of an event starts: the nearest, moved inside by half a window at most."""
        window = self.window
        start = nearest_volume(onset + window.delay, _seconds(case))
        if start - last > window.span // 2:
            raise StudyError(
                f"{case.id}: the event at {onset:g} s with {window.delay:g} s delay starts {start - last} volumes after the "
                f"last window of {window.span} volumes that fits. Shorten the window or remove the event."
            )
        return int(np.clip(start, 0, last))

    def _last(self, case: FeedCase) -> int:
        """Return the last volume at which a window can start."""
        self._check_shape(case)
        volumes, span = case.image.shape[0], self.window.span
        if volumes < span:
            raise StudyError(
                f"{case.id} has {volumes} volumes, fewer than the window's {span}. "
                "Shorten 'sample.window.length' or leave this series out."
            )
        return volumes - span

    def _check_shape(self, case: FeedCase) -> None:
        if case.image.shape[1:4] != self.shape:
            raise StudyError(
                f"{case.id} is {case.image.shape[1:4]} voxels after preparation, but the network takes volumes of "
                f"{self.shape}. Give every series one shape in 'prepare' (crop_pad, resample or resize)."
            )


def _seconds(case: FeedCase) -> float:
    if case.repetition_time is None:
        raise StudyError(f"{case.id} has no repetition time, so events in seconds cannot be placed")
    return case.repetition_time


def frame_numbers(frames: Sequence[int | str], row: Mapping[str, str], volumes: int, case_id: str) -> tuple[int, ...]:
    """Return the volumes that ``sample.window.frames`` means in one case.

    Parameters
    ----------
    frames : numbers of volumes, or columns that hold them.
    row : the case's row in the table.
    volumes : of the series.
    case_id : for messages.

    Raises
    ------
    StudyError : no such column, or its value is not the number of a volume.

    >>> frame_numbers([0, "es"], {"es": "9"}, 25, "p1")
    (0, 9)
    """
    found = []
    for frame in frames:
        text = frame if isinstance(frame, int) else row.get(frame)
        where = f"{case_id}: sample.window.frames: " + ("" if isinstance(frame, int) else f"the column '{frame}' ")
        if text is None:
            raise StudyError(
                f"{where}does not exist for this case, so it is not known which volume is meant. Scans without a table need "
                "a network that was trained with numbers instead of columns."
            )
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not (number.is_integer() and 0 <= number < volumes):
            said = f"'{text}'" if isinstance(text, str) else str(text)
            raise StudyError(
                f"{where}says {said}, expected the number of a volume, 0 to {volumes - 1} (the first is 0)."
            )
        found.append(int(number))
    return tuple(found)
