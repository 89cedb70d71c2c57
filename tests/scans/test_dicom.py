"""DICOM reading on synthetic series with known voxels, affine and time, and against SimpleITK."""

from io import BytesIO

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, RLELossless

from voxtempo.errors import GeometryError, ScanError
from voxtempo.scans import cache_series, list_series, read_header, read_scan


def same(scan, voxels):
    np.testing.assert_array_equal(scan.data[..., 0], voxels)


def test_a_volume_has_the_known_voxels_and_affine(series_maker):
    voxels = series_maker.voxels()
    folder = series_maker.classic(voxels)
    scan, header = read_scan(folder), read_header(folder)
    same(scan, voxels)
    assert scan.data.dtype == np.uint16
    np.testing.assert_allclose(scan.geometry.affine, series_maker.affine, atol=1e-5)
    assert scan.repetition_time is None
    assert header.shape == scan.data.shape
    assert header.geometry.matches(scan.geometry, 0)


def test_simpleitk_agrees(series_maker):
    folder = series_maker.classic(series_maker.voxels())
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    image, scan = reader.Execute(), read_scan(folder)
    array = sitk.GetArrayFromImage(image).T  # x, y, z
    world = scan.geometry.to_world([[2, 3, 4]])[0] * [-1, -1, 1]
    there = image.TransformPhysicalPointToIndex(world.tolist())
    assert array[there] == scan.data[0, 2, 3, 4, 0]
    np.testing.assert_allclose(image.TransformIndexToPhysicalPoint(there), world, atol=1e-3)
    assert np.sort(array.ravel()).tolist() == np.sort(scan.data.ravel()).tolist()


def set_time(dataset, t):
    """Take a volume each half second from two seconds before noon."""
    minute = f"1159{58 + t * 0.5:09.6f}" if t < 4 else f"1200{t * 0.5 - 2:09.6f}"
    dataset.AcquisitionDate, dataset.AcquisitionTime = "20240131", minute


ORDERS = {
    "temporal position": lambda d, t, z: (
        setattr(d, "TemporalPositionIdentifier", t + 1) or delattr(d, "InstanceNumber")
    ),
    "acquisition time": lambda d, t, z: set_time(d, t) or delattr(d, "InstanceNumber"),
    "trigger time": lambda d, t, z: setattr(d, "TriggerTime", 40.0 * t) or delattr(d, "InstanceNumber"),
    "instance, volume by volume": lambda d, t, z: None,
    "instance, slice by slice": lambda d, t, z: setattr(d, "InstanceNumber", z * 100 + t),
}


@pytest.mark.parametrize(("order", "change"), ORDERS.items())
def test_volumes_are_ordered_in_time(series_maker, order, change):
    voxels = series_maker.voxels(volumes=7)
    scan = read_scan(series_maker.classic(voxels, change=change))
    same(scan, voxels)
    expected = {"acquisition time": 0.5, "trigger time": 0.04}.get(order, 2.0)
    assert scan.repetition_time == pytest.approx(expected)


@pytest.mark.parametrize(
    ("stated", "step", "expected"),
    [(500.0, 0.5, 0.5), (498.0, 0.5, 0.498), (4.5, 6.25, 6.25), (None, 1.5, 1.5), (2000.0, 0.0, 2.0)],
)
def test_repetition_time_is_the_time_between_volumes(series_maker, stated, step, expected):
    def change(dataset, t, z):
        dataset.AcquisitionDateTime = f"2024013112{int(t * step // 60):02}{t * step % 60:09.6f}"
        if stated is None:
            del dataset.RepetitionTime
        else:
            dataset.RepetitionTime = stated

    scan = read_scan(series_maker.classic(series_maker.voxels(volumes=6), change=change))
    assert scan.repetition_time == pytest.approx(expected, abs=1e-6)


def over_midnight(dataset, t):
    """Take a volume each second from two seconds before midnight, and remove the dates."""
    dataset.AcquisitionTime = f"2359{58 + t:02}" if t < 2 else f"0000{t - 2:02}"
    for name in ("AcquisitionDate", "ContentDate", "SeriesDate", "StudyDate"):
        if name in dataset:
            delattr(dataset, name)


def test_a_series_over_midnight_without_dates_is_in_order(series_maker):
    voxels = series_maker.voxels(volumes=5)
    scan = read_scan(series_maker.classic(voxels, change=lambda d, t, z: over_midnight(d, t)))
    same(scan, voxels)
    assert scan.repetition_time == pytest.approx(1.0)


@pytest.mark.parametrize(("stated", "expected"), [(4.5, None), (1500, 1.5)])
def test_the_time_of_an_excitation_is_not_that_of_a_volume(series_maker, stated, expected):
    def change(dataset, t, z):
        dataset.AcquisitionDate, dataset.AcquisitionTime, dataset.RepetitionTime = "20240131", "100000", stated

    voxels = series_maker.voxels(volumes=5)
    scan = read_scan(series_maker.classic(voxels, change=change))
    same(scan, voxels)
    assert scan.repetition_time == expected


