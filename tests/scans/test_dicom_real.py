"""DICOM from scanners against the reference conversions beside it (dcm2niix): voxels, affine, repetition time."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from voxtempo.errors import ScanError
from voxtempo.scans import list_series, read_header, read_scan

PAIRS = [
    *[(f"dcm_qa_nih/In/20180918GE/mr_000{n}", f"dcm_qa_nih/Ref/DCM2NIIX_regression_test_{n}") for n in (4, 5, 6, 7)],
    *[
        (f"dcm_qa_nih/In/20180918Si/mr_000{n}", f"dcm_qa_nih/Ref/EPI_PE={direction}_{n}")
        for n, direction in ((3, "AP"), (4, "PA"), (5, "RL"), (6, "LR"))
    ],
    ("dcm_qa_enh/In/Siemens/XA10", "dcm_qa_enh/Ref/Siemens_REST1_w_SMS_PF7-8_6"),
]


def upright(values, affine):
    """Return (x, y, z, ...) values and affine in the nearest RAS orientation."""
    image = nib.as_closest_canonical(nib.Nifti1Image(values, affine))
    return np.asarray(image.dataobj), image.affine


@pytest.mark.parametrize(("folder", "reference"), PAIRS)
def test_series_equal_their_reference(real_data, folder, reference):
    base = real_data("dicom")
    scan, image = read_scan(base / folder), nib.load(base / f"{reference}.nii")
    values, affine = upright(np.moveaxis(scan.data[..., 0], 0, -1), scan.geometry.affine)
    expected, expected_affine = upright(np.asarray(image.dataobj), image.affine)
    np.testing.assert_array_equal(values, expected)
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in values.shape[:3]])).reshape(3, -1).T
    world, expected_world = (nib.affines.apply_affine(a, corners) for a in (affine, expected_affine))
    np.testing.assert_allclose(world, expected_world, atol=1e-3)
    assert scan.repetition_time == pytest.approx(float(image.header.get_zooms()[3]), rel=1e-6)
    header = read_header(base / folder)
    assert header.shape == scan.data.shape
    assert header.repetition_time == scan.repetition_time


@pytest.mark.parametrize(("channel", "name"), [("magnitude_echo_1.52ms", "e1"), ("field_map", "e2_fieldmaphz")])
def test_a_philips_field_map_is_two_channels(real_data, channel, name):
    base = real_data("dicom") / "dcm_qa_enh"
    scan, image = read_scan(base / "In/Philips"), nib.load(base / f"Ref/Philips_WIP_B0_NS_801_{name}.nii")
    values, affine = upright(scan.volume(0, scan.channels.index(channel)), scan.geometry.affine)
    expected, expected_affine = upright(np.asarray(image.dataobj, dtype=np.float64), image.affine)
    np.testing.assert_allclose(affine, expected_affine, atol=1e-3)
    assert scan.repetition_time is None
    # The reference scales the magnitude by Philips' private slope, DICOM by RescaleSlope: one constant factor apart.
    # The field map is in Hz in both; the reference's slope is rounded in its fifth digit.
    factor = 1 / (8.44864e-06 * 1.27985347985347) if name == "e1" else 1.0
    np.testing.assert_allclose(values * factor, expected, rtol=2e-6, atol=0.006)


def test_cropped_volumes_agree_with_simpleitk(real_data):
    base = real_data("dicom") / "hippocrop_testvolumes"
    for folder in sorted(base.glob("*/*")):
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
        image, scan = reader.Execute(), read_scan(folder)
        np.testing.assert_array_equal(scan.volume(), sitk.GetArrayFromImage(image).T)
        last = [n - 1 for n in scan.geometry.shape]
        lps = scan.geometry.to_world([last])[0] * [-1, -1, 1]
        np.testing.assert_allclose(image.TransformIndexToPhysicalPoint(last), lps, atol=1e-3)


def test_a_whole_study_is_listed(real_data):
    folder = real_data("dicom") / "dcm_qa_nih"
    listed = list_series(folder)
    assert sorted((s.number, s.kind, len(s.files), s.volumes) for s in listed) == sorted(
        [(n, "classic", 150, 10) for n in (4, 5, 6, 7)] + [(n, "mosaic", 2, 2) for n in (3, 4, 5, 6)]
    )
    assert not any(s.problem for s in listed)
    with pytest.raises(ScanError, match="holds 8 series"):
        read_scan(folder)
    assert read_header(folder, series=7).volumes == 10
    assert read_header(folder, series=listed[0].uid).volumes == listed[0].volumes
