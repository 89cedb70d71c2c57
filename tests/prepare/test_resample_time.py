from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from voxtempo.errors import StudyError
from voxtempo.prepare import build_steps, run_steps, time_grid
from voxtempo.prepare.time_grid import TimeGrid
from voxtempo.scans import Geometry, Scan
from voxtempo.scans.room import room


def scan_of(courses, repetition_time=2.0, **changes) -> Scan:
    data = np.asarray(courses, np.float32).reshape(len(courses), -1, 1, 1, 1)
    return Scan(data, Geometry.from_spacing(data.shape[1:4]), repetition_time, source="cine.nii", **changes)


def resampled(scan, options):
    (step,) = build_steps([{"resample_time": options}])
    result, (decision,) = run_steps(scan, [step])
    assert (result.volumes, result.repetition_time) == step.foresee_time(scan.volumes, scan.repetition_time)
    assert decision == {"volumes": result.volumes, "repetition_time": result.repetition_time}
    return result


def noise(volumes, voxels=5, seed=0):
    return np.random.default_rng(seed).normal(100, 10, (volumes, voxels))


@pytest.mark.parametrize(("volumes", "wanted"), [(20, 40), (20, 33), (7, 50), (20, 20)])
def test_more_volumes_are_the_cubic_spline_of_scipy(volumes, wanted):
    courses = noise(volumes)
    ours = resampled(scan_of(courses), {"volumes": wanted}).data.reshape(wanted, -1)
    places = (np.arange(wanted) + 0.5) * volumes / wanted - 0.5
    theirs = [map_coordinates(c.astype(np.float64), [places], order=3, mode="reflect") for c in courses.T]
    np.testing.assert_allclose(ours, np.transpose(theirs), atol=1e-3)


def test_a_periodic_series_is_a_circle():
    courses = noise(12)
    ours = resampled(scan_of(courses, None), {"volumes": 30, "periodic": True}).data.reshape(30, -1)
    theirs = [map_coordinates(c, [np.arange(30) * 0.4], order=3, mode="grid-wrap") for c in courses.T]
    np.testing.assert_allclose(ours, np.transpose(theirs), atol=1e-3)
    np.testing.assert_allclose(ours[0], courses[0], atol=1e-3)  # the first phase stays the first
    turned = resampled(scan_of(np.roll(courses, 2, axis=0), None), {"volumes": 30, "periodic": True})
    np.testing.assert_allclose(turned.data.reshape(30, -1), np.roll(ours, 5, axis=0), atol=1e-3)
    beat = np.cos(2 * np.pi * np.arange(25) / 25)[:, None]
    fewer = resampled(scan_of(beat, None), {"volumes": 10, "periodic": True}).data.ravel()
    np.testing.assert_allclose(fewer, np.cos(2 * np.pi * np.arange(10) / 10), atol=0.01)


@pytest.mark.parametrize(("seconds", "wanted"), [(1.0, 240), (0.7, 342), (2.0, 120), (3.0, 80), (5.5, 43)])
def test_slow_signals_come_back_at_their_new_moments(seconds, wanted):
    middles = (np.arange(120) + 0.5) * 2.0
    result = resampled(scan_of(50 + 10 * np.sin(2 * np.pi * 0.03 * middles)[:, None]), seconds)
    assert (result.volumes, result.repetition_time) == (wanted, seconds)
    new = (np.arange(wanted) + 0.5) * seconds
    inside = (new > 60) & (new < 180)
    truth = 50 + 10 * np.sin(2 * np.pi * 0.03 * new)
    np.testing.assert_allclose(result.data.ravel()[inside], truth[inside], atol=0.1)
    assert np.abs(result.data.ravel() - truth).max() < 4  # mirrored ends


def test_what_is_too_fast_for_slower_sampling_does_not_come_back_as_an_alias():
    middles = (np.arange(200) + 0.5) * 1.0
    for fast in (0.2, 0.3, 0.45):  # new volumes every 4 s show 0.125 Hz at most
        result = resampled(scan_of(np.sin(2 * np.pi * fast * middles)[:, None], 1.0), 4.0)
        assert np.abs(result.data[6:-6]).max() < 0.02


@settings(max_examples=40, deadline=None)
@given(volumes=st.integers(2, 60), ratio=st.floats(0.2, 5), level=st.floats(-1e4, 1e4))
def test_constants_stay_and_nothing_is_extrapolated_far(volumes, ratio, level):
    wanted = int(volumes / ratio)
    if wanted < 1:
        return
    grid = TimeGrid(volumes, wanted, ratio)
    assert grid.positions.min() >= -0.5
    assert grid.positions.max() <= volumes - 0.5
    result = grid.resample(np.full((volumes, 2, 1, 1, 1), level, np.float32))
    np.testing.assert_allclose(result, np.float32(level), rtol=1e-5, atol=1e-5)


def test_confounds_change_along():
    t = np.arange(40)
    confounds = {
        "trans_x": 0.05 * t,
        "framewise_displacement": np.concatenate([[np.nan], np.full(39, 0.2)]),
        "motion_outlier00": (t == 20).astype(float),
        "empty": np.full(40, np.nan),
    }
    scan = scan_of(noise(40), confounds=confounds)
    faster = resampled(scan, 1.0).confounds
    np.testing.assert_allclose(faster["trans_x"][4:-4], 0.05 * (0.5 * np.arange(80) - 0.25)[4:-4], atol=1e-3)
    assert np.isnan(faster["framewise_displacement"]).tolist() == [True] * 2 + [False] * 78
    np.testing.assert_allclose(faster["framewise_displacement"][2:], 0.2, rtol=1e-6)
    assert np.flatnonzero(faster["motion_outlier00"]).tolist() == [40, 41]
    assert np.isnan(faster["empty"]).all()
    slower = resampled(scan, 6.0).confounds
    assert np.flatnonzero(slower["motion_outlier00"]).tolist() == [6]
    assert all(course.shape == (13,) for course in slower.values())


def test_slice_times_go_and_blocks_change_nothing(monkeypatch):
    scan = replace(scan_of(noise(50, 40)), slice_times=(0.5,))
    expected = resampled(scan, 3.0)
    assert expected.slice_times == ()
    monkeypatch.setattr(time_grid, "room", lambda shape, dtype: room(shape, dtype, in_memory=0))
    parts = TimeGrid(50, 33, 1.5).resample(scan.data, values=300)
    assert isinstance(parts, np.memmap)
    np.testing.assert_allclose(parts, expected.data, rtol=1e-5)


def test_what_cannot_be_is_refused():
    with pytest.raises(StudyError, match="either 'repetition_time'"):
        build_steps([{"resample_time": {"repetition_time": 2, "volumes": 20}}])
    with pytest.raises(StudyError, match="either 'repetition_time'"):
        build_steps(["resample_time"])
    with pytest.raises(StudyError, match="give 'volumes' instead"):
        build_steps([{"resample_time": {"repetition_time": 2, "periodic": True}}])
    with pytest.raises(StudyError, match=r"cine\.nii.*every 100 s, but the whole series lasts 40 s"):
        resampled(scan_of(noise(20)), 100)
    with pytest.raises(StudyError, match="needs the repetition time"):
        resampled(scan_of(noise(20), None), 1.0)
    with pytest.raises(StudyError, match="single volume"):
        resampled(scan_of(noise(1)), 1.0)
