"""What windows ask of scans, from headers alone."""

from __future__ import annotations

import pytest

from voxtempo.cohort import Case, Cohort, Event, GeometryReport, Study
from voxtempo.errors import StudyError
from voxtempo.learning.choices import check_choices, check_fit
from voxtempo.learning.window_choices import keeps_time, leave_out_events
from voxtempo.planning import plan_study
from voxtempo.scans import Geometry
from voxtempo.scans.header import Header

EVENTS = (Event(4.0, 12.0, "a"), Event(16.0, 2.0, "b"), Event(20.0, 12.0, "a"))


def study(window: dict, task: str = "classify", events: bool = False, missing: str = "refuse", **more) -> Study:
    target = {"events": "{id}.tsv", "column": "kind"} if events else {"column": "y"}
    cohort = {"table": "t.csv", "scans": {"bold": "{id}.nii"}, "target": target, "missing": missing}
    prepare = more.pop("prepare", [{"normalise": {"method": "zscore"}}])
    return Study.model_validate(
        {"name": "s", "task": task, "cohort": cohort, "prepare": prepare, "sample": {"window": window}, **more}
    )


def cohort_of(rows=None, events=()) -> Cohort:
    if rows is None:
        rows = ({}, {})
    cases = [
        Case(f"c{i}", f"c{i}", {"bold": "x"}, target="ab"[i % 2], events=events, row=r) for i, r in enumerate(rows)
    ]
    return Cohort(tuple(cases), classes=("a", "b"))


def headers(cohort: Cohort, times=(2.0, 2.0), volumes: int = 20) -> GeometryReport:
    geometry = Geometry.from_spacing((8, 8, 4))
    made = {c.id: {"bold": Header(geometry, volumes, 1, t, "int16", c.id)} for c, t in zip(cohort, times, strict=True)}
    return GeometryReport(made, {}, {}, {c.id: t for c, t in zip(cohort, times, strict=True)}, ())


def told(a_study: Study, cohort: Cohort, report: GeometryReport) -> list[tuple[str, str, str]]:
    planned = plan_study(a_study, cohort, report).study
    return [(p.severity, p.where, p.message) for p in check_fit(planned, cohort, report)]


def test_different_repetition_times_are_refused_unless_volumes_are_named():
    cohort = cohort_of(({"ed": "0"}, {"ed": "3"}))
    report = headers(cohort, (2.0, 2.5))
    ((severity, where, message),) = told(study({"length": 5}), cohort, report)
    assert (severity, where) == ("error", "repetition time")
    assert "2 s is usual, but not in c1 (2.5 s)" in message
    assert "'resample_time'" in message
    assert told(study({"frames": ["ed", 9]}), cohort, report) == []
    assert told(study({"length": 5}), cohort, headers(cohort, (2.0, 2.0004))) == []


def test_a_step_that_makes_repetition_times_one_is_enough(monkeypatch):
    from voxtempo.prepare.normalise import Normalise

    monkeypatch.setattr(Normalise, "foresee_time", lambda self, volumes, seconds: (volumes, 1.0))
    cohort = cohort_of()
    assert told(study({"length": 5}), cohort, headers(cohort, (2.0, 2.5))) == []


def test_an_unknown_repetition_time_among_known_ones_is_a_warning():
    cohort = cohort_of()
    ((severity, _, message),) = told(study({"length": 5}), cohort, headers(cohort, (2.0, None)))
    assert severity == "warning"
    assert "c1" in message


@pytest.mark.parametrize(
    ("window", "task", "more", "keeps"),
    [
        ({"length": 5}, "classify", {}, True),
        ({"frames": [0, 3]}, "regress", {}, False),
        ({"length": 5}, "classify", {"prepare": [{"resample_time": {"volumes": 25}}]}, False),
        ({"length": 5}, "classify", {"prepare": [{"resample_time": 2.0}]}, True),
    ],
)
def test_windows_of_named_volumes_or_phases_have_no_repetition_time(window, task, more, keeps):
    assert keeps_time(study(window, task, **more)) is keeps


def test_frames_that_a_column_lacks_are_told_with_the_number_of_cases():
    cohort = cohort_of(({"ed": "0", "es": "20"}, {"ed": "0", "es": ""}))
    ((severity, where, message),) = told(study({"frames": ["ed", "es"]}), cohort, headers(cohort))
    assert (severity, where) == ("error", "sample.window.frames")
    assert message.startswith("the column 'es' says '20', expected the number of a volume, 0 to 19")
    assert "2 of 2 cases" in message
    ((_, _, message),) = told(study({"frames": ["es_frame", 20]}), cohort, headers(cohort))
    assert "the column 'es_frame' does not exist" in message


def test_columns_count_the_volumes_of_the_file(monkeypatch):
    from voxtempo.prepare.normalise import Normalise

    monkeypatch.setattr(Normalise, "foresee_time", lambda self, volumes, seconds: (volumes - 4, seconds))
    cohort = cohort_of(({"ed": "0"}, {"ed": "0"}))
    ((_, where, message),) = told(study({"frames": ["ed", 9]}), cohort, headers(cohort))
    assert where == "sample.window.frames"
    assert "'prepare' changes how many there are" in message
    assert told(study({"frames": [0, 9]}), cohort, headers(cohort)) == []


