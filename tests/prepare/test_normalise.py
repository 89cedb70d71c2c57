from __future__ import annotations

import json
import tracemalloc
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from voxtempo.errors import ScanError, StudyError
from voxtempo.prepare import build_steps, intensity, normalise, run_steps
from voxtempo.scans import Geometry, Scan
from voxtempo.scans.room import room


def normalised(data, **options):
    scan = Scan(data, Geometry.from_spacing(data.shape[1:4]), 2.0 if data.shape[0] > 1 else None, source="a.nii")
    result, (decision,) = run_steps(scan, build_steps([{"normalise": options}]))
    return result.data, decision


@pytest.fixture
def head() -> np.ndarray:
    """Two channels: a head of 400 +- 50 (and ten times it) in air of 0 to 10."""
    rng = np.random.default_rng(0)
    data = rng.uniform(0, 10, (1, 16, 16, 16, 2)).astype(np.float32)
    data[:, 4:12, 4:12, 4:12] = rng.normal(400, 50, (1, 8, 8, 8, 2))
    data[..., 1] *= 10
    return data


def test_zscore_is_per_channel(head):
    result, _ = normalised(head)
    for c in range(2):
        np.testing.assert_allclose(
            result[..., c].ravel(), stats.zscore(head[..., c].ravel().astype(np.float64)), atol=1e-5
        )


