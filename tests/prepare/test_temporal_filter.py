from __future__ import annotations

import tracemalloc
import warnings
from dataclasses import replace
from functools import partial

import nilearn.signal
import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn.glm.first_level.design_matrix import create_cosine_drift

from voxtempo.errors import StudyError
from voxtempo.prepare import build_steps, projection, run_steps
from voxtempo.prepare.blocks import voxel_blocks
from voxtempo.prepare.drift import drift_columns
from voxtempo.prepare.projection import orthonormal
from voxtempo.scans import Geometry, Scan
from voxtempo.scans.room import room


def drift_basis(*options):
    return orthonormal(drift_columns(*options)).columns


def series(volumes=120, shape=(4, 5, 3), repetition_time=2.0, seed=0) -> Scan:
    rng = np.random.default_rng(seed)
    t = np.arange(volumes)[:, None, None, None, None]
    drift = 1000 + 0.5 * t + 20 * np.sin(t / 40)
    data = (drift + rng.normal(0, 10, (volumes, *shape, 1))).astype(np.float32)
    return Scan(data, Geometry.from_spacing(shape, (3, 3, 4)), repetition_time, source="bold.nii")


def filtered(scan, **options):
    result, (decision,) = run_steps(scan, build_steps([{"temporal_filter": options}]))
    return result.data.reshape(scan.volumes, -1), decision


def test_a_line_agrees_with_scipy():
    scan = series()
    ours, _ = filtered(scan, detrend=1, keep_mean=False)
    theirs = scipy.signal.detrend(scan.data.reshape(120, -1).astype(np.float64), axis=0, type="linear")
    np.testing.assert_allclose(ours, theirs, atol=2e-4)


@pytest.mark.parametrize("order", [0, 2, 5])
def test_polynomials_agree_with_least_squares(order):
    scan = series(90)
    ours, decision = filtered(scan, detrend=order, keep_mean=False)
    design = np.vander(np.linspace(-1, 1, 90), order + 1)
    courses = scan.data.reshape(90, -1).astype(np.float64)
    theirs = courses - design @ np.linalg.lstsq(design, courses, rcond=None)[0]
    np.testing.assert_allclose(ours, theirs, atol=3e-4)
    assert decision == {"regressors": order + 1}


def test_cosines_agree_with_nilearn_signal():
    scan = series(150)
    ours, _ = filtered(scan, detrend=None, high_pass=0.01, keep_mean=False)
    theirs = nilearn.signal.clean(
        scan.data.reshape(150, -1).astype(np.float64), detrend=False, standardize=None, filter="cosine",
        high_pass=0.01, t_r=2.0,
    )  # fmt: skip
    np.testing.assert_allclose(ours, theirs - theirs.mean(axis=0), atol=5e-4)


