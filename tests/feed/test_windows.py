from __future__ import annotations

import numpy as np
import pytest

from voxtempo.augment import Stack
from voxtempo.augment.transform import Transform
from voxtempo.cohort.study import Window
from voxtempo.errors import StudyError
from voxtempo.feed import Batches, FeedCase, FeedEvent, Voxels, WindowSampler
from voxtempo.feed.windows import frame_numbers

SHAPE = (3, 4, 2)


def series(volumes: int = 30, repetition_time: float | None = 2.0, events=(), row=None) -> FeedCase:
    """Every voxel holds the number of its volume."""
    data = np.broadcast_to(np.arange(volumes, dtype=np.int16)[:, None, None, None, None], (volumes, *SHAPE, 1))
    return FeedCase(
        "s", Voxels(data), (1, 1, 1), target=1, events=tuple(events), repetition_time=repetition_time, row=row or {}
    )


def sampler(**window) -> WindowSampler:
    return WindowSampler(Window(**window), SHAPE)


def starts(positions) -> list[int]:
    return [position.frames[0] for position in positions]


def test_windows_tile_the_series_to_its_end():
    assert [p.frames for p in sampler(length=8).cover(series(18))] == [
        tuple(range(8)), tuple(range(8, 16)), tuple(range(10, 18)),
    ]  # fmt: skip
    assert starts(sampler(length=8, stride=3).cover(series(18))) == [0, 3, 6, 9, 10]


def test_dilated_windows_skip_volumes_and_neighbours_stand_a_span_apart():
    dilated = sampler(length=4, dilation=3)
    found = dilated.cover(series(25))
    assert [p.frames for p in found] == [(0, 3, 6, 9), (10, 13, 16, 19), (15, 18, 21, 24)]
    assert dilated.read(series(25), found[1])[0][:, 0, 0, 0, 0].tolist() == [10, 13, 16, 19]


def test_tiled_training_shows_the_windows_of_a_prediction():
    case, fixed = series(30), sampler(length=8, stride=5, draw="tiled")
    rng = np.random.default_rng(0)
    assert [fixed.draw(case, k, rng) for k in range(fixed.per_pass(case))] == fixed.cover(case)


def test_random_windows_stay_inside_and_reach_both_ends():
    rng = np.random.default_rng(0)
    found = [sampler(length=4, dilation=3).draw(series(30), 0, rng).frames for _ in range(300)]
    assert (min(f[0] for f in found), max(f[-1] for f in found)) == (0, 29)
    assert all(np.diff(f).tolist() == [3, 3, 3] for f in found)


def test_event_windows_start_after_the_delay_at_the_nearest_volume():
    events = (FeedEvent("s@0s", 0.0, 3), FeedEvent("s@20.9s", 20.9, 5))
    first, second = sampler(length=4, align="events", delay=5.0).cover(series(30, events=events))
    assert (starts([first]), first.target, first.unit) == ([2], 3, "s@0s")  # 5 s / 2 s = 2.5, to even
    assert second.frames == (13, 14, 15, 16)


def test_an_event_after_the_series_is_an_error_and_one_at_its_very_end_is_shifted_inside():
    late = (FeedEvent("s@54s", 54.0, 0),)
    assert starts(sampler(length=4, align="events").cover(series(30, events=late))) == [26]
    with pytest.raises(StudyError, match="event at 90 s"):
        sampler(length=4, align="events").cover(series(30, events=(FeedEvent("e", 90.0, 0),)))


def test_training_windows_of_events_move_by_the_jitter_and_stay_inside():
    case = series(30, events=(FeedEvent("a", 0.0, 3), FeedEvent("b", 30.0, 5)))
    moving, rng = sampler(length=4, align="events", jitter=2), np.random.default_rng(0)
    drawn = [starts([moving.draw(case, k, rng) for _ in range(100)]) for k in (0, 1)]
    assert [set(found) for found in drawn] == [{0, 1, 2}, {13, 14, 15, 16, 17}]
    assert moving.draw(case, 1, rng).target == 5
    assert starts(moving.cover(case)) == [0, 15]  # a prediction does not move


