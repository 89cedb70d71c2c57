"""What a study's windows of time ask of its scans, from headers: repetition times, events, named volumes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

from voxtempo.cohort import Cohort, GeometryReport, Problem, Study
from voxtempo.cohort.case import Case
from voxtempo.cohort.natural import natural
from voxtempo.cohort.problem import few
from voxtempo.cohort.sections.window import Window
from voxtempo.errors import StudyError
from voxtempo.feed.event_windows import lost_events, nearest_volume
from voxtempo.feed.windows import frame_numbers
from voxtempo.learning.cases import event_unit
from voxtempo.planning import Foreseen, foresee

Lost = Mapping[str, list[int]]


def foresee_cohort(study: Study, cohort: Cohort, geometry: GeometryReport) -> Foreseen:
    """Return what the study's preparation will make of the cohort's scans."""
    headers = [next(iter(geometry.headers[case.id].values())) for case in cohort]
    return foresee(
        study.prepare or [],
        [header.geometry for header in headers],
        [header.volumes for header in headers],
        len(study.cohort.scans),
        [geometry.repetition_times.get(case.id) for case in cohort],
    )


def keeps_time(study: Study) -> bool:
    """Return whether the seconds between a window's volumes should be the same in every case.

    They need not where the study names volumes by what they show, or gives every series as many volumes as any other
    however long it lasted (the phases of a heart beat).
    """
    window = study.sample.window if study.sample is not None else None
    phases = any(
        step.name == "resample_time" and isinstance(step.options, dict) and step.options.get("volumes") is not None
        for step in study.prepare or []
    )
    return window is not None and window.frames is None and not phases


def check_windows(study: Study, cohort: Cohort, geometry: GeometryReport) -> Iterator[Problem]:
    """Yield what the scans rule out: mixed repetition times, events that no window can hold, volumes that are not there.

    Parameters
    ----------
    study : complete, as planned.
    cohort, geometry : its cases and their headers.
    """
    assert study.sample is not None
    window = study.sample.window
    if window is None:
        return
    foreseen = foresee_cohort(study, cohort, geometry)
    if keeps_time(study):
        yield from _mixed_times(foreseen, cohort)
    lost = _lost(study, cohort, geometry, rest=False)
    yield from _at_once(_without(cohort, lost) if study.cohort.missing == "skip" else cohort)
    if window.frames is not None:
        yield from _frames(window.frames, cohort, geometry, foreseen)
    if not (window.align or window.labels) and any(case.events for case in cohort):
        here = (
            "'frames' make one window a case, but the truth is events: " if window.frames else "the truth is events: "
        )
        message = f"{here}use 'align: events' (a window an event) or 'labels: pure' (windows inside events)."
        yield Problem("error", "sample.window", message)
    if lost and study.cohort.missing == "refuse":
        message = (
            f"{len(lost)} of {len(cohort)} cases have events that {_without_window(window)}: {_told(lost, cohort)}. "
            "Correct the onsets, shorten the window, or leave such events out with 'cohort.missing: skip'."
        )
        yield Problem("error", "cohort.target.events", message)


def leave_out_events(study: Study, cohort: Cohort, geometry: GeometryReport) -> tuple[Cohort, tuple[Problem, ...]]:
    """Return the cohort without events that no window can hold, and what to say about it.

    Those of the table are left out where ``cohort.missing: skip`` asks for it, which is a warning; stretches of rest
    always, since nobody listed them.

    Parameters
    ----------
    study : complete, as planned.
    cohort, geometry : its cases and their headers.
    """
    problems = []
    window = study.sample.window if study.sample is not None else None
    if window is None:
        return cohort, ()
    for rest in (False, True):
        lost = _lost(study, cohort, geometry, rest) if rest or study.cohort.missing == "skip" else {}
        if lost:
            message = f"Left out: events that {_without_window(window)}, in {len(lost)} cases: {_told(lost, cohort)}."
            problems.append(
                Problem("note", "sample.window.rest", message)
                if rest
                else Problem("warning", "cohort.missing", message)
            )
            cohort = _without(cohort, lost)
    return cohort, tuple(problems)


def _without(cohort: Cohort, lost: Lost) -> Cohort:
    cases = tuple(
        replace(case, events=tuple(event for i, event in enumerate(case.events) if i not in lost.get(case.id, ())))
        for case in cohort
    )
    return replace(cohort, cases=cases)


def _mixed_times(foreseen: Foreseen, cohort: Cohort) -> Iterator[Problem]:
    """Yield the complaint that series differ in their repetition time after preparation, or that some have none."""
    known = [(case.id, t) for case, t in zip(cohort, foreseen.repetition_times, strict=True) if t is not None]
    usual = Counter(round(t, 3) for _, t in known).most_common(2)
    if len(usual) > 1:
        odd = [f"{case_id} ({t:.4g} s)" for case_id, t in known if round(t, 3) != usual[0][0]]
        message = (
            f"repetition times differ, so windows would last differently long: {usual[0][0]:g} s is usual, but not in "
            f"{few(odd)}. Bring them to one with the step 'resample_time', or leave these out with 'cohort.where'."
        )
        yield Problem("error", "repetition time", message)
    unknown = [case.id for case, t in zip(cohort, foreseen.repetition_times, strict=True) if t is None]
    if known and unknown:
        message = (
            f"{len(unknown)} of {len(cohort)} series have no repetition time, in neither header nor sidecar, and are taken "
            f"to have that of the others, {usual[0][0]:g} s: {few(unknown)}."
        )
        yield Problem("warning", "repetition time", message)


def _frames(frames: list[int | str], cohort: Cohort, geometry: GeometryReport, foreseen: Foreseen) -> Iterator[Problem]:
    """Yield what is wrong with ``sample.window.frames``: columns and numbers that are not there."""
    named = [frame for frame in frames if isinstance(frame, str)]
    faults = []
    moved = []
    for case, volumes in zip(cohort, foreseen.volumes, strict=True):
        try:
            frame_numbers(frames, case.row, volumes, case.id)
        except StudyError as error:
            faults.append(str(error))
        if volumes != next(iter(geometry.headers[case.id].values())).volumes:
            moved.append(case.id)
    if faults:
        more = "" if len(faults) == 1 else f" So it is in {len(faults)} of {len(cohort)} cases."
        yield Problem("error", "sample.window.frames", faults[0].partition("sample.window.frames: ")[2] + more)
    if named and moved:
        message = (
            f"the columns {few(named)} count the volumes of the files, but 'prepare' changes how many there are "
            f"({few(moved)}). Leave out the step that does, or say which of its volumes are meant by numbers."
        )
        yield Problem("error", "sample.window.frames", message)


def _lost(study: Study, cohort: Cohort, geometry: GeometryReport, rest: bool) -> dict[str, list[int]]:
    """Return for each case the places of its events that have no window: those of rest, or the others."""
    window = study.sample.window if study.sample is not None else None
    found: dict[str, list[int]] = {}
    if window is None or not (window.align or window.labels):
        return found
    foreseen = foresee_cohort(study, cohort, geometry)
    for case, volumes, seconds in zip(cohort, foreseen.volumes, foreseen.repetition_times, strict=True):
        if not seconds or not volumes:
            continue
        lost = (
            _misaligned(case, volumes, seconds, window) if window.align else _unlabelled(case, volumes, seconds, window)
        )
        lost = [i for i in lost if (window.rest is not None and case.events[i].label == window.rest) == rest]
        if lost:
            found[case.id] = lost
    return found


def _at_once(cohort: Cohort) -> Iterator[Problem]:
    """Yield an error for events that begin at one moment: they would share a window and a row, with several truths."""
    for case in cohort:
        labels: dict[str, list[object]] = {}
        for event in case.events:
            labels.setdefault(event_unit(case.id, event.onset), []).append(event.label)
        twice = sorted((unit for unit, several in labels.items() if len(several) > 1), key=natural)
        if twice and all(len(set(labels[unit])) == 1 for unit in twice):
            many = "one event is" if len(twice) == 1 else f"{len(twice)} events are"
            message = f"{many} listed more than once, the first {twice[0]}. List each once."
            yield Problem("error", case.id, message)
        elif twice:
            many = "one moment has" if len(twice) == 1 else f"{len(twice)} moments have"
            message = (
                f"{many} several events, the first {twice[0]}: one window cannot have several truths. Name those that count in "
                "'cohort.target.classes', or correct the onsets."
            )
            yield Problem("error", case.id, message)


def _misaligned(case: Case, volumes: int, seconds: float, window: Window) -> list[int]:
    """Return the places of the events whose window would lie more than half outside the scan."""
    starts = [nearest_volume(event.onset + window.delay, seconds) for event in case.events]
    last, spare = volumes - window.span, window.span // 2
    return [i for i, start in enumerate(starts) if start - last > spare or -start > spare]


def _unlabelled(case: Case, volumes: int, seconds: float, window: Window) -> list[int]:
    """Return the places of the events that no window speaks for."""
    spans = [(event.onset, event.duration) for event in case.events]
    return lost_events(spans, [event.label for event in case.events], volumes, seconds, window)


def _without_window(window: Window) -> str:
    if window.align:
        return f"leave no window of {window.span} volumes inside the scan"
    if window.labels == "pure":
        return f"last too short to hold a window of {window.span} volumes ('labels: pure')"
    return f"have the most volumes of no window of {window.span} ('labels: majority')"


def _told(lost: Lost, cohort: Cohort) -> str:
    texts = []
    for case_id, places in lost.items():
        events = cohort[case_id].events
        which = few([f"{events[i].label} at {events[i].onset:g} s" for i in places], 2)
        texts.append(f"{case_id} ({len(places)} of {len(events)}: {which})")
    return few(texts, 3)
