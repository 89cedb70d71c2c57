"""Fingerprints of bytes and of decoded voxels."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from voxtempo.errors import ScanError
from voxtempo.scans import Geometry, Scan, content_hash, pixel_hash, read_scan, write_scan


def scan_of(data):
    return Scan(data, Geometry.from_spacing(data.shape[1:4]))


def test_content_hash_is_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert content_hash(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()


def test_a_folders_hash_sees_names_and_contents(tmp_path):
    def folder(name, files):
        (tmp_path / name).mkdir()
        for file, content in files.items():
            (tmp_path / name / file).write_bytes(content)
        return content_hash(tmp_path / name)

    first = folder("1", {"a": b"12", "b": b"3"})
    assert first == folder("2", {"b": b"3", "a": b"12"})
    assert first != folder("3", {"a": b"1", "b": b"23"})
    assert first != folder("4", {"a": b"12", "c": b"3"})


def test_missing_files_are_scan_errors(tmp_path):
    with pytest.raises(ScanError, match="cannot be read"):
        content_hash(tmp_path / "none")


def test_the_same_pixels_in_other_files_are_the_same(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 9), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png", compress_level=0)
    Image.fromarray(pixels).convert("RGB").save(tmp_path / "b.png", compress_level=9)
    scan = read_scan(tmp_path / "a.png")
    write_scan(scan.with_data(scan.data.astype(np.float32)), tmp_path / "c.nii.gz")
    assert len({pixel_hash(read_scan(tmp_path / name)) for name in ("a.png", "b.png", "c.nii.gz")}) == 1
    assert content_hash(tmp_path / "a.png") != content_hash(tmp_path / "b.png")


def test_one_voxel_or_another_shape_is_another_image():
    data = np.zeros((1, 2, 3, 4, 1), np.float32)
    other = data.copy()
    other[0, 1, 2, 3, 0] = 1e-3
    hashes = {pixel_hash(scan_of(d)) for d in (data, other, data.reshape(1, 3, 2, 4, 1), data.reshape(2, 1, 3, 4, 1))}
    assert len(hashes) == 4
    assert pixel_hash(scan_of(-data)) == pixel_hash(scan_of(data))  # -0.0 is 0.0
    assert pixel_hash(scan_of(data + np.nan)) == pixel_hash(scan_of(-(data + np.nan)))


def test_the_world_does_not_count():
    data = np.zeros((1, 2, 3, 4, 1))
    moved = Scan(data, Geometry.from_spacing((2, 3, 4), (2, 2, 2)))
    assert pixel_hash(moved) == pixel_hash(scan_of(data))