def test_events_need_a_repetition_time():
    for window in ({"align": "events"}, {"labels": "pure"}):
        with pytest.raises(StudyError, match="no repetition time"):
            sampler(length=4, **window).cover(series(30, None, (FeedEvent("e", 0.0, 0, 20.0),)))


def test_a_series_shorter_than_the_window_is_named():
    with pytest.raises(StudyError, match="s has 3 volumes, fewer than the window's 4"):
        sampler(length=4).cover(series(3))
    with pytest.raises(StudyError, match="s has 9 volumes, fewer than the window's 10"):
        sampler(length=4, dilation=3).cover(series(9))


BLOCKS = (FeedEvent("s@10s", 10.0, 0, 20.0), FeedEvent("s@34s", 34.0, 1, 16.0))  # volumes 5..14 and 17..24


def test_pure_windows_lie_inside_one_event_and_are_tiled_from_its_first_to_its_last():
    pure = sampler(length=4, labels="pure")
    found = pure.cover(series(30, events=BLOCKS))
    assert [(p.frames[0], p.unit, p.target) for p in found] == [
        (5, "s@10s", 0), (9, "s@10s", 0), (11, "s@10s", 0), (17, "s@34s", 1), (21, "s@34s", 1),
    ]  # fmt: skip
    assert starts(sampler(length=4, labels="pure", delay=5.0).cover(series(30, events=BLOCKS)))[0] == 7


@pytest.mark.parametrize("rule", ["pure", "majority"])
def test_random_windows_with_labels_speak_for_the_event_they_were_asked_for(rule):
    case, rng = series(30, events=BLOCKS), np.random.default_rng(0)
    random = sampler(length=4, labels=rule)
    for index, fixed in enumerate(random.cover(case)):
        drawn = [random.draw(case, index, rng) for _ in range(200)]
        assert {(p.unit, p.target) for p in drawn} == {(fixed.unit, fixed.target)}
        first, last = (5, 15) if fixed.target == 0 else (17, 25)
        slack = 0 if rule == "pure" else 1  # 3 of 4 volumes are most
        assert (min(starts(drawn)), max(starts(drawn))) == (first - slack, last - 4 + slack)


def test_an_event_that_no_window_speaks_for_is_an_error():
    short = (*BLOCKS, FeedEvent("s@54s", 54.0, 0, 4.0))
    with pytest.raises(StudyError, match=r"s: no window of 4 volumes speaks for the event at 54 s, which lasts 4 s"):
        sampler(length=4, labels="pure").cover(series(30, events=short))


def test_named_frames_make_the_one_window_of_a_case_in_their_order():
    case = series(25, None, row={"ed": "0", "es": "9.0"})
    named = sampler(frames=["es", "ed", 24])
    (position,) = named.cover(case)
    assert (position.frames, position.target, position.unit) == ((9, 0, 24), 1, "s")
    assert named.draw(case, 0, np.random.default_rng(0)) == position
    assert named.track(case) == [position]
    assert named.read(case, position)[0][:, 0, 0, 0, 0].tolist() == [9, 0, 24]


@pytest.mark.parametrize(
    ("frames", "row", "message"),
    [
        ([0, 25], {}, "frames: says 25, expected the number of a volume, 0 to 24"),
        ([-1, 3], {}, "says -1"),
        (["ed"], {}, "the column 'ed' does not exist"),
        (["ed"], {"ed": "n/a"}, "the column 'ed' says 'n/a'"),
        (["ed"], {"ed": "2.5"}, "says '2.5'"),
        (["ed"], {"ed": "25"}, "says '25', expected the number of a volume, 0 to 24"),
    ],
)
def test_frames_that_are_not_there_are_named(frames, row, message):
    with pytest.raises(StudyError, match=message):
        frame_numbers(frames, row, 25, "p1")


