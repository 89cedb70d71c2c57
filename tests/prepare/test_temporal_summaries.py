"""A series as one volume: the mean and the signal-to-noise ratio over time, against nilearn, and in little memory."""

from __future__ import annotations

import tracemalloc

import nibabel
import nilearn.image
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxtempo.cohort.study import Named
from voxtempo.errors import ScanError, StudyError
from voxtempo.planning import foresee
from voxtempo.prepare import build_steps, run_steps
from voxtempo.scans import Geometry, Scan

GRID = Geometry.from_spacing((6, 5, 4), (3, 3, 4))


def series(volumes=60, dtype=np.int16, seed=0) -> Scan:
    rng = np.random.default_rng(seed)
    level = rng.uniform(200, 1200, (1, *GRID.shape, 1))
    data = level + rng.normal(0, 1, (volumes, *GRID.shape, 1)) * rng.uniform(2, 30, level.shape)
    slices = tuple(0.5 * k for k in range(4))
    confounds = {"trans_x": rng.normal(size=volumes)}
    return Scan(data.astype(dtype), GRID, 2.0, source="bold.nii", confounds=confounds, slice_times=slices)


def image(scan) -> nibabel.Nifti1Image:
    return nibabel.Nifti1Image(np.moveaxis(scan.data[..., 0], 0, 3).astype(np.float64), GRID.affine)


def summary(scan, name):
    result, _ = run_steps(scan, build_steps([name]))
    return result


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.uint8])
def test_both_agree_with_nilearn(dtype):
    scan = series(dtype=dtype)
    mean = nilearn.image.mean_img(image(scan), copy_header=True)
    np.testing.assert_allclose(summary(scan, "temporal_mean").volume(), mean.get_fdata(), rtol=1e-6)
    ratio = nilearn.image.math_img("img.mean(axis=3) / img.std(axis=3)", img=image(scan))
    np.testing.assert_allclose(summary(scan, "temporal_snr").volume(), ratio.get_fdata(), rtol=1e-6)


@pytest.mark.parametrize("name", ["temporal_mean", "temporal_snr"])
def test_what_was_known_of_single_volumes_goes_and_the_rest_stays(name):
    scan = series()
    result = summary(scan, name)
    assert (result.data.shape, result.data.dtype) == ((1, *GRID.shape, 1), np.float32)
    assert result.geometry is GRID
    assert (result.repetition_time, dict(result.confounds), result.slice_times) == (None, {}, ())
    assert (result.channels, result.kind) == (scan.channels, "intensity")


@pytest.mark.parametrize("name", ["temporal_mean", "temporal_snr"])
def test_the_planner_foresees_a_volume(name):
    seen = foresee([Named(name=name)], [GRID], [200], 1)
    assert seen.volumes == (1,)
    assert not seen.series


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), volumes=st.integers(2, 40), gain=st.floats(0.1, 50))
def test_the_order_of_volumes_does_not_matter_and_the_ratio_has_no_unit(seed, volumes, gain):
    scan = series(volumes, np.float32, seed)
    rng = np.random.default_rng(seed)
    shuffled = Scan(scan.data[rng.permutation(volumes)], GRID, 2.0)
    for name in ("temporal_mean", "temporal_snr"):
        np.testing.assert_allclose(summary(shuffled, name).data, summary(scan, name).data, rtol=1e-5)
    louder = Scan(scan.data * np.float32(gain), GRID, 2.0)
    ratio, louder_ratio = (summary(each, "temporal_snr").data for each in (scan, louder))
    changes = ratio < 1000  # of smaller changes, float32 rounds a noticeable part away
    np.testing.assert_allclose(louder_ratio[changes], ratio[changes], rtol=1e-3)
    np.testing.assert_allclose(
        summary(louder, "temporal_mean").data, gain * summary(scan, "temporal_mean").data, rtol=1e-4
    )


@pytest.mark.parametrize("level", [0.0, 0.1, 777.7, 30000.3, -5.5])
def test_a_voxel_that_does_not_change_has_a_ratio_of_0(level):
    data = series(dtype=np.float64).data.copy()
    data[:, 2, 2, 2] = level
    ratio = summary(Scan(data, GRID, 2.0), "temporal_snr").volume()
    assert ratio[2, 2, 2] == 0
    assert (np.delete(ratio.ravel(), np.ravel_multi_index((2, 2, 2), GRID.shape)) > 1).all()


def test_the_mean_of_a_volume_is_the_volume_and_its_ratio_is_refused():
    volume = series(1)
    np.testing.assert_array_equal(summary(volume, "temporal_mean").data, volume.data)
    with pytest.raises(StudyError, match=r"bold\.nii.*'temporal_snr' works over time"):
        summary(volume, "temporal_snr")


@pytest.mark.parametrize("name", ["temporal_mean", "temporal_snr"])
def test_values_that_are_no_numbers_are_refused(name):
    data = series(dtype=np.float32).data.copy()
    data[3, 0, 0, 0] = np.nan
    with pytest.raises(ScanError, match=r"1 of 7200 voxels are NaN.*fill_nan"):
        summary(Scan(data, GRID, 2.0, source="bold.nii"), name)


@pytest.mark.parametrize("name", ["temporal_mean", "temporal_snr"])
def test_a_long_series_needs_the_memory_of_a_few_volumes(name):
    scan = Scan(np.ones((2000, 12, 12, 12, 1), np.int16), Geometry.from_spacing((12, 12, 12), (3, 3, 3)), 2.0)
    scan.data[::2] = 3
    (step,) = build_steps([name])
    tracemalloc.start()
    try:
        step.apply(scan, {"volumes": 2000})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10 * 12**3 * 8 < scan.data.nbytes / 10