def test_slices_are_ordered_in_space_not_by_number(series_maker):
    voxels = series_maker.voxels()
    scan = read_scan(series_maker.classic(voxels, change=lambda d, t, z: setattr(d, "InstanceNumber", 50 - z)))
    same(scan, voxels)


def test_rescale_is_applied(series_maker):
    def change(dataset, t, z):
        dataset.RescaleSlope, dataset.RescaleIntercept = 0.5, -100

    voxels = series_maker.voxels()
    folder = series_maker.classic(voxels, change=change)
    scan = read_scan(folder)
    assert scan.data.dtype == np.float32
    np.testing.assert_allclose(scan.data[..., 0], voxels * 0.5 - 100)
    assert read_header(folder).dtype == "uint16"


def test_rescale_that_differs_from_slice_to_slice(series_maker):
    voxels = series_maker.voxels()
    scan = read_scan(series_maker.classic(voxels, change=lambda d, t, z: setattr(d, "RescaleSlope", z + 1)))
    np.testing.assert_allclose(scan.data[..., 0], voxels * (np.arange(5) + 1.0))


def test_signed_values(series_maker):
    voxels = series_maker.voxels().astype(np.int16) - 1000

    def change(dataset, t, z):
        dataset.PixelRepresentation = 1

    scan = read_scan(series_maker.classic(voxels, change=change))
    assert scan.data.dtype == np.int16
    same(scan, voxels)


def test_echoes_become_channels(series_maker):
    voxels = series_maker.voxels(volumes=3)

    def change(dataset, t, z):
        dataset.EchoTime = [12.0, 28.0, 44.0][t]

    scan = read_scan(series_maker.classic(voxels, change=change))
    assert scan.channels == ("echo_12ms", "echo_28ms", "echo_44ms")
    np.testing.assert_array_equal(scan.data[0], np.moveaxis(voxels, 0, -1))


def test_mosaics_are_a_series(series_maker):
    voxels = series_maker.voxels(volumes=3, slices=7)
    scan = read_scan(series_maker.mosaic(voxels))
    same(scan, voxels)
    np.testing.assert_allclose(scan.geometry.affine, series_maker.affine, atol=1e-5)
    assert scan.repetition_time == 1.5


def test_mosaics_whose_slices_run_against_the_normal(series_maker, monkeypatch):
    voxels = series_maker.voxels(slices=7)
    normal = -series_maker.columns[:, 2] / np.linalg.norm(series_maker.columns[:, 2])
    tags = {"SliceNormalVector": {"items": normal.tolist()}, "NumberOfImagesInMosaic": {"items": [7]}}
    monkeypatch.setattr("voxtempo.scans.dicom.mosaic._private_header", lambda dataset: {"tags": tags})
    scan = read_scan(series_maker.mosaic(voxels))
    same(scan, voxels[..., ::-1])
    np.testing.assert_allclose(scan.geometry.to_world([[0, 0, 6]])[0], series_maker.affine[:3, 3], atol=1e-5)


def test_enhanced_multi_frame(series_maker):
    voxels = series_maker.voxels(volumes=4)
    folder = series_maker.enhanced(voxels)
    scan = read_scan(folder)
    same(scan, voxels)
    np.testing.assert_allclose(scan.geometry.affine, series_maker.affine, atol=1e-5)
    assert scan.repetition_time == pytest.approx(0.7)
    same(read_scan(folder / "enhanced.dcm"), voxels)


def test_enhanced_contrasts_are_channels_with_their_own_scale(series_maker):
    voxels = series_maker.voxels(volumes=2)
    scan = read_scan(series_maker.enhanced(voxels, slopes=(0.5, 2.0)))
    assert scan.channels == ("magnitude", "phase")
    np.testing.assert_allclose(scan.data[..., 0], voxels * 0.5)
    np.testing.assert_allclose(scan.data[..., 1], voxels * 2.0 + 5)


def test_one_file_is_one_slice(series_maker):
    voxels = series_maker.voxels()
    folder = series_maker.classic(voxels, shuffle=None)
    scan = read_scan(folder / "00003.dcm")
    np.testing.assert_array_equal(scan.data[0, :, :, 0, 0], voxels[0, :, :, 3])
    np.testing.assert_allclose(
        scan.geometry.to_world([[0, 0, 0]])[0], (series_maker.affine @ [0, 0, 3, 1])[:3], atol=1e-5
    )
    np.testing.assert_allclose(scan.geometry.spacing, (1.5, 2.5, 4.0), atol=1e-6)


