"""Changes in time: exact on ramps and impulses, the label and the shape untouched, what comes in truly there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxtempo.augment.drift import Drift
from voxtempo.augment.motion import Motion, random_walk
from voxtempo.augment.spike import Spike
from voxtempo.augment.stack import Stack
from voxtempo.augment.time_crop import TimeCrop
from voxtempo.augment.time_reversal import TimeReversal
from voxtempo.augment.time_shift import TimeShift
from voxtempo.augment.time_stretch import TimeStretch
from voxtempo.augment.volume_dropout import VolumeDropout
from voxtempo.cohort.study import Sample
from voxtempo.feed import Batches, FeedCase, Voxels, make_sampler

EVERY = (TimeShift, TimeStretch, TimeCrop, VolumeDropout, TimeReversal, Drift, Spike, Motion)


def ramp(frames: int = 10, channels: int = 2) -> np.ndarray:
    """A window whose value is its time, plus 100 a channel."""
    base = np.arange(frames, dtype=np.float32)[:, None, None, None, None]
    return np.broadcast_to(base + 100 * np.arange(channels, dtype=np.float32), (frames, 5, 4, 3, channels)).copy()


@pytest.mark.parametrize("kind", EVERY)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), frames=st.integers(1, 7), depth=st.integers(1, 3))
def test_shape_type_and_arguments_survive(kind, seed: int, frames: int, depth: int) -> None:
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(frames, 6, 5, depth, 2)).astype(np.float32)
    kept = image.copy()
    label = np.ones((6, 5, depth), np.int32)
    params = kind().draw(rng, image.shape[1:4], (3, 3, 3))
    out, moved = kind().apply(image, label, params)
    again, _ = kind().apply(image, label, params)
    assert out.shape == image.shape
    assert out.dtype == np.float32
    assert np.isfinite(out).all()
    np.testing.assert_array_equal(out, again)
    np.testing.assert_array_equal(image, kept)
    assert moved is label


def test_a_shift_moves_time_and_repeats_the_edge() -> None:
    out, _ = TimeShift().apply(ramp(), None, {"shift": 2})
    np.testing.assert_array_equal(out[:, 0, 0, 0, 0], [2, 3, 4, 5, 6, 7, 8, 9, 9, 9])


def test_speed_stretches_about_the_middle() -> None:
    out, _ = TimeStretch().apply(ramp(9), None, {"factor": 0.5})
    np.testing.assert_allclose(out[:, 0, 0, 0, 1], 100 + 4 + (np.arange(9) - 4) * 0.5)
    assert TimeStretch(factor=(0.8, 1.25)).reach_in_time(9) == 1
    assert TimeStretch(factor=(0.8, 1.0)).reach_in_time(9) == 0


def test_a_crop_hides_the_rest_behind_the_mean_of_what_is_shown() -> None:
    out, _ = TimeCrop().apply(ramp(), None, {"share": 0.4, "start": 1.0})
    np.testing.assert_allclose(out[:, 1, 1, 1, 0], [7.5] * 6 + [6, 7, 8, 9])


def test_lost_volumes_are_held_or_averaged() -> None:
    params = {"share": 0.3, "fill": "previous", "seed": 1}
    held = VolumeDropout().apply(ramp(), None, params)[0][:, 0, 0, 0, 0]
    mean = VolumeDropout().apply(ramp(), None, params | {"fill": "mean"})[0][:, 0, 0, 0, 0]
    lost = np.flatnonzero(mean != np.arange(10))
    left = np.setdiff1d(np.arange(10), lost)
    assert len(lost) == 3
    np.testing.assert_allclose(mean[lost], left.mean())
    np.testing.assert_array_equal(held[left], left)
    assert all(held[i] == max([j for j in left if j < i], default=left[0]) for i in lost)


def test_reversal_turns_time_around_and_is_not_in_the_default_stack() -> None:
    out, _ = TimeReversal().apply(ramp(), None, {})
    np.testing.assert_array_equal(out, ramp()[::-1])


def test_drift_is_slow_has_the_size_asked_for_and_keeps_the_mean() -> None:
    rng = np.random.default_rng(0)
    image = rng.normal(size=(30, 6, 5, 4, 1)).astype(np.float32)
    params = Drift().draw(rng, image.shape[1:4], (1, 1, 1)) | {"amount": 0.5}
    added = Drift().apply(image, None, params)[0] - image
    assert np.abs(added).max() == pytest.approx(0.5 * image.std(), rel=1e-3)
    np.testing.assert_allclose(added.mean(axis=0), 0, atol=1e-5)
    courses = added.reshape(30, -1)
    fitted = np.polynomial.polynomial.polyfit(np.linspace(-1, 1, 30), courses, 2)
    np.testing.assert_allclose(np.polynomial.polynomial.polyval(np.linspace(-1, 1, 30), fitted).T, courses, atol=1e-4)


def test_spikes_hit_only_what_they_name() -> None:
    image = np.random.default_rng(0).normal(size=(5, 4, 4, 3, 1)).astype(np.float32)
    hits = [{"time": 0.5, "shift": 2.0, "slice": 1}, {"time": 0.99, "shift": -1.0, "slice": None}]
    change = Spike().apply(image, None, {"hits": hits})[0] - image
    expected = np.zeros_like(image)
    expected[2, :, :, 1] = 2 * image.std()
    expected[4] = -image.std()
    np.testing.assert_allclose(change, expected, atol=1e-5)


def test_motion_moves_volumes_by_a_centred_walk() -> None:
    walk = random_walk(20, 3)
    np.testing.assert_allclose(walk.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(np.abs(walk).max(axis=0), 1)
    x = np.arange(24, dtype=np.float32)
    image = np.broadcast_to(x[None, :, None, None, None], (20, 24, 8, 8, 1)).copy()
    out, _ = Motion().apply(image, None, {"translation": 2.0, "rotation": 0.0, "spacing": [2.0, 2.0, 2.0], "seed": 3})
    np.testing.assert_allclose(out[:, 12, 4, 4, 0], 12 - walk[:, 0], atol=1e-4)  # content moves by +mm / 2 voxels


def test_what_is_shifted_in_comes_from_the_series() -> None:
    series = np.arange(40, dtype=np.float32).reshape(40, 1, 1, 1, 1) * np.ones((1, 2, 2, 2, 1), np.float32)
    case = FeedCase("s", Voxels(series), (1, 1, 1), target=0, repetition_time=2.0)
    stack = Stack((TimeShift(volumes=3), TimeStretch(factor=(0.8, 1.2))))
    sampler = make_sampler(Sample.model_validate({"window": {"length": 8}}), (2, 2, 2))
    batches = Batches(
        [case], sampler, batch=1, kind="series", task="classify", augment=stack, spare=stack.reach_in_time(8), workers=0
    )
    inside = [
        np.diff(batch.image[0, :, 0, 0, 0, 0])
        for batch in batches.epoch(0, steps=40)
        if batch.positions[0][1].frames[0] >= 4
        and batch.positions[0][1].frames[-1] <= 35  # at its ends a series repeats
    ]
    assert len(inside) > 15
    assert all(np.allclose(d, d[0], atol=1e-4) for d in inside)
    assert len({round(float(d[0]), 3) for d in inside}) > 5