@pytest.mark.parametrize(
    ("window", "message"),
    [
        ({"length": 4}, "the truth is events: use 'align: events'"),
        ({"frames": [0]}, "'frames' make one window a case, but the truth is events"),
    ],
)
def test_windows_that_do_not_know_of_the_events_are_refused(window, message):
    cohort = cohort_of(events=EVENTS[:1])
    ((severity, where, found),) = told(study(window, events=True), cohort, headers(cohort))
    assert (severity, where) == ("error", "sample.window")
    assert message in found


@pytest.mark.parametrize("rule", ["pure", "majority"])
def test_events_too_short_for_a_window_are_refused_or_left_out(rule):
    cohort = cohort_of(events=EVENTS)
    ((severity, where, message),) = told(study({"length": 4, "labels": rule}, events=True), cohort, headers(cohort))
    assert (severity, where) == ("error", "cohort.target.events")
    assert f"'labels: {rule}'" in message
    assert "c0 (1 of 3: b at 16 s)" in message
    skipping = study({"length": 4, "labels": rule}, events=True, missing="skip")
    assert told(skipping, cohort, headers(cohort)) == []
    left, problems = leave_out_events(skipping, cohort, headers(cohort))
    assert [event.onset for event in left["c1"].events] == [4.0, 20.0]
    assert [(p.severity, p.where) for p in problems] == [("warning", "cohort.missing")]


def test_events_at_one_moment_are_refused_unless_but_one_is_left():
    cue = (Event(4.0, 2.0, "b"), Event(4.0, 12.0, "a"), Event(20.0, 12.0, "a"))
    cohort = cohort_of(({},), events=cue)
    skipping = study({"length": 4, "labels": "pure"}, events=True, missing="skip")
    assert told(skipping, cohort, headers(cohort, (2.0,))) == []
    ((_, where, message), _) = told(
        study({"length": 4, "labels": "pure"}, events=True), cohort, headers(cohort, (2.0,))
    )
    assert (where, "one moment has several events, the first c0@4s" in message) == ("c0", True)


def test_an_event_that_is_listed_twice_is_told_as_that():
    cohort = cohort_of(({},), events=(EVENTS[0], EVENTS[0], EVENTS[2]))
    (severity, where, message), *_ = told(
        study({"length": 4, "labels": "pure"}, events=True), cohort, headers(cohort, (2.0,))
    )
    assert (severity, where, message) == (
        "error", "c0", "one event is listed more than once, the first c0@4s. List each once.",
    )  # fmt: skip


def test_rest_too_short_for_a_window_is_left_out_without_being_asked():
    rest = (*EVENTS[:1], Event(16.0, 2.0, "b"), Event(20.0, 12.0, "a"))
    cohort = cohort_of(events=rest)
    asked = study({"length": 4, "labels": "pure", "rest": "b"}, events=True)
    assert told(asked, cohort, headers(cohort)) == []
    left, problems = leave_out_events(asked, cohort, headers(cohort))
    assert [event.label for event in left["c0"].events] == ["a", "a"]
    assert [(p.severity, p.where) for p in problems] == [("note", "sample.window.rest")]


@pytest.mark.parametrize(
    ("window", "message"),
    [
        ({}, "either 'length'"),
        ({"length": 4, "frames": [0]}, "either 'length'"),
        ({"frames": [0, 1], "stride": 2}, "do not go with it"),
        ({"frames": []}, "at least 1"),
        ({"length": 4, "align": "events", "labels": "pure"}, "not aligned"),
        ({"length": 4, "labels": "pure", "jitter": 2}, "'jitter' moves the windows of 'align: events'"),
        ({"length": 4, "rest": "rest"}, "'rest' names the time between events"),
        ({"length": 4, "derivatives": ["speed"]}, "derivatives"),
    ],
)
def test_windows_that_contradict_themselves_are_refused(window, message):
    with pytest.raises(ValueError, match=message):
        study(window, events=True)


@pytest.mark.parametrize(("key", "value"), [("keep", "best"), ("schedule", "plateau")])
def test_selection_without_validation_cases_is_refused(key, value):
    asked = study({"length": 4}, split={"test": 0.3, "validation": 0}, train={key: value})
    problems = check_choices(asked, cohort_of())
    assert [(p.severity, p.where) for p in problems] == [("error", f"train.{key}")]
    assert "'split.validation' is 0" in problems[0].message
    folds = study({"length": 4}, split={"test": 0.3, "folds": 2, "validation": 0}, train={key: value})
    assert check_choices(folds, cohort_of()) == ()


def test_windows_longer_than_the_series_are_refused_with_their_span():
    cohort = cohort_of()
    with pytest.raises(StudyError, match="8 volumes over 22, but the shortest series has 20"):
        plan_study(study({"length": 8, "dilation": 3}), cohort, headers(cohort))