class TestSeveralSeries:
    @pytest.fixture
    def folder(self, series_maker):
        series_maker.classic(series_maker.voxels(seed=1), "study/a", number=3)
        series_maker.classic(series_maker.voxels(2, seed=2), "study/b", number=4)
        series_maker.mosaic(series_maker.voxels(2, seed=3), "study/c/deep", number=4)
        (series_maker.folder / "study" / "README.txt").write_text("no image", encoding="utf-8")
        (series_maker.folder / "study" / "._hidden.dcm").write_bytes(b"\0" * 200)
        return series_maker.folder / "study"

    def test_are_listed(self, folder):
        listed = list_series(folder)
        assert [
            (s.number, s.kind, len(s.files), s.volumes) for s in sorted(listed, key=lambda s: (s.number, s.kind))
        ] == [
            (3, "classic", 5, 1),
            (4, "classic", 10, 2),
            (4, "mosaic", 2, 2),
        ]

    def test_need_a_choice(self, folder, series_maker):
        with pytest.raises(ScanError, match=r"holds 3 series, choose one .* 3 'series 3'"):
            read_scan(folder)
        same(read_scan(folder, series=3), series_maker.voxels(seed=1))
        same(read_scan(folder, series="3"), series_maker.voxels(seed=1))
        with pytest.raises(ScanError, match="2 series with number 4, choose one by its UID"):
            read_scan(folder, series=4)
        mosaic = next(s for s in list_series(folder) if s.kind == "mosaic")
        same(read_scan(folder, series=mosaic.uid), series_maker.voxels(2, seed=3))
        with pytest.raises(ScanError, match="no series 99"):
            read_header(folder, series=99)


def test_copies_of_one_image_count_once(series_maker):
    voxels = series_maker.voxels()
    folder = series_maker.classic(voxels)
    (folder / "copy.dcm").write_bytes((folder / "00000.dcm").read_bytes())
    same(read_scan(folder), voxels)


def damaged(field, value):
    def change(dataset, t, z):
        if z == 2:
            if value is None:
                delattr(dataset, field)
            else:
                setattr(dataset, field, value)

    return change


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("ImagePositionPatient", None, "ImagePositionPatient"),
        ("ImageOrientationPatient", [1, 0, 0, 1, 0, 0], "perpendicular"),
        ("ImageOrientationPatient", [0, 1, 0, 0, 0, 1], "differ in ImageOrientationPatient"),
        ("PixelSpacing", None, "PixelSpacing"),
        ("PixelSpacing", [0, 1], "PixelSpacing"),
        ("PixelSpacing", [9, 9], "differ in PixelSpacing"),
        ("SamplesPerPixel", 3, "SamplesPerPixel"),
        ("BitsAllocated", 12, "BitsAllocated"),
        ("Rows", 60_000, "claims"),
        ("RescaleSlope", 0, "RescaleSlope"),
        ("NumberOfFrames", 5, "several frames"),
        ("ImageType", ["ORIGINAL", "PRIMARY", "M", "MOSAIC"], "no image|taken|NumberOfImagesInMosaic|differ"),
    ],
)
def test_what_is_wrong_is_named(series_maker, field, value, words):
    folder = series_maker.classic(series_maker.voxels(), change=damaged(field, value))
    with pytest.raises(ScanError, match=words) as caught:
        read_scan(folder)
    assert "\n" not in str(caught.value)
    listed = list_series(folder)
    assert listed[0].volumes == 0
    assert listed[0].problem


def test_missing_slices(series_maker):
    folder = series_maker.classic(series_maker.voxels(volumes=3), shuffle=None)
    (folder / "00007.dcm").unlink()
    with pytest.raises(ScanError, match="taken 2 to 3 times"):
        read_scan(folder)
    for name in ("00002.dcm", "00012.dcm"):
        (folder / name).unlink()
    with pytest.raises(ScanError, match=r"not evenly spaced \(8\.000 mm between slices 2 and 3, 4\.000 mm"):
        read_scan(folder)


def test_the_same_slice_twice_without_order(series_maker):
    folder = series_maker.classic(series_maker.voxels(volumes=2), change=lambda d, t, z: delattr(d, "InstanceNumber"))
    with pytest.raises(ScanError, match="nothing tells their order"):
        read_scan(folder)


def test_truncated_pixels(series_maker):
    folder = series_maker.classic(series_maker.voxels(), shuffle=None)
    file = folder / "00001.dcm"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(ScanError, match=r"00001\.dcm"):
        read_scan(folder)


def test_run_length_encoding(series_maker):
    voxels = series_maker.voxels()
    folder = series_maker.classic(voxels)
    for file in folder.iterdir():
        dataset = pydicom.dcmread(file)
        dataset.compress(RLELossless)
        dataset.save_as(file)
    same(read_scan(folder), voxels)