def test_spare_frames_keep_the_windows_pace_and_repeat_the_ends_of_the_series():
    dilated = sampler(length=3, dilation=2)
    case = series(10)
    first, middle = dilated.cover(case)[0], dilated.draw(case, 0, np.random.default_rng(4))
    assert dilated.read(case, first, spare=2)[0][:, 0, 0, 0, 0].tolist() == [0, 0, 0, 2, 4, 6, 8]
    wide = dilated.read(case, middle, spare=1)[0]
    assert np.array_equal(wide[1:-1], dilated.read(case, middle)[0])
    named = sampler(frames=[4, 7])
    assert named.read(case, named.cover(case)[0], spare=1)[0][:, 0, 0, 0, 0].tolist() == [4, 4, 7, 7]


class Later(Transform):
    """Show what comes one frame later."""

    name = "later"

    def draw(self, rng, shape, spacing):
        return {}

    def apply(self, image, label, params):
        return np.roll(image, -1, axis=0), label

    def reach_in_time(self, length):
        return 1


class Length(Transform):
    """Write how many frames it was given."""

    name = "length"

    def draw(self, rng, shape, spacing):
        return {}

    def apply(self, image, label, params):
        return np.full_like(image, len(image)), label


@pytest.mark.parametrize(("stack", "frames"), [((Length(), Later()), 8), ((Later(), Length()), 4), ((Length(),), 4)])
def test_what_does_not_move_in_time_sees_the_window_alone(stack, frames):
    settings = {"batch": 1, "kind": "series", "task": "classify", "workers": 0}
    moved = Batches([series(12)], sampler(length=4, draw="tiled"), augment=Stack(stack), spare=2, **settings)
    for batch in moved.epoch(0):
        assert batch.image.shape[1] == 4
        assert (batch.image == frames).all()


@pytest.mark.parametrize("between", [10.0, 14.0, 18.0, 30.0])
def test_events_halfway_between_volumes_all_have_one_delay(between):
    """Rounding to even would give conditions that take turns a delay of their own each."""
    events = [FeedEvent(f"e{i}", between * i, i % 2) for i in range(8)]
    positions = sampler(length=4, align="events", delay=5.0).cover(series(160, events=events))
    assert {2.0 * start - event.onset for start, event in zip(starts(positions), events, strict=True)} == {4.0}


def test_a_change_in_time_finds_the_volumes_that_truly_follow_and_the_window_keeps_its_length():
    settings = {"batch": 1, "kind": "series", "task": "classify", "workers": 0}
    windows = sampler(length=4, draw="tiled")
    moved = Batches([series(12)], windows, augment=Stack((Later(),)), spare=2, **settings)
    found = {tuple(b.image[0, :, 0, 0, 0, 0].astype(int)) for b in moved.epoch(0)}
    assert found == {(1, 2, 3, 4), (5, 6, 7, 8), (9, 10, 11, 11)}
    assert [b.image[0, 0, 0, 0, 0, 0] for b in moved.cover()] == [0, 4, 8]


def test_derivatives_are_computed_after_the_change_in_training_and_prediction_alike():
    settings = {"batch": 1, "kind": "series", "task": "classify", "workers": 0}
    windows = sampler(length=3, dilation=2, draw="tiled", derivatives=["difference"])
    made = Batches([series(5)], windows, augment=Stack((Later(),)), **settings)
    (train,), (predicted,) = made.epoch(0), made.cover()
    assert train.image[0, :, 0, 0, 0].tolist() == [[2, 0], [4, 2], [0, -4]]
    assert predicted.image[0, :, 0, 0, 0].tolist() == [[0, 0], [2, 2], [4, 2]]


def test_a_sample_is_a_function_of_seed_epoch_and_index():
    def batches(workers: int) -> list:
        windows = sampler(length=4, labels="majority", derivatives=["from_mean"])
        made = Batches(
            [series(30, events=BLOCKS)], windows, batch=2, kind="series", task="classify", seed=3, workers=workers
        )
        return [b.image for b in made.epoch(7)]

    assert all(np.array_equal(a, b) for a, b in zip(batches(0), batches(3), strict=True))


def test_the_targets_of_a_pass_count_windows_and_not_events():
    windows = sampler(length=4, labels="pure")
    made = Batches([series(30, events=BLOCKS)], windows, batch=2, kind="series", task="classify")
    assert made.targets == [0, 0, 0, 1, 1]
    assert made.samples == 5
