"""What a study chooses, held against what there is, before a scan is prepared: network, loss, augmentation, windows.

Nothing here loads a framework, so ``voxtempo check`` finds in a second what training would find after an hour.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from voxtempo.augment import build_transforms
from voxtempo.cohort import Cohort, GeometryReport, Problem, Study
from voxtempo.cohort.problem import few
from voxtempo.errors import VoxTempoError, did_you_mean
from voxtempo.learning.losses import choose_loss
from voxtempo.learning.recipe import input_kind
from voxtempo.networks import networks
from voxtempo.planning import Foreseen, foresee


def check_choices(study: Study, cohort: Cohort) -> tuple[Problem, ...]:
    """Return what cannot be trained as the study says, whatever the scans are like.

    Parameters
    ----------
    study : complete or not.
    cohort : knows the classes and labels.
    """
    train = study.train
    problems = [*_tried("network", lambda: _refuse_network(study)), *_weights(study, cohort)]
    section = train.loss
    name, options = (section.name, section.options) if section is not None else (None, None)
    problems += _tried("train.loss", lambda: choose_loss(study.task, name, options))
    names = [*cohort.classes, *cohort.labels.values()]
    series = study.sample is not None and study.sample.window is not None
    problems += _tried("augment", lambda: build_transforms(study.augment, task=study.task, series=series, names=names))
    return tuple(problems)


def check_fit(study: Study, cohort: Cohort, geometry: GeometryReport) -> tuple[Problem, ...]:
    """Return what the scans rule out: networks for another kind of sample, events that no window can hold.

    Parameters
    ----------
    study : complete, as planned.
    cohort, geometry : its cases and their headers.
    """
    assert study.sample is not None
    problems = list(check_choices(study, cohort))
    name = study.network.name
    if name is not None and not problems:
        kind = input_kind(study.sample.kind, _foreseen(study, cohort, geometry).flat)
        if networks[name].input != kind:
            fitting = [
                other for other in networks if networks[other].input == kind and study.task in networks[other].tasks
            ]
            message = (
                f"'{name}' takes {_several(networks[name].input)}, but this study's samples are {_several(kind)}. "
                f"Networks that {study.task} from {_several(kind)}: {', '.join(fitting) or 'none yet'}."
            )
            problems.append(Problem("error", "network", message))
    problems += _mixed_times(_foreseen(study, cohort, geometry), cohort)
    window = study.sample.window
    if window is not None and not (window.align or window.labels) and any(case.events for case in cohort):
        message = (
            "the truth is events: add 'align: events' (a window an event) or 'labels: pure' (windows inside events)."
        )
        problems.append(Problem("error", "sample.window", message))
    lost = _lost_events(study, cohort, geometry)
    if lost and window is not None and study.cohort.missing == "refuse":
        message = (
            f"{len(lost)} of {len(cohort)} cases have events that leave no window of {window.span} volumes inside the scan: "
            f"{_told(lost, cohort)}. Correct the onsets, shorten the window, or leave such events out with "
            "'cohort.missing: skip'."
        )
        problems.append(Problem("error", "cohort.target.events", message))
    return tuple(problems)


def leave_out_events(study: Study, cohort: Cohort, geometry: GeometryReport) -> tuple[Cohort, tuple[Problem, ...]]:
    """Return the cohort without events that no window can hold, where ``cohort.missing: skip`` asks for it, and a warning.

    Parameters
    ----------
    study : complete, as planned.
    cohort, geometry : its cases and their headers.
    """
    if study.cohort.missing == "refuse":
        return cohort, ()
    lost = _lost_events(study, cohort, geometry)
    if not lost:
        return cohort, ()
    cases = tuple(
        replace(case, events=tuple(event for i, event in enumerate(case.events) if i not in lost.get(case.id, ())))
        for case in cohort
    )
    message = f"Left out: events that leave no window inside the scan, in {len(lost)} cases: {_told(lost, cohort)}."
    return replace(cohort, cases=cases), (Problem("warning", "cohort.missing", message),)


def _told(lost: dict[str, list[int]], cohort: Cohort) -> str:
    texts = []
    for case_id, places in lost.items():
        events = cohort[case_id].events
        which = few([f"{events[i].label} at {events[i].onset:g} s" for i in places], 2)
        texts.append(f"{case_id} ({len(places)} of {len(events)}: {which})")
    return few(texts, 3)


def _tried(where: str, attempt: Callable[[], object]) -> Iterator[Problem]:
    try:
        attempt()
    except VoxTempoError as error:
        yield Problem("error", where, str(error))


def _refuse_network(study: Study) -> None:
    section = study.network
    if section.python is not None:
        file, _, function = section.python.rpartition(":")
        if not file or not function:
            raise VoxTempoError(f"network.python is '{section.python}'; expected 'path/to/file.py:function'.")
        if not Path(file).is_file():
            raise VoxTempoError(f"network.python: there is no file {file}.")
    if section.name is None:
        _refuse_options(study)
        return
    card = networks[section.name]
    if study.task not in card.tasks:
        others = [
            name for name in networks if networks[name].input == card.input and study.task in networks[name].tasks
        ]
        raise VoxTempoError(
            f"'{card.name}' cannot {study.task}: it can {', '.join(card.tasks)}. "
            f"Networks for {_several(card.input)} that can: {', '.join(others) or 'none yet'}."
        )
    card.validate(section.options)


def _refuse_options(study: Study) -> None:
    """Refuse options of a network yet to be planned that fit none it could be; raise the complaint of the nearest one."""
    options, complaints = study.network.options, []
    for card in (networks[name] for name in networks if study.task in networks[name].tasks):
        try:
            card.validate(options)
            return
        except VoxTempoError as error:
            unknown = set(options) - {option.name for option in card.options}
            complaints.append((len(unknown), error))
    if options and study.network.python is None and complaints:
        raise min(complaints, key=lambda complaint: complaint[0])[1]


def _weights(study: Study, cohort: Cohort) -> Iterator[Problem]:
    """Yield what is wrong with settings that only a classifier has."""
    weights, smoothing = study.train.class_weights, study.train.label_smoothing
    if study.task != "classify":
        for key, given in (("class_weights", weights != "none"), ("label_smoothing", smoothing > 0)):
            if given:
                yield Problem("error", f"train.{key}", f"this is for 'task: classify'; remove it to {study.task}.")
    elif isinstance(weights, dict):
        unknown = [name for name in weights if name not in cohort.classes]
        if unknown:
            message = f"there is no class {few(unknown)}. {did_you_mean(unknown[0], cohort.classes)}"
            yield Problem("error", "train.class_weights", message)


def _foreseen(study: Study, cohort: Cohort, geometry: GeometryReport) -> Foreseen:
    headers = [next(iter(geometry.headers[case.id].values())) for case in cohort]
    return foresee(
        study.prepare or [],
        [header.geometry for header in headers],
        [header.volumes for header in headers],
        len(study.cohort.scans),
        [geometry.repetition_times.get(case.id) for case in cohort],
    )


def _mixed_times(foreseen: Foreseen, cohort: Cohort) -> Iterator[Problem]:
    """Yield the complaint that series differ in their repetition time after preparation."""
    known = [(case.id, t) for case, t in zip(cohort, foreseen.repetition_times, strict=True) if t is not None]
    usual = Counter(round(t, 3) for _, t in known).most_common(2)
    if foreseen.series and len(usual) > 1:
        odd = [f"{case_id} ({t:.4g} s)" for case_id, t in known if round(t, 3) != usual[0][0]]
        message = (
            f"repetition times differ, so windows would last differently long: {usual[0][0]:g} s is usual, but not in "
            f"{few(odd)}. Bring them to one with the step 'resample_time', or leave these out with 'cohort.where'."
        )
        yield Problem("error", "repetition time", message)


def _several(kind: str) -> str:
    return kind if kind == "series" else f"{kind}s"


def _lost_events(study: Study, cohort: Cohort, geometry: GeometryReport) -> dict[str, list[int]]:
    """Return for each case the places of its events whose window would lie more than half outside the scan."""
    window = study.sample.window if study.sample is not None else None
    found: dict[str, list[int]] = {}
    if window is None or window.align != "events":
        return found
    foreseen = _foreseen(study, cohort, geometry)
    for case, volumes, seconds in zip(cohort, foreseen.volumes, foreseen.repetition_times, strict=True):
        if not seconds or not volumes:
            continue
        starts = [round((event.onset + window.delay) / seconds) for event in case.events]
        last, spare = volumes - window.span, window.span // 2
        lost = [i for i, start in enumerate(starts) if start - last > spare or -start > spare]
        if lost:
            found[case.id] = lost
    return found
