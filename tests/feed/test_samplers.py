from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxtempo.cohort.study import Sample
from voxtempo.errors import StudyError
from voxtempo.feed import (
    FeedCase,
    LabelMap,
    PatchSampler,
    SliceSampler,
    VolumeSampler,
    Voxels,
    WindowSampler,
    make_sampler,
    read_box,
)
from voxtempo.feed.samplers import patch_starts
from voxtempo.feed.source import read_labels


def numbered(*shape: int) -> Voxels:
    return Voxels(np.arange(np.prod(shape), dtype=np.float32).reshape(shape))


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 7)] * 3),
    start=st.tuples(*[st.integers(-6, 8)] * 3),
    size=st.tuples(*[st.integers(1, 9)] * 3),
)
def test_read_box_equals_padding_the_whole_array(shape, start, size):
    voxels = numbered(2, *shape, 1)
    wide = np.pad(voxels.array, [(0, 0), (20, 20), (20, 20), (20, 20), (0, 0)], constant_values=-1)
    expected = wide[(slice(1, 2), *(slice(20 + s, 20 + s + n) for s, n in zip(start, size, strict=True)))]
    assert np.array_equal(read_box(voxels, (1,), start, size, fill=-1.0), expected)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 7)] * 3),
    start=st.tuples(*[st.integers(-6, 8)] * 3),
    size=st.tuples(*[st.integers(1, 9)] * 3),
    kind=st.sampled_from([np.uint8, np.int16, np.int32]),
)
def test_labels_are_read_as_stored_with_background_around(shape, start, size, kind):
    labels = (1 + np.arange(np.prod(shape))).reshape(1, *shape, 1).astype(kind)
    wide = np.pad(labels[0, ..., 0], 20).astype(np.int32)
    found = read_labels(LabelMap(labels), start, size)
    assert found.dtype == np.int32
    assert np.array_equal(found, wide[tuple(slice(20 + s, 20 + s + n) for s, n in zip(start, size, strict=True))])


def test_read_box_undoes_the_storage_scale():
    stored = Voxels(np.array([1, 2], dtype=np.int16).reshape(1, 2, 1, 1, 1), scale=0.5, offset=10.0)
    assert read_box(stored, (0,), (0, 0, 0), (2, 1, 1)).ravel().tolist() == [10.5, 11.0]


def test_read_box_refuses_times_outside_the_series():
    with pytest.raises(IndexError, match=r"volumes \[1, 2\] of a series of 2"):
        read_box(numbered(2, 1, 1, 1, 1), (1, 2), (0, 0, 0), (1, 1, 1))


@settings(max_examples=60, deadline=None)
@given(frames=st.lists(st.integers(0, 6), min_size=1, max_size=9))
def test_read_box_gives_the_volumes_asked_for_in_their_order(frames):
    voxels = numbered(7, 3, 2, 2, 1)
    assert np.array_equal(read_box(voxels, frames, (1, 0, 0), (2, 2, 1)), voxels.array[frames][:, 1:, :, :1])


@settings(max_examples=100, deadline=None)
@given(length=st.integers(1, 60), patch=st.integers(1, 30), overlap=st.floats(0, 0.9))
def test_patches_cover_every_voxel_with_at_least_the_asked_overlap(length, patch, overlap):
    starts = patch_starts(length, patch, overlap)
    seen = np.zeros(length, dtype=bool)
    for start in starts:
        seen[max(start, 0) : start + patch] = True
    assert seen.all()
    step = max(1, int(patch * (1 - overlap)))
    assert all(b - a <= step for a, b in pairwise(starts))
    assert starts == sorted(set(starts))


@pytest.mark.parametrize("most", [7, 100, 100_000])
def test_places_of_a_label_are_taken_evenly_and_few_are_kept(most: int):
    rng = np.random.default_rng(0)
    mask = rng.choice([0, 1, 4], (1, 13, 11, 9, 1), p=[0.5, 0.3, 0.2]).astype(np.uint8)
    case = FeedCase("c", numbered(1, 13, 11, 9, 1), (1, 1, 1), mask=LabelMap(mask))
    found = PatchSampler((4, 4, 4), foreground=1.0)._labelled(case, most)
    for value, places in zip((1, 4), found, strict=True):
        every = np.argwhere(mask[0, ..., 0] == value)
        step = -(-len(every) // most)
        np.testing.assert_array_equal(places, every[::step])
        assert len(places) <= most
        assert places.base is None, "a view would keep all places alive"


def test_foreground_patches_hold_the_label_and_every_label_comes_equally_often():
    mask = np.zeros((1, 40, 40, 40, 1), dtype=np.uint8)
    mask[0, 2:4, 2:4, 2:4] = 1  # 8 voxels
    mask[0, 20:36, 20:36, 20:36] = 2  # 4096 voxels
    case = FeedCase("c", numbered(1, 40, 40, 40, 1), (1, 1, 1), mask=LabelMap(mask))
    sampler = PatchSampler((8, 8, 8), foreground=1.0)
    rng = np.random.default_rng(0)
    counts = {1: 0, 2: 0}
    for index in range(200):
        position = sampler.draw(case, index, rng)
        label = sampler.read(case, position)[1]
        present = set(np.unique(label)) - {0}
        assert present, "a foreground patch without foreground"
        for value in present:
            counts[value] += 1
    assert 70 <= counts[1] <= 130


def test_no_foreground_means_uniform_patches():
    mask = np.zeros((1, 40, 4, 4, 1), dtype=np.uint8)
    mask[0, 39] = 1
    case = FeedCase("c", numbered(1, 40, 4, 4, 1), (1, 1, 1), mask=LabelMap(mask))
    rng = np.random.default_rng(1)
    starts = [PatchSampler((4, 4, 4), foreground=0.0).draw(case, 0, rng).start[0] for _ in range(400)]
    assert min(starts) == 0
    assert max(starts) == 36
    assert 15 < np.mean(starts) < 21


def test_volume_sampler_names_the_case_and_the_way_out_when_a_shape_is_odd():
    case = FeedCase("sub-7", numbered(1, 4, 4, 4, 1), (1, 1, 1))
    with pytest.raises(StudyError, match=r"sub-7 is \(4, 4, 4\).*crop_pad"):
        VolumeSampler((4, 4, 5)).cover(case)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_stacked_again_are_the_volume(axis):
    case = FeedCase("c", numbered(1, 3, 4, 5, 2), (1, 1, 1))
    plane = [n for a, n in enumerate((3, 4, 5)) if a != axis]
    sampler = SliceSampler(axis, (plane[0], plane[1]))
    slices = [sampler.read(case, position)[0][:, :, :, 0] for position in sampler.cover(case)]
    assert np.array_equal(np.stack(slices, axis=1 + axis), case.image.array)


def test_static_samplers_refuse_series():
    with pytest.raises(StudyError, match="series of 30 volumes"):
        VolumeSampler((3, 4, 2)).cover(FeedCase("s", numbered(30, 3, 4, 2, 1), (1, 1, 1)))


def test_make_sampler_follows_the_study():
    assert isinstance(make_sampler(Sample.model_validate({"patch": [4, 4, 4]}), (8, 8, 8)), PatchSampler)
    slices = make_sampler(Sample.model_validate({"slices": {"axis": "x"}}), (3, 4, 5))
    assert isinstance(slices, SliceSampler)
    assert slices.shape == (4, 5)
    window = make_sampler(Sample.model_validate({"window": {"length": 6}}), (3, 4, 5))
    assert isinstance(window, WindowSampler)
    assert (window.stride, window.shape) == (6, (3, 4, 5))
