"""Pictures of single slices: grey PNG and JPEG of 8 or 16 bits.

A picture's columns become x and its rows, counted from the bottom, become y, so that the slice looks upright in the
RAS display where x goes right and y goes up: ``data[0, column, height - 1 - row, 0, 0]``. Voxels are 1 mm in every
direction, for a picture does not know better. Colours become grey by the luminance of ITU-R BT.601 (0.299 R + 0.587 G +
0.114 B, rounded), transparency is ignored.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from voxtempo.errors import ScanError
from voxtempo.scans.atomic import atomic_file
from voxtempo.scans.geometry import Geometry
from voxtempo.scans.guard import existing_file, refuse_overclaim
from voxtempo.scans.header import Header
from voxtempo.scans.labels import whole_numbers
from voxtempo.scans.scan import Kind, Scan

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
JPEG_MAGIC = b"\xff\xd8\xff"
DEEP_MODES = ("I;16", "I;16B", "I;16L", "I")


def read_slice_header(path: Path) -> Header:
    """Return size and type of a picture without decoding it."""
    with _opened(path) as picture:
        return _header(picture, path)


def read_slice(path: Path, kind: Kind = "intensity") -> Scan:
    """Read a picture as a scan (1, width, height, 1, 1) of uint8 or uint16.

    Raises
    ------
    ScanError : the picture is damaged or truncated, claims more pixels than its bytes can hold, has colours of 16 bits,
        or is a label map that is coloured or stored as JPEG (whose compression blurs labels).
    """
    with _opened(path) as picture:
        header = _header(picture, path)
        pixels = _label_pixels(picture, path) if kind == "label" else _grey_pixels(picture, path)
    data = np.ascontiguousarray(pixels[::-1].T)[None, :, :, None, None]
    if kind == "label":
        data = whole_numbers(data, str(path))
    return Scan(data, header.geometry, None, kind, source=str(path))


def write_slice(scan: Scan, path: Path) -> Path:
    """Write a scan of one slice, volume and channel as a grey PNG of 8 or 16 bits.

    Raises
    ------
    ScanError : the scan is more than one slice, or its values are not whole numbers from 0 to 65535.
    """
    t, _, _, z, c = scan.data.shape
    if (t, z, c) != (1, 1, 1):
        raise ScanError(f"{path}: a PNG holds one slice, found {z} slices, {t} volumes and {c} channels")
    values = scan.volume()[:, :, 0]
    if values.dtype.kind not in "iu":
        values = whole_numbers(values, str(path))
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise ScanError(f"{path}: a PNG holds whole numbers from 0 to 65535, found {low} to {high}: rescale first")
    dtype = np.uint16 if high > 255 or scan.data.dtype == np.uint16 else np.uint8
    with atomic_file(path) as file:
        Image.fromarray(np.ascontiguousarray(values.T[::-1].astype(dtype))).save(file, format="PNG")
    return path


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open a picture; whatever the decoder stumbles over becomes a ``ScanError``."""
    existing_file(path)
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as picture:
            yield picture
    except ScanError:
        raise
    except Exception as error:  # decoders of damaged files raise anything, from SyntaxError to struct.error
        raise ScanError(f"{path}: the picture cannot be decoded ({error})") from error


def _header(picture: Image.Image, path: Path) -> Header:
    width, height = picture.size
    depth = _depth(path) if picture.format == "PNG" else 8
    refuse_overclaim(path, height * -(-width * min(depth, 8) // 8), True, f"the picture's size ({width} x {height})")
    dtype = "uint16" if picture.mode in DEEP_MODES else "uint8"
    return Header(Geometry.from_spacing((width, height, 1)), 1, 1, None, dtype, str(path))


def _depth(path: Path) -> int:
    """Return the bits of a PNG's channel; refuse colours of 16 bits, which Pillow would cut to 8 without a word."""
    with path.open("rb") as file:
        head = file.read(26)
    if len(head) == 26 and head[12:16] == b"IHDR":
        depth, colour = struct.unpack("BB", head[24:26])
        if depth == 16 and colour != 0:
            raise ScanError(f"{path}: colours of 16 bits are not supported: store 16-bit grey or 8-bit colours")
        return int(depth)
    return 8


def _grey_pixels(picture: Image.Image, path: Path) -> NDArray[Any]:
    if picture.mode in DEEP_MODES:
        return _sixteen_bits(np.asarray(picture), path)
    if picture.mode in ("LA", "La"):
        return np.asarray(picture.getchannel(0))
    if picture.mode == "CMYK":
        raise ScanError(f"{path}: printing colours (CMYK) are not supported: convert to grey or RGB")
    return np.asarray(picture if picture.mode == "L" else picture.convert("RGB").convert("L"))


def _label_pixels(picture: Image.Image, path: Path) -> NDArray[Any]:
    if picture.format == "JPEG":
        raise ScanError(f"{path}: JPEG blurs the borders of a label map: store labels as PNG or NIfTI")
    if picture.mode in ("1", "L", "P"):
        return np.asarray(picture)
    if picture.mode in DEEP_MODES:
        return _sixteen_bits(np.asarray(picture), path)
    raise ScanError(f"{path}: a label map is grey or has a palette, found mode {picture.mode}")


def _sixteen_bits(pixels: NDArray[Any], path: Path) -> NDArray[Any]:
    if pixels.size and (pixels.min() < 0 or pixels.max() > 65535):
        raise ScanError(f"{path}: grey values from {pixels.min()} to {pixels.max()} are beyond 16 bits")
    return pixels.astype(np.uint16)
