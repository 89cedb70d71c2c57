from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from nilearn.datasets import load_mni152_brain_mask
from nilearn.masking import compute_epi_mask

from voxtempo.errors import ScanError
from voxtempo.prepare import build_steps, regrid, run_steps
from voxtempo.scans import Geometry, Scan, read_scan


def dice(a, b) -> float:
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@pytest.fixture(scope="module")
def epi() -> tuple[Scan, np.ndarray]:
    """A brain-shaped EPI series at 4 mm with a receive bias and Rician noise, and the true brain."""
    image = load_mni152_brain_mask(resolution=2)
    mni = Scan(
        np.asarray(image.dataobj)[None, ..., None].astype(np.uint8), Geometry(image.shape, image.affine), kind="label"
    )
    brain = regrid(mni, mni.geometry.resampled((4, 4, 4)))
    inside = brain.volume() > 0
    rng = np.random.default_rng(0)
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in inside.shape), indexing="ij")
    signal = inside * 900 * (1 + 0.15 * x - 0.1 * y * z)
    noise = rng.normal(0, 40, (2, 12, *inside.shape))
    data = np.hypot(signal + noise[0], noise[1]).astype(np.float32)
    return Scan(data[..., None], brain.geometry, 2.0, source="epi.nii"), inside


def nilearn_mask(scan: Scan) -> np.ndarray:
    image = nib.Nifti1Image(np.moveaxis(scan.data[..., 0], 0, -1), scan.geometry.affine)
    return np.asarray(compute_epi_mask(image).dataobj) > 0


def masked(scan: Scan, **options) -> tuple[Scan, np.ndarray, dict]:
    result, (decision,) = run_steps(scan, build_steps([{"brain_mask": options}]))
    return result, (result.data != 0).any(axis=(0, 4)), decision


def test_simulated_epi_agrees_with_the_truth_and_nilearn(epi):
    scan, truth = epi
    result, found, decision = masked(scan)
    assert dice(found, truth) > 0.95
    assert dice(found, nilearn_mask(scan)) > 0.95
    np.testing.assert_array_equal(result.data[:, found], scan.data[:, found])
    assert decision["voxels"] == found.sum()
    assert decision["volume_ml"] == pytest.approx(found.sum() * 0.064)
    assert 100 < decision["threshold"] < 700


def test_real_epi_agrees_with_nilearn(real_data):
    path = next(p for p in sorted(real_data("rest4d").rglob("*.nii*")))
    scan = read_scan(path)
    _, found, _ = masked(scan)
    assert 0.1 < found.mean() < 0.7
    assert dice(found, nilearn_mask(scan)) > 0.95


def test_a_slab_and_a_slice_keep_the_brain_to_their_edges(epi):
    scan, truth = epi
    for start, thickness in ((16, 4), (18, 1)):
        cut = regrid(scan, scan.geometry.shifted((0, 0, start), (*truth.shape[:2], thickness)))
        _, found, _ = masked(cut)
        assert dice(found, truth[:, :, start : start + thickness]) > 0.95


def test_all_channels_and_times_are_blanked(epi):
    scan = epi[0]
    both = scan.with_data(np.concatenate([scan.data, scan.data + 50], axis=-1), channels=("one", "two"))
    result, found, _ = masked(both)
    assert (result.data[:, ~found] == 0).all()
    assert (result.data[:, found][..., 1] > 0).all()


def test_no_brain_is_an_error():
    data = np.zeros((1, 12, 12, 12, 1), np.float32)
    data[0, 2, 2, 2] = 1
    scan = Scan(data, Geometry.from_spacing((12, 12, 12)), source="empty.nii")
    with pytest.raises(ScanError, match=r"empty\.nii.*no brain was found"):
        masked(scan, upper=1.0)
