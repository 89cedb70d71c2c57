from __future__ import annotations

import nibabel
import numpy as np
import pytest
from nilearn.image import smooth_img

from voxtempo.errors import ScanError, StudyError
from voxtempo.prepare import build_steps, run_steps, smooth
from voxtempo.scans import Geometry, Scan
from voxtempo.scans.room import room

SHAPE, SPACING = (18, 20, 12), (2.0, 2.5, 4.0)


def series(volumes=3, shape=SHAPE, seed=0) -> Scan:
    affine = np.diag([*SPACING, 1.0])
    affine[:3, :3] = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]]) @ affine[:3, :3]
    data = np.random.default_rng(seed).normal(100, 10, (volumes, *shape, 1)).astype(np.float32)
    return Scan(data, Geometry(shape, affine), 2.0 if volumes > 1 else None, source="bold.nii")


def smoothed(scan, options):
    result, (decision,) = run_steps(scan, build_steps([{"smooth": options}]))
    assert result.data.dtype == np.float32
    assert result.geometry is scan.geometry
    return result.data, decision


@pytest.mark.parametrize("fwhm", [6.0, [4.0, 0.0, 9.0]])
@pytest.mark.parametrize("volumes", [1, 3])
def test_volumes_agree_with_nilearn(fwhm, volumes):
    scan = series(volumes)
    image = nibabel.Nifti1Image(scan.data[..., 0].transpose(1, 2, 3, 0), scan.geometry.affine)
    theirs = smooth_img(image, fwhm).get_fdata().transpose(3, 0, 1, 2)
    ours, decision = smoothed(scan, fwhm)
    np.testing.assert_allclose(ours[..., 0], theirs, atol=1e-3)
    widths = [fwhm] * 3 if isinstance(fwhm, float) else fwhm
    np.testing.assert_allclose(decision["sigma"], np.array(widths) / SPACING / 2.3548200450309493)


def test_a_point_becomes_a_gaussian_of_that_width_in_millimetres():
    scan = series(1)
    data = np.zeros_like(scan.data)
    data[0, 9, 10, 6] = 1
    result, _ = smoothed(scan.with_data(data), 7.0)
    result = result[0, ..., 0]
    assert result.sum() == pytest.approx(1, abs=1e-5)
    for axis, spacing in enumerate(SPACING):
        line = result.sum(axis=tuple(a for a in range(3) if a != axis))
        place = (np.arange(line.size) - (9, 10, 6)[axis]) * spacing
        assert 2.35482 * np.sqrt((line * place**2).sum()) == pytest.approx(7.0, rel=0.03)


def test_within_a_mask_nothing_leaks_over_its_rim():
    scan = series(4)
    data = np.full_like(scan.data, 500)
    data[2:] += 20
    data[:, :5], data[:, :, 15:] = 0, 0
    leaking, _ = smoothed(scan.with_data(data), 8.0)
    kept, _ = smoothed(scan.with_data(data), {"fwhm": 8.0, "within": "mask"})
    assert leaking[0, 5, 8, 6, 0] < 400
    assert leaking[0, 4, 8, 6, 0] > 50
    np.testing.assert_allclose(kept, data, rtol=1e-5)


def test_a_slice_is_smoothed_in_its_plane_and_integers_are_not_rounded():
    scan = series(2, (18, 20, 1))
    whole = scan.with_data(scan.data.round().astype(np.int16))
    result, decision = smoothed(whole, 5.0)
    assert decision["sigma"][2] == 0
    expected, _ = smoothed(whole.with_data(whole.data.astype(np.float32)), 5.0)
    np.testing.assert_array_equal(result, expected)
    assert result.std() < 0.5 * scan.data.std()


def test_volumes_and_channels_do_not_mix(monkeypatch):
    scan = series(3)
    result, _ = smoothed(scan, 6.0)
    stacked = Scan(np.concatenate([scan.data, -scan.data], axis=-1), scan.geometry, 2.0)
    monkeypatch.setattr(smooth, "room", lambda shape, dtype: room(shape, dtype, in_memory=0))
    both, _ = smoothed(stacked, 6.0)
    assert isinstance(both, np.memmap)
    np.testing.assert_array_equal(both[..., :1], result)
    np.testing.assert_array_equal(both[..., 1:], -result)
    alone, _ = smoothed(Scan(scan.data[1:2], scan.geometry), 6.0)
    np.testing.assert_array_equal(alone, result[1:2])


def test_what_cannot_be_is_refused():
    with pytest.raises(StudyError, match="'fwhm' is 0, expected a width above 0"):
        build_steps([{"smooth": 0}])
    with pytest.raises(StudyError, match="at least 0"):
        build_steps([{"smooth": [-1, 2, 2]}])
    scan = series(2)
    with pytest.raises(ScanError, match="every voxel is 0"):
        smoothed(scan.with_data(np.zeros_like(scan.data)), {"fwhm": 5, "within": "mask"})
    scan.data[0, 0, 0, 0] = np.nan
    with pytest.raises(ScanError, match="1 of 8640 voxels are NaN"):
        smoothed(scan, 5.0)
