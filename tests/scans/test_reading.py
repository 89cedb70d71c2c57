"""The front door: what a file is, is seen in its bytes; what is asked for is checked."""

import gzip

import numpy as np
import pytest

from voxtempo.errors import ScanError
from voxtempo.scans import Geometry, Scan, cache_series, read_header, read_scan, write_scan


@pytest.fixture
def nifti(tmp_path):
    data = np.arange(60, dtype=np.int16).reshape(1, 3, 4, 5, 1)
    return write_scan(Scan(data, Geometry.from_spacing((3, 4, 5))), tmp_path / "scan.nii")


def test_names_do_not_matter(nifti, tmp_path):
    (tmp_path / "nameless").write_bytes(nifti.read_bytes())
    (tmp_path / "wrong.png").write_bytes(nifti.read_bytes())
    (tmp_path / "packed.nii").write_bytes(gzip.compress(nifti.read_bytes()))
    (tmp_path / "unpacked.nii.gz").write_bytes(nifti.read_bytes())
    for name in ("nameless", "wrong.png", "packed.nii", "unpacked.nii.gz"):
        assert read_scan(str(tmp_path / name)).data.shape == (1, 3, 4, 5, 1)
        assert read_header(tmp_path / name).geometry.shape == (3, 4, 5)


def test_a_channel_can_be_named(nifti, tmp_path):
    assert read_scan(nifti, channel="t1").channels == ("t1",)
    assert cache_series(nifti, tmp_path / "c", channel="t1").channels == ("t1",)
    two = Scan(np.zeros((1, 3, 4, 5, 2), np.uint8), Geometry.from_spacing((3, 4, 5)))
    write_scan(two, tmp_path / "two.nii")
    with pytest.raises(ScanError, match="has 2 channels"):
        read_scan(tmp_path / "two.nii", channel="t1")


@pytest.mark.parametrize(
    ("options", "words"), [({"kind": "mask"}, "kind is 'mask'"), ({"series": 3}, "no meaning here")]
)
def test_what_makes_no_sense_is_refused(nifti, options, words):
    with pytest.raises(ScanError, match=words):
        read_scan(nifti, **options)


def test_a_header_is_cheap(tmp_path):
    data = np.random.default_rng(0).integers(0, 1000, (2, 128, 128, 64, 1)).astype(np.int16)
    path = write_scan(Scan(data, Geometry.from_spacing((128, 128, 64)), 1.5), tmp_path / "big.nii.gz")
    path.write_bytes(path.read_bytes()[:2_000_000])
    header = read_header(path)
    assert (header.shape, header.repetition_time, header.dtype) == ((2, 128, 128, 64, 1), 1.5, "int16")
    with pytest.raises(ScanError, match="truncated"):
        read_scan(path)


def test_an_array_without_description(tmp_path):
    np.save(tmp_path / "array.npy", np.zeros((1, 2, 2, 2, 1)))
    with pytest.raises(ScanError, match="without a description"):
        read_scan(tmp_path / "array.npy")