def lossless_jpeg(file, packed):
    """Return the JPEG stream into which GDCM packs a single-frame file."""
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    writer.SetImageIO("GDCMImageIO")
    writer.UseCompressionOn()
    writer.SetCompressor("JPEG")
    writer.SetFileName(str(packed))
    writer.Execute(sitk.ReadImage(str(file)))
    dataset = pydicom.dcmread(packed)
    assert dataset.file_meta.TransferSyntaxUID == JPEGLosslessSV1
    return next(generate_frames(dataset.PixelData, number_of_frames=1))


def unscaled(dataset, t, z):
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0


def test_lossless_jpeg_by_gdcm(series_maker, tmp_path):
    voxels = series_maker.voxels()
    folder = series_maker.classic(voxels, change=unscaled)
    for file in folder.iterdir():
        dataset = pydicom.dcmread(file)
        pack(dataset, encapsulate([lossless_jpeg(file, tmp_path / "packed.dcm")]), JPEGLosslessSV1)
        dataset.RescaleSlope, dataset.RescaleIntercept = 2, 1
        dataset.save_as(file)
    np.testing.assert_allclose(read_scan(folder).data[..., 0], voxels * 2.0 + 1)


def test_lossless_jpeg_of_an_enhanced_file_by_gdcm(series_maker, tmp_path):
    voxels = series_maker.voxels()
    folder = series_maker.classic(voxels, change=unscaled, shuffle=None)
    frames = [lossless_jpeg(file, tmp_path / "packed.dcm") for file in sorted(folder.iterdir())]
    file = series_maker.enhanced(voxels, slopes=(0.5,)) / "enhanced.dcm"
    dataset = pydicom.dcmread(file)
    pack(dataset, encapsulate(frames), JPEGLosslessSV1)
    dataset.save_as(file)
    np.testing.assert_allclose(read_scan(file).data[..., 0], voxels * 0.5)


def test_lossless_jpeg2000_by_pydicom(series_maker):
    voxels = series_maker.voxels()
    folder = series_maker.classic(voxels)
    for file in folder.iterdir():
        dataset, stream = pydicom.dcmread(file), BytesIO()
        Image.fromarray(dataset.pixel_array).save(
            stream, "JPEG2000", irreversible=False, no_jp2=True, num_resolutions=1
        )
        pack(dataset, encapsulate([stream.getvalue()]), JPEG2000Lossless)
        dataset.save_as(file)
    same(read_scan(folder), voxels)


def pack(dataset, pixels, syntax):
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = pixels
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True


def test_an_enhanced_series_streams_into_the_cache(series_maker):
    voxels = series_maker.voxels(volumes=60, slices=20)
    folder = series_maker.enhanced(voxels)
    cached = cache_series(folder, series_maker.folder / "cache", channel="bold")
    np.testing.assert_array_equal(cached.array[..., 0], voxels)
    assert cached.array.dtype == np.uint16
    assert cached.repetition_time == pytest.approx(0.7)


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    form=st.sampled_from(["classic", "mosaic", "enhanced"]),
    changes=st.lists(st.tuples(st.integers(128, 4000), st.integers(0, 255)), min_size=1, max_size=10),
    cut=st.integers(0, 3000),
)
def test_damaged_files_never_crash(series_maker, form, changes, cut):
    folder = series_maker.folder / form
    if not folder.exists():
        getattr(series_maker, form)(series_maker.voxels(slices=2), form)
    source = sorted(folder.glob("*.dcm"))[0]
    raw = bytearray(source.read_bytes())
    for place, value in changes:
        raw[place % len(raw)] = value
    path = series_maker.folder / "damaged.dcm"
    path.write_bytes(raw[: len(raw) - cut if cut < 1000 else None])
    for read in (read_header, read_scan):
        message = ""
        try:
            read(path)
        except (ScanError, GeometryError) as error:
            message = str(error)
        assert "\n" not in message


@pytest.mark.parametrize("pictures", [5, 7])
def test_echoes_in_other_numbers_are_refused(series_maker, pictures):
    """A multi-echo course that was stopped in the midst of a volume."""

    def change(dataset, t, z):
        dataset.EchoTime = [12.0, 28.0, 44.0][t % 3]

    folder = series_maker.classic(series_maker.voxels(volumes=pictures), change=change)
    with pytest.raises(ScanError, match=r"echo_12ms . times, echo_28ms . times, echo_44ms . times.*neither channels"):
        read_scan(folder)


def test_a_gap_in_time_leaves_no_repetition_time(series_maker):
    def change(dataset, t, z):
        moment = 2.0 * (t + (t >= 4))
        dataset.AcquisitionDateTime = f"2024013112{int(moment // 60):02}{moment % 60:09.6f}"

    scan = read_scan(series_maker.classic(series_maker.voxels(volumes=8), change=change))
    assert scan.volumes == 8
    assert scan.repetition_time is None