@pytest.mark.parametrize(
    ("volumes", "tr", "cut"), [(100, 2.0, 0.01), (121, 2.5, 0.008), (40, 0.8, 0.1), (50, 2.0, 0.004)]
)
def test_the_basis_spans_what_nilearn_spans(volumes, tr, cut):
    theirs = create_cosine_drift(cut, np.arange(volumes) * tr)
    ours = drift_basis(volumes, tr, None, cut)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours @ (ours.T @ theirs), theirs, atol=1e-9)
    np.testing.assert_allclose(ours.T @ ours, np.eye(ours.shape[1]), atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(order=st.integers(0, 4), cut=st.sampled_from([None, 0.005, 0.02]), keep=st.booleans(), seed=st.integers(0, 99))
def test_filtering_twice_is_filtering_once_and_means_are_as_asked(order, cut, keep, seed):
    scan = series(60, (2, 2, 2), seed=seed)
    once, _ = filtered(scan, detrend=order, high_pass=cut, keep_mean=keep)
    twice, _ = filtered(scan.with_data(once.reshape(scan.data.shape)), detrend=order, high_pass=cut, keep_mean=keep)
    np.testing.assert_allclose(twice, once, atol=1e-3)
    mean = scan.data.reshape(60, -1).mean(axis=0) if keep else 0
    np.testing.assert_allclose(once.mean(axis=0), mean, atol=1e-3)


def test_single_precision_is_stable_on_a_large_mean():
    scan = series(200)
    small = np.random.default_rng(1).normal(0, 1, scan.data.shape)
    big = scan.with_data((small + 30000).astype(np.float32))
    ours, _ = filtered(big, detrend=2, high_pass=0.01, keep_mean=False)
    rounded = big.data.reshape(200, -1).astype(np.float64)
    basis = drift_basis(200, 2.0, 2, 0.01)
    np.testing.assert_allclose(ours, rounded - basis @ (basis.T @ rounded), atol=2e-4)


def test_what_the_drift_explains_wholly_becomes_exactly_constant():
    t = np.arange(50, dtype=np.float32)[:, None, None, None, None]
    data = np.concatenate([5000 + 3.3 * t, np.full_like(t, 777.7), 0 * t], axis=1)
    scan = Scan(data, Geometry.from_spacing((3, 1, 1)), 1.0)
    removed, _ = filtered(scan, detrend=1, keep_mean=False)
    assert (removed == 0).all()
    kept, _ = filtered(scan, detrend=1, keep_mean=True)
    assert (kept == kept[:1]).all()
    np.testing.assert_allclose(kept[0], [5000 + 3.3 * 24.5, 777.7, 0], rtol=1e-6)


def test_a_series_shorter_than_the_drift_is_refused():
    with pytest.raises(StudyError, match=r"bold\.nii.*8 volumes are too few for a drift of 9 regressors"):
        filtered(series(8), detrend=2, high_pass=0.2)


def clean(courses, **options):
    """nilearn's answer, without its mean, as ours is."""
    with warnings.catch_warnings(action="ignore"):
        theirs = nilearn.signal.clean(courses.astype(np.float64), standardize=None, t_r=2.0, **options)
    return theirs - theirs.mean(axis=0)


def test_a_line_and_cosines_agree_with_nilearn_in_one_projection():
    scan = series(150)
    ours, _ = filtered(scan, detrend=1, high_pass=0.01, keep_mean=False)
    theirs = clean(scan.data.reshape(150, -1), detrend=True, filter="cosine", high_pass=0.01)
    np.testing.assert_allclose(ours, theirs, atol=5e-4)


@pytest.mark.parametrize(("high", "low"), [(None, 0.1), (0.01, 0.1), (0.02, 0.04), (0.01, 5.0)])
def test_a_band_is_nilearns_regression_of_the_cosines_outside_it(high, low):
    scan = series(120)
    ours, decision = filtered(scan, detrend=1, high_pass=high, low_pass=low, keep_mean=False)
    outside = drift_columns(120, 2.0, None, high, low)[:, 1:]
    courses = scan.data.reshape(120, -1)
    theirs = clean(courses, detrend=True, confounds=outside) if outside.size else clean(courses, detrend=True)
    np.testing.assert_allclose(ours, theirs, atol=5e-4)
    assert decision == {"regressors": 2 + outside.shape[1]}


def test_a_limit_on_a_cosine_keeps_it_from_the_fast_and_takes_it_from_the_slow():
    half_periods = np.arange(1, 100) / (2 * 100 * 2.0)  # Hz of the cosines of 100 volumes, 2 s apart
    for high, low in ((0.01, 0.1), (0.0101, 0.0999), (0.05, 0.2)):
        outside = (half_periods <= high + 1e-12) | (half_periods > low + 1e-12)
        assert drift_columns(100, 2.0, None, high, low).shape == (100, 1 + outside.sum())


def test_a_band_keeps_what_lies_in_it_and_nothing_else():
    t = np.arange(200) * 2.0
    inside = np.cos(2 * np.pi * 0.05 * (t + 1.0))  # 40 half periods in 400 s: one of the cosines
    outside = sum(np.sin(2 * np.pi * f * t + f) for f in (0.004, 0.13, 0.2, 0.24))
    courses = (1000 + 5 * inside + 7 * outside + 0.05 * t)[:, None, None, None, None]
    scan = Scan(courses.astype(np.float32), Geometry.from_spacing((1, 1, 1)), 2.0)
    result, _ = filtered(scan, high_pass=0.02, low_pass=0.1)
    middle = slice(20, -20)  # a sinusoid that is none of the cosines leaks where the series ends
    np.testing.assert_allclose(result[middle, 0], courses.mean() + 5 * inside[middle], atol=0.7)
    power = np.abs(np.fft.rfft(result[:, 0] - result.mean())) ** 2
    assert power[np.rint(0.05 * 400).astype(int)] / power.sum() > 0.97


def scrubbed(volumes=100, at=(10, 11, 40), size=400.0):
    scan = series(volumes)
    data = scan.data.copy()
    data[list(at)] += size
    displacement = np.full(volumes, 0.1)
    displacement[0] = np.nan
    displacement[list(at)] = 0.9
    return replace(scan, data=data, confounds={"framewise_displacement": displacement})


def test_scrubbed_volumes_are_left_out_of_the_fit_as_in_nilearn():
    scan, kept = scrubbed(), np.setdiff1d(np.arange(100), [10, 11, 40])
    ours, decision = filtered(scan, detrend=None, high_pass=0.01, scrub=0.5, keep_mean=False)
    theirs = clean(scan.data.reshape(100, -1), detrend=False, filter="cosine", high_pass=0.01, sample_mask=kept)
    np.testing.assert_allclose(ours[kept], theirs, atol=5e-4)
    assert (ours[[10, 11, 40]] == 0).all()
    assert decision == {"regressors": 5, "censored": [10, 11, 40]}


def test_spikes_are_regressors_of_one_volume():
    scan = scrubbed()
    ours, decision = filtered(
        scan, detrend=1, scrub={"framewise_displacement": 0.5, "before": 1, "after": 2}, keep_mean=False
    )
    gone = [9, 10, 11, 12, 13, 39, 40, 41, 42]
    assert decision["censored"] == gone
    spikes = np.eye(100)[:, gone]
    theirs = clean(scan.data.reshape(100, -1), detrend=True, confounds=spikes)
    np.testing.assert_allclose(ours, theirs, atol=5e-4)


def test_scrubbed_volumes_can_be_interpolated_and_means_are_those_of_the_others():
    scan, kept = scrubbed(), np.setdiff1d(np.arange(100), [10, 11, 40])
    ours, _ = filtered(scan, scrub={"framewise_displacement": 0.5, "fill": "interpolate"})
    np.testing.assert_allclose(ours[kept].mean(axis=0), scan.data.reshape(100, -1)[kept].mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(ours[10], (2 * ours[9] + ours[12]) / 3, rtol=1e-6)
    np.testing.assert_allclose(ours[40], (ours[39] + ours[41]) / 2, rtol=1e-6)


def test_no_scrubbed_volume_is_no_change():
    scan = scrubbed(at=())
    with_scrub, _ = filtered(scan, scrub=0.5)
    without, _ = filtered(scan)
    np.testing.assert_array_equal(with_scrub, without)


def test_impossible_scrubbing_and_bands_are_refused():
    with pytest.raises(
        StudyError, match=r"bold\.nii.*scrubs by 'dvars'.*its confounds: framewise_displacement.*'motion'"
    ):
        filtered(scrubbed(), scrub={"dvars": 1.5})
    with pytest.raises(StudyError, match=r"3 volumes \(97 of 100 were scrubbed\) are too few"):
        filtered(scrubbed(at=range(97)), scrub=0.5, detrend=2)
    with pytest.raises(StudyError, match=r"'high_pass' \(0\.1 Hz\) must be below 'low_pass' \(0\.1 Hz\)"):
        build_steps([{"temporal_filter": {"high_pass": 0.1, "low_pass": 0.1}}])
    with pytest.raises(StudyError, match="'scrub' needs a limit for one of framewise_displacement"):
        build_steps([{"temporal_filter": {"scrub": {"before": 1}}}])
    with pytest.raises(StudyError, match="scrub"):
        build_steps([{"temporal_filter": {"scrub": {"framewise_displacment": 1}}}])


def test_a_long_series_is_filtered_in_blocks_and_out_of_memory(monkeypatch):
    scan = series(300, (16, 16, 8))
    whole, _ = filtered(scan, high_pass=0.01, low_pass=0.1)
    monkeypatch.setattr(projection, "room", partial(room, in_memory=0))
    monkeypatch.setattr(projection, "voxel_blocks", partial(voxel_blocks, values=10_000))
    tracemalloc.start()
    try:
        result, _ = run_steps(scan, build_steps([{"temporal_filter": {"high_pass": 0.01, "low_pass": 0.1}}]))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_allclose(result.data.reshape(300, -1), whole, atol=1e-3)
    assert peak < scan.data.nbytes


def test_a_volume_and_an_unknown_repetition_time_are_refused():
    with pytest.raises(StudyError, match=r"'temporal_filter' works over time.*single volume"):
        filtered(series(1), detrend=1)
    with pytest.raises(StudyError, match="needs the repetition time for 'high_pass'"):
        filtered(series(50, repetition_time=None), high_pass=0.01)
    filtered(series(50, repetition_time=None), detrend=1)  # a polynomial needs none
