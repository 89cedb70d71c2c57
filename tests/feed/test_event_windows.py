from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxtempo.cohort.study import Window
from voxtempo.feed.event_windows import lost_events, owners, tiles, window_owners

spans = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 25)), max_size=6)


@settings(max_examples=100, deadline=None)
@given(spans=spans, seconds=st.sampled_from([0.8, 1.0, 2.5]), delay=st.sampled_from([0.0, 4.0, 5.5]))
def test_a_volume_belongs_to_the_one_event_that_holds_its_middle(spans, seconds, delay):
    owner = owners(spans, 30, seconds, delay)
    for volume in range(30):
        middle = (volume + 0.5) * seconds - delay
        holding = [i for i, (onset, length) in enumerate(spans) if onset - 1e-9 <= middle < onset + length - 1e-9]
        assert owner[volume] == (holding[0] if len(holding) == 1 else -1)


def test_events_that_touch_by_a_rounding_error_share_no_volume():
    thirds = [(i * 0.1 * 3, 0.3) for i in range(10)]  # 0.30000000000000004 and the like
    assert owners(thirds, 30, 0.1).tolist() == [i // 3 for i in range(30)]


@settings(max_examples=150, deadline=None)
@given(
    owner=st.lists(st.integers(-1, 4), min_size=1, max_size=25).map(np.array),
    labels=st.lists(st.sampled_from("ab"), min_size=5, max_size=5),
    length=st.integers(1, 6),
    dilation=st.integers(1, 3),
)
def test_windows_speak_for_what_counting_by_hand_finds(owner, labels, length, dilation):
    pure = window_owners(owner, labels, length, dilation, "pure")
    majority = window_owners(owner, labels, length, dilation, "majority")
    assert len(pure) == len(majority) == max(0, len(owner) - (length - 1) * dilation)
    for start, (alone, most) in enumerate(zip(pure, majority, strict=True)):
        inside = [int(owner[start + k * dilation]) for k in range(length)]
        assert alone == (inside[0] if len(set(inside)) == 1 else -1)
        counts = Counter("" if event < 0 else labels[event] for event in inside)
        (label, top), *others = counts.most_common()
        if not label or any(count == top for _, count in others):
            assert most == -1
        else:
            own = Counter(event for event in inside if event >= 0 and labels[event] == label)
            assert labels[most] == label
            assert most == min(event for event, count in own.items() if count == max(own.values()))


@settings(max_examples=100, deadline=None)
@given(
    blocks=st.lists(st.tuples(st.integers(-1, 1), st.integers(1, 9)), min_size=1, max_size=6),
    length=st.integers(1, 5),
    rule=st.sampled_from(["pure", "majority"]),
    stride=st.integers(1, 6),
)
def test_tiles_show_every_event_that_has_a_window_and_only_windows_that_speak_for_it(blocks, length, rule, stride):
    owner = np.repeat([-1 if kind < 0 else i for i, (kind, _) in enumerate(blocks)], [n for _, n in blocks])
    labels = [str(kind) for kind, _ in blocks]
    speaks_for = window_owners(owner, labels, length, 1, rule)
    chosen = tiles(speaks_for, rule, stride)
    assert all(speaks_for[tile.start] == tile.event for tile in chosen)
    assert {tile.event for tile in chosen} == set(speaks_for.tolist()) - {-1}
    assert [tile.start for tile in chosen] == sorted({tile.start for tile in chosen})


def test_majority_windows_tile_the_series_and_a_short_event_has_its_middle_one():
    owner = np.array([0] * 8 + [1] * 3 + [2] * 9)
    speaks_for = window_owners(owner, ["a", "b", "c"], 4, 1, "majority")
    assert speaks_for.tolist() == [0] * 6 + [-1, 1, 1, -1] + [2] * 7  # two volumes against two is no majority
    found = tiles(speaks_for, "majority", 4)
    assert [(tile.start, tile.event) for tile in found] == [(0, 0), (4, 0), (8, 1), (12, 2), (16, 2)]
    found = tiles(speaks_for, "majority", 5)
    assert [(tile.start, tile.event) for tile in found] == [(0, 0), (5, 0), (8, 1), (10, 2), (15, 2), (16, 2)]


def window(**more) -> Window:
    return Window(length=4, **more)


@pytest.mark.parametrize("rule", ["pure", "majority"])
def test_lost_events_are_those_without_a_window(rule):
    spans, labels = [(0.0, 8.0), (8.0, 1.0), (10.0, 8.0), (40.0, 8.0)], ["a", "b", "a", "b"]
    assert lost_events(spans, labels, 20, 1.0, window(labels=rule)) == [1, 3]  # too short, after the end


def test_events_that_lose_their_majority_to_left_out_ones_are_left_out_too():
    # 3 volumes of a, then 2 of b and 2 of c: without b and c, whose time has no label then, a has 3 of 6 and no majority.
    spans, labels = [(0.0, 3.0), (3.0, 2.0), (5.0, 1.0)], ["a", "b", "c"]
    six = Window(length=6, labels="majority")
    owner = owners(spans, 6, 1.0)
    assert window_owners(owner, labels, 6, 1, "majority").tolist() == [0]
    assert lost_events(spans, labels, 6, 1.0, six) == [0, 1, 2]
