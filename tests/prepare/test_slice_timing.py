from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from voxtempo.errors import StudyError
from voxtempo.prepare import build_steps, run_steps, time_shift
from voxtempo.prepare.slice_timing import ordered_times
from voxtempo.scans import Geometry, Scan
from voxtempo.scans.room import room

T, TR = 120, 2.0
SHAPE = (3, 2, 6)


def course(seconds, voxels=6, seed=0):
    """Band-limited signals (up to 0.1 Hz, two fifths of what volumes can show), at any time."""
    rng = np.random.default_rng(seed)
    frequency, phase = rng.uniform(0.01, 0.1, (3, voxels)), rng.uniform(0, 6, (3, voxels))
    return 500 + 20 * np.sin(2 * np.pi * frequency * np.asarray(seconds)[..., None, None] + phase).sum(axis=-2)


def acquired(times, **changes) -> Scan:
    moments = np.arange(T)[:, None] * TR + np.array(times)
    data = course(moments).reshape(T, len(times), 3, 2).transpose(0, 2, 3, 1)[..., None]
    geometry = Geometry.from_spacing((3, 2, len(times)), (3, 3, 4))
    return Scan(data.astype(np.float32), geometry, TR, source="bold.nii", **changes)


def corrected(scan, options=None):
    result, (decision,) = run_steps(scan, build_steps([{"slice_timing": options or {}}]))
    return result, decision


@pytest.mark.parametrize(("interpolation", "tolerance"), [("spline", 0.5), ("sinc", 0.12)])
@pytest.mark.parametrize("order", ["ascending", "descending", "interleaved", "interleaved_even", "siemens"])
def test_what_was_sampled_at_slice_times_comes_back_at_one_time(order, interpolation, tolerance):
    times = ordered_times(6, TR, order)
    scan = acquired(times)
    for reference, moment in (("middle", (min(times) + max(times)) / 2), ("first", 0.0)):
        result, decision = corrected(scan, {"order": order, "reference": reference, "interpolation": interpolation})
        truth = course(np.arange(T)[:, None] * TR + np.full(6, moment)).reshape(T, 6, 3, 2).transpose(0, 2, 3, 1)
        middle = slice(8, -8)
        assert np.abs(scan.volume(0) - truth[0]).max() > 3  # there is something to correct
        np.testing.assert_allclose(result.data[middle, ..., 0], truth[middle], atol=tolerance)
        assert np.abs(result.data[..., 0] - truth).max() < 30  # of 500 +- 60, where the series begins and ends
        assert decision == {"times": list(times), "reference": moment}
        assert result.slice_times == ()


def test_the_spline_is_the_cubic_spline_through_the_samples():
    times = (0.3, 1.7, 0.9)
    scan = acquired(times)
    result, _ = corrected(scan, {"times": times})
    grid = np.arange(T) * TR
    for z, time in enumerate(times):
        theirs = CubicSpline(grid + time, scan.data[..., z, 0].astype(np.float64))(grid + 1.0)
        np.testing.assert_allclose(result.data[15:-15, ..., z, 0], theirs[15:-15], atol=1e-3)


def test_times_come_from_the_sidecar_unless_the_study_gives_them():
    times = (1.5, 0.5, 1.0, 0.0)
    scan = acquired(times, slice_times=times)
    told, decision = corrected(scan)
    assert decision["times"] == list(times)
    given, _ = corrected(replace(scan, slice_times=()), {"times": times})
    np.testing.assert_array_equal(told.data, given.data)
    other, decision = corrected(scan, "ascending")
    assert decision["times"] == [0.0, 0.5, 1.0, 1.5]
    assert np.abs(other.data - told.data).max() > 1


def test_orders_are_those_of_scanners():
    assert np.argsort(ordered_times(6, 1, "interleaved")).tolist() == [0, 2, 4, 1, 3, 5]
    assert np.argsort(ordered_times(6, 1, "interleaved_even")).tolist() == [1, 3, 5, 0, 2, 4]
    assert ordered_times(6, 1, "siemens") == ordered_times(6, 1, "interleaved_even")
    assert ordered_times(7, 1, "siemens") == ordered_times(7, 1, "interleaved")
    assert ordered_times(4, 2.0, "descending") == (1.5, 1.0, 0.5, 0.0)
    banded = ordered_times(12, 3.0, "interleaved", multiband=4)
    assert banded == (0.0, 2.0, 1.0) * 4


def test_an_image_at_one_time_and_a_constant_are_left_alone():
    scan = acquired((0.7,) * 5)
    result, _ = corrected(scan, {"times": [0.7] * 5, "interpolation": "sinc"})
    np.testing.assert_allclose(result.data, scan.data, atol=1e-3)
    flat = scan.with_data(np.full((T, 3, 2, 5, 1), 700, np.int16))
    for interpolation in ("spline", "sinc"):
        result, _ = corrected(flat, {"order": "ascending", "interpolation": interpolation})
        np.testing.assert_allclose(result.data, 700, rtol=1e-5)


def test_channels_and_blocks_are_worked_on_alike(monkeypatch):
    one = acquired(ordered_times(6, TR, "ascending"))
    two = replace(one, data=np.concatenate([one.data, 2 * one.data], axis=-1), channels=())
    expected, _ = corrected(one, "ascending")
    monkeypatch.setattr(time_shift, "room", lambda shape, dtype: room(shape, dtype, in_memory=0))
    shift = (1.0 - np.array(ordered_times(6, TR, "ascending")) - 1 / 6) / TR
    result = time_shift.shift_in_time(two.data, shift, "spline", values=1000)
    assert isinstance(result, np.memmap)
    np.testing.assert_allclose(result[..., 0], expected.data[..., 0], rtol=1e-5)
    np.testing.assert_allclose(result[..., 1], 2 * expected.data[..., 0], rtol=1e-5)


def test_what_cannot_be_is_refused():
    scan = acquired(ordered_times(6, TR, "ascending"))
    with pytest.raises(StudyError, match=r"bold\.nii.*knows no slice times.*Give 'order'"):
        corrected(scan)
    with pytest.raises(StudyError, match=r"'times' for 3 slices, but there are 6"):
        corrected(scan, {"times": [0, 1, 2]})
    with pytest.raises(StudyError, match=r"a slice 1500 s after the start.*2 s apart"):
        corrected(scan, {"times": [0, 300, 600, 900, 1200, 1500]})
    with pytest.raises(StudyError, match="'multiband: 4', but 6 slices"):
        corrected(scan, {"order": "ascending", "multiband": 4})
    with pytest.raises(StudyError, match="needs the repetition time"):
        corrected(replace(scan, repetition_time=None), "ascending")
    with pytest.raises(StudyError, match="both 'order' and 'times'"):
        build_steps([{"slice_timing": {"order": "ascending", "times": [0, 1]}}])
    with pytest.raises(StudyError, match="there is no 'order'"):
        build_steps([{"slice_timing": {"multiband": 2}}])


def test_it_stands_before_what_moves_voxels():
    for earlier in ("orient", "motion", {"resample": 3.0}):
        with pytest.raises(
            StudyError, match=r"'slice_timing' comes after '\w+', which moves voxels.*Put 'slice_timing'"
        ):
            build_steps([earlier, {"slice_timing": "ascending"}])
    build_steps([{"motion": {"realign": False}}, {"slice_timing": "ascending"}, "motion", "orient"])
