"""What is written comes back: values, types, grid and time; and nothing is lost without an error."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.transform import Rotation

from voxtempo.errors import ScanError
from voxtempo.scans import Geometry, Scan, content_hash, read_header, read_scan, write_scan

KEPT = ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4"]


def grid(shape, seed=3, spacing=(1.1, 2.2, 3.3)):
    affine = np.eye(4)
    affine[:3, :3] = Rotation.random(random_state=seed).as_matrix() * spacing
    affine[:3, 3] = [-90.5, 12.25, 7.0]
    return Geometry(shape, affine)


def ramp(shape=(2, 3, 4, 5, 1), dtype=np.float32, **changes):
    data = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    return Scan(data, grid(shape[1:4]), **changes)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.sampled_from(KEPT).flatmap(
        lambda d: hnp.arrays(
            d,
            hnp.array_shapes(min_dims=5, max_dims=5, max_side=4),
            elements={"allow_nan": False} if d == "f4" else None,
        )
    ),
    seconds=st.none() | st.floats(0.01, 100),
    seed=st.integers(0, 500),
    suffix=st.sampled_from([".nii", ".nii.gz"]),
)
def test_round_trip(tmp_path, data, seconds, seed, suffix):
    if data.dtype.kind == "f":
        data = np.where(np.isfinite(data), data, 0)
    scan = Scan(data, grid(data.shape[1:4], seed), seconds)
    back = read_scan(write_scan(scan, tmp_path / f"scan{suffix}"))
    np.testing.assert_array_equal(back.data, data)
    assert back.data.dtype == data.dtype
    assert back.geometry.matches(scan.geometry, 1e-3)
    if seconds is None:
        assert back.repetition_time is None
    else:
        assert back.repetition_time == pytest.approx(seconds, rel=1e-6)


def test_nibabel_and_simpleitk_see_the_same_file(tmp_path):
    scan = ramp((6, 3, 4, 5, 1), np.int16, repetition_time=1.2592)
    path = write_scan(scan, tmp_path / "bold.nii.gz")
    image = nib.load(path)
    np.testing.assert_array_equal(np.asarray(image.dataobj), np.moveaxis(scan.data[..., 0], 0, -1))
    np.testing.assert_allclose(image.get_qform(), scan.geometry.affine, atol=1e-4)
    np.testing.assert_allclose(image.get_sform(), scan.geometry.affine, atol=1e-5)
    assert image.header.get_xyzt_units() == ("mm", "sec")
    assert image.header.get_zooms()[3] == pytest.approx(1.2592)
    assert image.get_data_dtype() == np.int16
    volume = write_scan(ramp((1, 3, 4, 5, 1), np.uint8), tmp_path / "t1.nii.gz")
    seen = sitk.ReadImage(volume)
    world = scan.geometry.to_world([[2, 3, 4]])[0]
    np.testing.assert_allclose(seen.TransformIndexToPhysicalPoint((2, 3, 4)), world * [-1, -1, 1], atol=1e-3)


def test_a_shear_is_kept_in_the_sform_alone(tmp_path):
    affine = np.array([[2, 0.5, 0, 1], [0, 2, 0, 2], [0, 0, 2, 3], [0, 0, 0, 1.0]])
    scan = Scan(np.zeros((1, 3, 4, 5, 1), np.uint8), Geometry((3, 4, 5), affine))
    path = write_scan(scan, tmp_path / "sheared.nii")
    assert read_header(path).geometry.matches(scan.geometry)
    assert int(nib.load(path).header["qform_code"]) == 0


def test_half_floats_and_booleans_are_widened_exactly(tmp_path):
    for dtype, disk in ((np.float16, np.float32), (bool, np.uint8), (np.float64, np.float32)):
        scan = ramp(dtype=dtype)
        back = read_scan(write_scan(scan, tmp_path / "scan.nii"))
        assert back.data.dtype == disk
        np.testing.assert_array_equal(back.data, scan.data)


def test_axes_beyond_32767_need_nifti2(tmp_path):
    scan = Scan(np.arange(40_000, dtype=np.int32).reshape(40_000, 1, 1, 1, 1), Geometry.from_spacing((1, 1, 1)), 2.0)
    path = write_scan(scan, tmp_path / "long.nii.gz")
    assert isinstance(nib.load(path), nib.Nifti2Image)
    np.testing.assert_array_equal(read_scan(path).data, scan.data)


@pytest.mark.parametrize(
    ("value", "dtype", "words"),
    [(0.5, "int16", "not whole"), (40_000, "int16", "overflow int16"), (-1, "uint8", "overflow uint8"),
     (np.nan, "uint8", "not whole"), (np.inf, "int32", "not whole|overflow"), (1e39, "float32", "overflow float32")],
)  # fmt: skip
def test_losses_are_refused_and_the_old_file_stays(tmp_path, value, dtype, words):
    path = write_scan(ramp(), tmp_path / "scan.nii.gz")
    before = content_hash(path)
    scan = ramp(dtype=np.float64)
    scan.data[1, 2, 3, 4, 0] = value
    with pytest.raises(ScanError, match=words):
        write_scan(scan, path, dtype=dtype)
    assert content_hash(path) == before
    assert [p.name for p in tmp_path.iterdir()] == ["scan.nii.gz"]


def test_whole_floats_may_become_integers(tmp_path):
    back = read_scan(write_scan(ramp(dtype=np.float32), tmp_path / "scan.nii", dtype="uint8"))
    assert back.data.dtype == np.uint8


def test_same_scan_same_bytes(tmp_path):
    first, second = (write_scan(ramp(), tmp_path / f"{name}.nii.gz") for name in "ab")
    assert content_hash(first) == content_hash(second)


@pytest.mark.parametrize("name", ["scan.mgz", "scan", "scan.nii.bz2"])
def test_unknown_suffixes(tmp_path, name):
    with pytest.raises(ScanError, match=r"written as \.nii"):
        write_scan(ramp(), tmp_path / name)


def test_complex_values_are_refused(tmp_path):
    with pytest.raises(ScanError, match="cannot hold complex64"):
        write_scan(ramp(dtype=np.complex64), tmp_path / "scan.nii")


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(ScanError, match="cannot be written"):
        write_scan(ramp(), tmp_path / "file" / "scan.nii")
