from __future__ import annotations

import nilearn.signal
import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn.glm.first_level.design_matrix import create_cosine_drift

from voxtempo.errors import StudyError
from voxtempo.prepare import build_steps, run_steps
from voxtempo.prepare.temporal_filter import drift_basis
from voxtempo.scans import Geometry, Scan


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


def test_a_volume_and_an_unknown_repetition_time_are_refused():
    with pytest.raises(StudyError, match=r"'temporal_filter' works over time.*single volume"):
        filtered(series(1), detrend=1)
    with pytest.raises(StudyError, match="needs the repetition time for 'high_pass'"):
        filtered(series(50, repetition_time=None), high_pass=0.01)
    filtered(series(50, repetition_time=None), detrend=1)  # a polynomial needs none
