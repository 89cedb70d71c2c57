"""NIfTI reading against nibabel and SimpleITK: values, affines, units, all orders of axes and bytes."""

import gzip

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from voxtempo.errors import ScanError
from voxtempo.scans import read_header, read_scan

TYPES = ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]
RNG = np.random.default_rng(5)


def oblique(seed=0, spacing=(2.0, 3.0, 4.0)):
    affine = np.eye(4)
    affine[:3, :3] = Rotation.random(random_state=seed).as_matrix() * spacing
    affine[:3, 3] = [-10.5, 20.25, 30.125]
    return affine


def numbers(shape, dtype):
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return RNG.normal(0, 100, shape).astype(dtype)
    limits = np.iinfo(dtype)
    return RNG.integers(limits.min, limits.max, shape, dtype=dtype.newbyteorder("="), endpoint=True).astype(dtype)


def five(array):
    """Return nibabel's (x, y, z, t, c) as (t, x, y, z, c)."""
    array = array.reshape(array.shape + (1,) * (5 - array.ndim))
    return np.moveaxis(array, 3, 0)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("image", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", TYPES)
def test_values_and_affine_are_nibabels(tmp_path, dtype, order, image, suffix):
    path = tmp_path / f"scan{suffix}"
    header = image.header_class(endianness=order)
    header.set_data_dtype(np.dtype(dtype).newbyteorder(order))
    array = numbers((3, 4, 5, 2), dtype)
    written = image(array, oblique(), header, dtype=np.dtype(dtype))
    written.to_filename(path)
    scan = read_scan(path)
    assert scan.data.dtype == (np.float32 if dtype in ("f4", "f8") else np.dtype(dtype))
    np.testing.assert_array_equal(scan.data, five(array).astype(scan.data.dtype))
    np.testing.assert_allclose(scan.geometry.affine, nib.load(path).affine, atol=1e-6)
    assert read_header(path).dtype == np.dtype(dtype).name


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.lists(st.integers(1, 5), min_size=3, max_size=5),
    slope=st.floats(1e-3, 50) | st.floats(-50, -1e-3) | st.just(0.0),
    intercept=st.floats(-1000, 1000),
    seed=st.integers(0, 1000),
)
def test_scale_and_axes(tmp_path, shape, slope, intercept, seed):
    path = tmp_path / "scan.nii"
    array = np.random.default_rng(seed).integers(-3000, 3000, shape).astype(np.int16)
    nib.Nifti1Image(array, oblique(seed)).to_filename(path)
    raw = bytearray(path.read_bytes())
    raw[112:120] = np.array([slope, intercept], "<f4").tobytes()
    path.write_bytes(raw)
    scan = read_scan(path)
    expected = five(np.asarray(nib.load(path).dataobj))
    assert scan.data.shape == expected.shape
    np.testing.assert_allclose(scan.data, expected, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 6)])
def test_simpleitk_writes_and_we_read_its_world(tmp_path, shape):
    image = sitk.GetImageFromArray(np.arange(np.prod(shape), dtype=np.int16).reshape(shape))
    image.SetSpacing([1.5, 2.5, 3.5][: len(shape)])
    image.SetOrigin([10.0, -20.0, 30.0][: len(shape)])
    sitk.WriteImage(image, tmp_path / "itk.nii.gz")
    scan = read_scan(tmp_path / "itk.nii.gz")
    np.testing.assert_array_equal(scan.volume().squeeze(), sitk.GetArrayFromImage(image).T)
    index = [2, 3, 4][: len(shape)]
    lps = np.array([*image.TransformIndexToPhysicalPoint(index), 0.0])[:3]
    np.testing.assert_allclose(scan.geometry.to_world([[*index, 0][:3]])[0], lps * [-1, -1, 1], atol=1e-4)


def header_of(tmp_path, shape=(3, 4, 5, 6), **fields):
    path = tmp_path / "fields.nii"
    image = nib.Nifti1Image(np.zeros(shape, np.int16), None)
    for name, value in fields.items():
        image.header[name] = value
    raw = bytearray(image.header.binaryblock)
    record = np.frombuffer(raw, nib.nifti1.header_dtype).copy()
    for name, value in {"vox_offset": 352, "magic": b"n+1", "scl_slope": 1, "scl_inter": 0, **fields}.items():
        record[name][0] = value
    path.write_bytes(record.tobytes() + b"\0\0\0\0" + bytes(2 * int(np.prod(shape))))
    return path


@pytest.mark.parametrize(
    ("code", "stored", "seconds"),
    [
        (8, 2.5, 2.5),
        (16, 2500, 2.5),
        (24, 2.5e6, 2.5),
        (0, 0.8, 0.8),
        (0, 2000, 2.0),
        (8, 0.8, 0.8),
        (32, 2.5, None),
        (8, 0, None),
    ],
)
def test_repetition_time_in_seconds(tmp_path, code, stored, seconds):
    path = header_of(tmp_path, xyzt_units=2 + code, pixdim=[1, 1, 1, 1, stored, 1, 1, 1])
    assert read_header(path).repetition_time == seconds
    assert read_scan(path).repetition_time == seconds


def test_one_volume_has_a_repetition_time_only_if_the_file_means_it(tmp_path):
    pixdim = [1, 1, 1, 1, 2, 1, 1, 1]
    assert read_header(header_of(tmp_path, (3, 4, 5), xyzt_units=10, pixdim=pixdim)).repetition_time is None
    assert read_header(header_of(tmp_path, (3, 4, 5, 1), xyzt_units=10, pixdim=pixdim)).repetition_time == 2
    assert read_header(header_of(tmp_path, (3, 4, 5, 1), xyzt_units=2, pixdim=pixdim)).repetition_time is None