def test_within_foreground_takes_the_head_for_measure(head):
    result, decision = normalised(head, within="foreground")
    inside = result[:, 4:12, 4:12, 4:12]
    np.testing.assert_allclose(inside.mean(axis=(0, 1, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(inside.std(axis=(0, 1, 2, 3)), 1, atol=1e-4)
    assert result[0, 0, 0, 0, 0] < -5  # air is far below
    assert decision["channels"][1]["centre"] == pytest.approx(4000, rel=0.02)


def test_within_mask_leaves_zeros_zero(head):
    head[:, :4] = 0
    result, _ = normalised(head, within="mask")
    assert (result[:, :4] == 0).all()
    np.testing.assert_allclose(result[:, 4:, ..., 0].mean(), 0, atol=1e-5)


def test_percentile_minmax_robust_and_scale(head):
    one = head[..., :1]
    result, _ = normalised(one, method="percentile", percentiles=[5, 90])
    np.testing.assert_allclose(np.percentile(result, [5, 90]), [0, 1], atol=1e-5)
    assert result.max() > 1  # nothing is clipped unasked
    result, _ = normalised(one, method="minmax")
    assert (result.min(), result.max()) == (0, 1)
    result, _ = normalised(one, method="robust", within="foreground")
    inside = result[:, 4:12, 4:12, 4:12]
    assert np.median(inside) == pytest.approx(0, abs=1e-5)
    assert stats.iqr(inside, scale="normal") == pytest.approx(1, abs=1e-4)
    result, _ = normalised(one, method="scale", offset=100, factor=0.5)
    np.testing.assert_allclose(result, (one - 100) * 0.5, rtol=1e-5)


def test_clip_cuts_spikes_off_first(head):
    one = head[..., :1].copy()
    one[0, 0, 0, 0, 0] = 1e6
    result, decision = normalised(one, method="minmax", clip=[0, 99.9])
    assert decision["channels"][0]["clip"][1] < 1000
    assert (result.min(), result.max()) == (0, 1)
    assert result[0, 4:12, 4:12, 4:12].mean() > 0.5


@pytest.mark.parametrize("method", ["zscore", "robust", "percentile", "minmax"])
@pytest.mark.parametrize("value", [0.0, 1000.1, -3e-5, 3e7])
def test_a_constant_image_becomes_zero(method, value):
    for within in ("all", "foreground", "mask"):
        result, _ = normalised(np.full((1, 5, 5, 5, 1), value, np.float32), method=method, within=within)
        assert (result == 0).all()


def test_no_spread_among_many_equal_voxels_is_an_error_with_a_way_out():
    data = np.zeros((1, 10, 10, 10, 1), np.float32)
    data[0, 0, 0] = 5
    with pytest.raises(ScanError, match=r"a\.nii.*finds no spread.*within: mask"):
        normalised(data, method="robust")


@pytest.mark.parametrize("options", [{"method": "robust"}, {"method": "robust", "clip": [1, 99]}])
def test_a_stripped_head_is_not_told_to_cut_off_outliers(options):
    data = np.zeros((1, 20, 20, 20, 1), np.float32)
    data[0, 5:13, 5:16, 5:15, 0] = np.random.default_rng(0).normal(500, 50, (8, 11, 10))
    with pytest.raises(ScanError, match=r"finds no spread.*within: mask"):
        normalised(data, **options)


def test_one_far_voxel_is_told_apart_from_many_equal_ones():
    data = np.random.default_rng(0).normal(0, 1, (1, 20, 20, 20, 1)).astype(np.float32)
    data[0, 3, 3, 3] = 1e12
    with pytest.raises(ScanError, match=r"a few voxels of .* reach from .* Cut them off with 'clip: \[1, 99\]'"):
        normalised(data, method="robust")


@settings(max_examples=25, deadline=None)
@given(volumes=st.integers(3, 30), level=st.floats(-1e4, 1e4), seed=st.integers(0, 100))
def test_over_time_every_voxel_has_mean_0_and_deviation_1(volumes, level, seed):
    data = np.random.default_rng(seed).normal(level, 10, (volumes, 3, 3, 3, 2)).astype(np.float32)
    data[:, 0, 0, 0] = level
    result, decision = normalised(data, axis="time")
    expected = stats.zscore(data[:, 1:].astype(np.float64), axis=0)
    np.testing.assert_allclose(result[:, 1:], expected, atol=1e-4)
    assert (result[:, 0, 0, 0] == 0).all()
    assert decision == {}


def test_over_time_minmax_and_clip():
    data = np.random.default_rng(0).normal(0, 1, (50, 4, 4, 4, 1)).astype(np.float32)
    result, _ = normalised(data, axis="time", method="minmax", clip=[5, 95])
    np.testing.assert_allclose(result.min(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(result.max(axis=0), 1, atol=1e-6)
    assert ((result == 1).sum(axis=0) >= 2).all()


def test_over_time_needs_time():
    with pytest.raises(StudyError, match=r"a\.nii.*'normalise'.*single volume"):
        normalised(np.ones((1, 3, 3, 3, 1), np.float32), axis="time")


def test_nan_is_named_and_fill_nan_mends_it():
    data = np.random.default_rng(0).normal(5, 1, (1, 4, 4, 4, 1)).astype(np.float32)
    data[0, 0, 0, :2, 0] = np.nan, np.inf
    with pytest.raises(ScanError, match=r"a\.nii: 2 of 64 voxels.*fill_nan"):
        normalised(data)
    scan = Scan(data, Geometry.from_spacing((4, 4, 4)))
    result, (decision, _) = run_steps(scan, build_steps([{"fill_nan": 5}, "normalise"]))
    assert decision == {"replaced": 2}
    assert np.isfinite(result.data).all()


@pytest.mark.parametrize("method", ["zscore", "robust", "percentile", "minmax"])
def test_over_time_what_lies_outside_stays_zero(method):
    rng = np.random.default_rng(0)
    data = rng.uniform(0, 10, (30, 10, 10, 10, 2)).astype(np.float32)
    data[:, 3:7, 3:7, 3:7] = rng.normal(500, 20, (30, 4, 4, 4, 2))
    everywhere, _ = normalised(data, axis="time", method=method)
    result, decision = normalised(data, axis="time", method=method, within="foreground")
    np.testing.assert_array_equal(result[:, 3:7, 3:7, 3:7], everywhere[:, 3:7, 3:7, 3:7])
    result[:, 3:7, 3:7, 3:7] = 0
    assert (result == 0).all()
    assert (everywhere[:, :3].std(axis=0) > 0.1).all()  # without it, air has the weight of brain
    assert decision == {"voxels": [64, 64]}
    data[:, :5] = 0
    result, decision = normalised(data, axis="time", method=method, within="mask")
    assert (result[:, :5] == 0).all()
    assert (result[:, 5:].std(axis=0) > 0.1).all()
    assert decision == {"voxels": [500, 500]}


def test_the_foreground_of_a_series_without_its_mean_is_refused():
    data = np.random.default_rng(0).normal(0, 10, (30, 6, 6, 6, 1)).astype(np.float32)
    data -= data.mean(axis=0)
    with pytest.raises(ScanError, match=r"a\.nii.*'normalise' seeks the foreground.*taken off"):
        normalised(data, axis="time", within="foreground")


@pytest.mark.parametrize("options", [
    {"method": "zscore"}, {"method": "zscore", "clip": [1, 99]}, {"method": "robust", "within": "foreground"},
    {"method": "percentile", "within": "mask"}, {"method": "minmax"}, {"axis": "time", "method": "robust"},
    {"axis": "time", "within": "foreground"},
])  # fmt: skip
def test_a_long_series_needs_no_memory_of_its_length(options, monkeypatch):
    rng = np.random.default_rng(0)
    data = rng.normal(20, 5, (400, 12, 12, 12, 1)).astype(np.float32)
    data[:, 3:9, 3:9, 3:9] += 500
    expected, said = normalised(data, **options)
    monkeypatch.setattr(normalise, "room", partial(room, in_memory=0))
    monkeypatch.setattr(intensity, "room", partial(room, in_memory=0))
    monkeypatch.setattr(normalise, "BLOCK", 20_000)
    monkeypatch.setattr(intensity, "BLOCK", 20_000)
    tracemalloc.start()
    try:
        result, decision = normalised(data, **options)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)
    assert json.dumps(decision)[:40] == json.dumps(said)[:40]
    assert peak < data.nbytes / 2
