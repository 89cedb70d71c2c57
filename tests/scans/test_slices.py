"""Pictures of slices: upright, exact, and refused when they lie."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from voxtempo.errors import ScanError
from voxtempo.scans import Geometry, Scan, read_header, read_scan, write_scan

FUZZ = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def slice_of(values):
    return Scan(values[None, :, :, None, None], Geometry.from_spacing((*values.shape, 1)))


def test_a_picture_is_upright(tmp_path):
    pixels = np.zeros((4, 6), np.uint8)
    pixels[0, 5] = 200  # the upper right corner
    Image.fromarray(pixels).save(tmp_path / "corner.png")
    scan = read_scan(tmp_path / "corner.png")
    assert scan.data.shape == read_header(tmp_path / "corner.png").shape == (1, 6, 4, 1, 1)
    place = np.argwhere(scan.volume() == 200)[0]
    assert scan.geometry.orientation == "RAS"
    assert scan.geometry.spacing == (1, 1, 1)
    np.testing.assert_array_equal(scan.geometry.to_world([place])[0], [5, 3, 0])  # rightmost and highest


@FUZZ
@given(hnp.arrays(st.sampled_from([np.uint8, np.uint16]), hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)))
def test_round_trip(tmp_path, values):
    back = read_scan(write_scan(slice_of(values), tmp_path / "slice.png"))
    np.testing.assert_array_equal(back.data[0, :, :, 0, 0], values)
    assert back.data.dtype == values.dtype


def test_colours_become_luminance(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(colours).save(tmp_path / "rgb.png")
    grey = read_scan(tmp_path / "rgb.png").data[0, :, ::-1, 0, 0].T
    expected = colours @ np.array([0.299, 0.587, 0.114])
    assert np.abs(grey - expected).max() <= 0.51
    same = np.repeat(colours[..., :1], 3, axis=2)
    Image.fromarray(same).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_scan(tmp_path / "grey.png").data[0, :, ::-1, 0, 0].T, same[..., 0])


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1"])
def test_every_grey_like_mode_keeps_its_values(tmp_path, mode):
    pixels = np.array([[0, 255, 255], [255, 0, 0]], np.uint8)
    Image.fromarray(pixels).convert(mode).save(tmp_path / "mode.png")
    np.testing.assert_array_equal(read_scan(tmp_path / "mode.png").data[0, :, ::-1, 0, 0].T, pixels)


def test_jpeg_is_read_as_pillow_decodes_it(tmp_path):
    ramp = np.add.outer(np.arange(32), np.arange(48)).astype(np.uint8)
    Image.fromarray(ramp).save(tmp_path / "ramp.jpg", quality=95)
    decoded = np.asarray(Image.open(tmp_path / "ramp.jpg"))
    np.testing.assert_array_equal(read_scan(tmp_path / "ramp.jpg").data[0, :, ::-1, 0, 0].T, decoded)
    with pytest.raises(ScanError, match="JPEG blurs"):
        read_scan(tmp_path / "ramp.jpg", kind="label")


def test_labels_of_a_palette_are_its_numbers(tmp_path):
    labels = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
    picture = Image.fromarray(labels, mode="P")
    picture.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0])
    picture.save(tmp_path / "mask.png")
    scan = read_scan(tmp_path / "mask.png", kind="label")
    np.testing.assert_array_equal(scan.data[0, :, ::-1, 0, 0].T, labels)
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "rgb.png")
    with pytest.raises(ScanError, match="grey or has a palette"):
        read_scan(tmp_path / "rgb.png", kind="label")


def png(width, height, depth=8, colour=0, body=b""):
    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (png(13_000, 13_000), "claims"),
        (png(60_000, 60_000), "cannot be decoded"),
        (png(0, 4), "cannot be decoded"),
        (png(4, 4), "cannot be decoded"),
        (png(4, 4, 16, 2, bytes(200)), "16 bits are not supported"),
        (b"\xff\xd8\xff\xe0", "cannot be decoded"),
    ],
)
def test_lies(tmp_path, content, words):
    path = tmp_path / "lie.png"
    path.write_bytes(content)
    with pytest.raises(ScanError, match=words) as caught:
        read_scan(path)
    assert str(path) in str(caught.value)


@FUZZ
@given(
    change=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=6),
    cut=st.integers(0, 500),
    form=st.sampled_from(["png", "jpg"]),
)
def test_damaged_pictures(tmp_path, change, cut, form):
    source = tmp_path / f"source.{form}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8)).save(source)
    raw = bytearray(source.read_bytes())
    for place, value in change:
        raw[place % len(raw)] = value
    path = tmp_path / f"damaged.{form}"
    path.write_bytes(raw[: len(raw) - cut if cut < 100 else None])
    for read in (read_header, read_scan):
        try:
            assert min(read(path).geometry.shape) >= 1
        except ScanError as error:
            message = str(error)
            assert message.startswith(str(path))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.full((3, 3), 0.5), "whole numbers"),
        (np.full((3, 3), -1), "0 to 65535"),
        (np.full((3, 3), 70_000), "0 to 65535"),
    ],
)
def test_what_a_png_cannot_hold(tmp_path, values, words):
    with pytest.raises(ScanError, match=words):
        write_scan(slice_of(values), tmp_path / "slice.png")
    assert not list(tmp_path.iterdir())


def test_a_volume_is_no_picture(tmp_path):
    with pytest.raises(ScanError, match="one slice, found 2 slices"):
        write_scan(Scan(np.zeros((1, 3, 3, 2, 1)), Geometry.from_spacing((3, 3, 2))), tmp_path / "slice.png")


def test_whole_floats_are_written(tmp_path):
    back = read_scan(write_scan(slice_of(np.array([[1.0, 300.0]])), tmp_path / "slice.png"))
    assert back.data.dtype == np.uint16
    assert back.data.ravel().tolist() == [1, 300]


def test_real_pictures(real_data):
    for name in ("tumour2d", "alzheimer2d"):
        path = sorted(real_data(name).rglob("*.jpg"))[0]
        scan, picture = read_scan(path), Image.open(path)
        assert scan.geometry.shape == (*picture.size, 1)
        np.testing.assert_array_equal(scan.volume()[:, ::-1, 0].T, np.asarray(picture.convert("L")))


@pytest.mark.parametrize("marked", [0, 20])
def test_masks_of_one_bit_are_read(tmp_path, marked):
    mask = np.zeros((1024, 1024), bool)
    mask[:marked, :marked] = True
    Image.fromarray(mask).save(tmp_path / "mask.png")
    assert np.count_nonzero(read_scan(tmp_path / "mask.png", kind="label").data) == marked**2