@pytest.mark.parametrize(("code", "factor"), [(0, 1), (1, 1000), (2, 1), (3, 0.001)])
def test_lengths_in_millimetres(tmp_path, code, factor):
    path = header_of(tmp_path, xyzt_units=code, pixdim=[1, 2, 3, 4, 1, 1, 1, 1], qform_code=1)
    np.testing.assert_allclose(read_header(path).geometry.spacing, np.array([2, 3, 4]) * factor)


def test_sform_before_qform_before_voxel_sizes(tmp_path):
    rows = {"srow_x": [9, 0, 0, 1], "srow_y": [0, 9, 0, 2], "srow_z": [0, 0, 9, 3]}
    turned = {"quatern_d": np.sin(0.3), "qoffset_x": 7, "pixdim": [-1, 2, 3, 4, 0, 0, 0, 0]}
    for codes, spacing in (((1, 1), 9), ((1, 0), 2), ((0, 0), 2)):
        path = header_of(tmp_path, qform_code=codes[0], sform_code=codes[1], **rows, **turned)
        geometry = read_header(path).geometry
        assert geometry.spacing[0] == pytest.approx(spacing)
        np.testing.assert_allclose(geometry.affine, nib.load(path).affine, atol=1e-5)


def test_channels_lie_on_the_fifth_axis(tmp_path):
    array = RNG.integers(0, 100, (3, 4, 5, 1, 2)).astype(np.uint8)
    nib.Nifti1Image(array, np.eye(4)).to_filename(tmp_path / "two.nii.gz")
    header, scan = read_header(tmp_path / "two.nii.gz"), read_scan(tmp_path / "two.nii.gz")
    assert header.shape == scan.data.shape == (1, 3, 4, 5, 2)
    assert scan.channels == ("channel0", "channel1")
    np.testing.assert_array_equal(scan.volume(0, 1), array[..., 0, 1])


class TestLabels:
    def test_whole_floats_become_the_smallest_integers(self, tmp_path):
        for top, dtype in ((4, np.uint8), (300, np.uint16), (70000, np.int32)):
            array = np.full((2, 2, 2), top, np.float32)
            nib.Nifti1Image(array, np.eye(4)).to_filename(tmp_path / "label.nii")
            scan = read_scan(tmp_path / "label.nii", kind="label")
            assert scan.data.dtype == dtype
            assert scan.kind == "label"
            assert (scan.data == top).all()

    @pytest.mark.parametrize(("slope", "stored"), [(1 / 255, (0, 255)), (0.01, (0, 100, 200)), (0.1, (0, 10, 30_000))])
    def test_labels_that_a_scaled_header_rounds_are_whole(self, tmp_path, slope, stored):
        array = np.random.default_rng(0).choice(stored, (4, 4, 4)).astype(np.int16)
        image = nib.Nifti1Image(array, np.eye(4))
        image.header.set_slope_inter(slope, 0)
        image.to_filename(tmp_path / "label.nii")
        scan = read_scan(tmp_path / "label.nii", kind="label")
        np.testing.assert_array_equal(scan.volume(), np.rint(array * slope))

    def test_noise_of_float32_about_whole_numbers_is_none(self, tmp_path):
        array = np.array([0, 1, 2, 41], np.float32).reshape(2, 2, 1) * np.float32(1 + 2e-6)
        nib.Nifti1Image(array, np.eye(4)).to_filename(tmp_path / "label.nii")
        assert set(np.unique(read_scan(tmp_path / "label.nii", kind="label").data)) == {0, 1, 2, 41}

    @pytest.mark.parametrize("bad", [0.5, 1.001, np.nan, np.inf])
    def test_fractions_are_refused(self, tmp_path, bad):
        array = np.ones((2, 2, 2), np.float32)
        array[1, 1, 1] = bad
        nib.Nifti1Image(array, np.eye(4)).to_filename(tmp_path / "label.nii")
        with pytest.raises(ScanError, match=r"label\.nii: a label map holds whole numbers, found"):
            read_scan(tmp_path / "label.nii", kind="label")


def test_several_gzip_members_are_one_file(tmp_path):
    nib.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), np.eye(4)).to_filename(tmp_path / "a.nii")
    raw = (tmp_path / "a.nii").read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(raw[:400]) + gzip.compress(raw[400:]))
    np.testing.assert_array_equal(read_scan(tmp_path / "b.nii.gz").data, read_scan(tmp_path / "a.nii").data)


def test_values_too_large_for_float32_are_refused(tmp_path):
    nib.Nifti1Image(np.full((2, 2, 2), 1e300), np.eye(4)).to_filename(tmp_path / "a.nii")
    with pytest.raises(ScanError, match="do not fit into float32"):
        read_scan(tmp_path / "a.nii")


@pytest.mark.parametrize("name", ["ixi/t1", "ixi/seg", "haxby", "hippocampus/images", "rest4d", "ms", "head"])
def test_real_files_agree_with_nibabel(real_data, name):
    folder = real_data(name.split("/")[0])
    for path in sorted((folder.parent / name).rglob("*.nii.gz"))[:3]:
        scan, image = read_scan(path), nib.load(path)
        np.testing.assert_allclose(scan.data, five(np.asarray(image.dataobj)), rtol=1e-6)
        np.testing.assert_allclose(scan.geometry.affine, image.affine, atol=1e-6)
        if scan.is_series:
            assert scan.repetition_time == pytest.approx(float(image.header.get_zooms()[3]))
