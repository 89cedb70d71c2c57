"""The NIfTI-1 and NIfTI-2 header, read field by field and believed only where it makes sense.

Rules where the standard leaves room
- World: the sform if its code is above 0, else the qform if its code is above 0, else the voxel sizes alone (first axis
  to the left, origin in the middle of the grid: the ANALYZE convention, as nibabel and FSL read such files).
- Units: millimetres and seconds where the file does not say (code 0); metres, micrometres, milliseconds and
  microseconds are converted. Any other code is an error; Hz, ppm and rad/s mean that the fourth axis is not time.
- Repetition time: ``pixdim[4]``, 0 means unknown. A file with one volume has one only if it has a fourth axis and says
  its unit of time.
- Axes: x, y, z, time, channel; the sixth and seventh must be 1.

The record layout comes from nibabel; the checks are our own because nibabel repairs or believes what we must refuse.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.quaternions import quat2mat
from numpy.typing import NDArray

from voxtempo.errors import GeometryError, ScanError
from voxtempo.scans.geometry import Geometry
from voxtempo.scans.guard import GuardedStream, refuse_overclaim
from voxtempo.scans.header import Header

SUPPORTED = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
UNSUPPORTED = {
    0: "no type", 1: "single bits", 32: "complex numbers", 128: "RGB colours", 1536: "128-bit floats",
    1792: "complex numbers", 2048: "complex numbers", 2304: "RGBA colours",
}  # fmt: skip
SPACE_UNITS = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
MILLISECONDS_FROM = 300.0
"""A time between volumes of so many units without a name is in milliseconds: no volume of a series takes minutes."""

TIME_UNITS = {0: 1.0, 8: 1.0, 16: 1e-3, 24: 1e-6, 32: None, 40: None, 48: None}
SMALLEST_SPACING, LARGEST_SPACING, FARTHEST = 1e-6, 1e5, 1e9


@dataclass(frozen=True, eq=False)
class NiftiHeader:
    """A header that has passed the guard: where the voxels start, how they are stored, and what they mean."""

    header: Header
    dtype: np.dtype[Any]
    offset: int
    slope: float
    intercept: float


def parse_header(stream: GuardedStream) -> NiftiHeader:
    """Read and check the header at the start of ``stream``.

    Raises
    ------
    ScanError : a field is impossible, unsupported, or claims more than the file can hold; the message names it.
    """
    path = stream.path
    fields, single = _fields(stream)
    shape, volumes, channels = _sizes(fields, path)
    dtype = _dtype(fields, path)
    offset = _offset(fields, path, single)
    claimed = offset + int(np.prod(np.array([*shape, volumes, channels], dtype=object))) * dtype.itemsize
    refuse_overclaim(path, claimed, stream.compressed, f"dim ({'x'.join(map(str, (*shape, volumes, channels)))})")
    slope, intercept = _scale(fields, path)
    units = int(fields["xyzt_units"])
    header = Header(
        geometry=_geometry(fields, shape, units, path),
        volumes=volumes,
        channels=channels,
        repetition_time=_repetition_time(fields, volumes, units, path),
        dtype=dtype.name,
        source=str(path),
    )
    return NiftiHeader(header, dtype, offset, slope, intercept)


def _fields(stream: GuardedStream) -> tuple[Any, int]:
    """Return the header record in its byte order, and the header's size."""
    path, head = stream.path, stream.head(348)
    if int.from_bytes(head[:4], "little") == 540 or int.from_bytes(head[:4], "big") == 540:
        head += stream.head(540 - 348)
    for record, magics in ((nib.nifti1.header_dtype, (b"n+1", b"ni1")), (nib.nifti2.header_dtype, (b"n+2", b"ni2"))):
        size = record.itemsize
        for order in "<>":
            if len(head) < 4 or int(np.frombuffer(head[:4], f"{order}i4")[0]) != size:
                continue
            if len(head) < size:
                raise ScanError(f"{path}: has {len(head)} bytes, but a NIfTI header alone has {size}: it is truncated")
            fields = np.frombuffer(head[:size], record.newbyteorder(order))[0]
            magic = bytes(fields["magic"])[:3]
            if magic == magics[1]:
                raise ScanError(f"{path}: header and image are two files (magic 'ni1'): convert the pair to one .nii")
            if magic != magics[0]:
                raise ScanError(f"{path}: magic is {magic!r}, expected {magics[0]!r}: not a NIfTI file")
            return fields, size
    if head.startswith(b"version https://git-lfs"):
        raise ScanError(f"{path}: is a Git LFS pointer, not the file itself. Run 'git lfs pull' in that data set")
    if head.lstrip().startswith(b"<"):
        raise ScanError(f"{path}: is a web page or XML, not an image. Download it again")
    raise ScanError(f"{path}: does not start with a NIfTI-1 or NIfTI-2 header (sizeof_hdr is neither 348 nor 540)")


def _sizes(fields: Any, path: Path) -> tuple[tuple[int, int, int], int, int]:
    dim = [int(n) for n in fields["dim"]]
    if not 2 <= dim[0] <= 7:
        raise ScanError(f"{path}: dim[0] is {dim[0]}, expected 2 to 7 axes")
    sizes = [*dim[1 : dim[0] + 1], *[1] * (7 - dim[0])]
    for axis, size in enumerate(sizes, start=1):
        if size < 1:
            raise ScanError(f"{path}: dim[{axis}] is {size}, expected at least 1")
        if axis > 5 and size != 1:
            raise ScanError(f"{path}: dim[{axis}] is {size}, but axes beyond x, y, z, time and channel must be 1")
    return (sizes[0], sizes[1], sizes[2]), sizes[3], sizes[4]


def _dtype(fields: Any, path: Path) -> np.dtype[Any]:
    code, bits = int(fields["datatype"]), int(fields["bitpix"])
    if code not in SUPPORTED:
        meaning = UNSUPPORTED.get(code, "an unknown type")
        raise ScanError(f"{path}: datatype {code} ({meaning}) is not supported: store real numbers of one channel")
    dtype = np.dtype(SUPPORTED[code]).newbyteorder(fields.dtype["dim"].base.byteorder)
    if bits not in (0, dtype.itemsize * 8):
        raise ScanError(f"{path}: bitpix is {bits}, but datatype {code} ({dtype.name}) has {dtype.itemsize * 8}")
    return dtype


def _offset(fields: Any, path: Path, single: int) -> int:
    smallest = single + 4
    offset = float(fields["vox_offset"])
    if offset == 0:
        return smallest
    if not np.isfinite(offset) or offset != int(offset) or offset < smallest:
        raise ScanError(f"{path}: vox_offset is {offset:g}, expected a whole number of at least {smallest}")
    return int(offset)


def _scale(fields: Any, path: Path) -> tuple[float, float]:
    slope, intercept = float(fields["scl_slope"]), float(fields["scl_inter"])
    if not np.isfinite(slope):
        raise ScanError(f"{path}: scl_slope is {slope}, expected a finite number")
    if slope == 0:
        return 1.0, 0.0
    if not np.isfinite(intercept):
        raise ScanError(f"{path}: scl_inter is {intercept}, expected a finite number")
    return slope, intercept


def _geometry(fields: Any, shape: tuple[int, int, int], units: int, path: Path) -> Geometry:
    if units & 7 not in SPACE_UNITS:
        raise ScanError(f"{path}: xyzt_units has the unknown unit of length {units & 7}, expected 0 to 3 (2 is mm)")
    if int(fields["sform_code"]) > 0:
        field, affine = "sform", np.eye(4)
        affine[:3] = [fields["srow_x"], fields["srow_y"], fields["srow_z"]]
    elif int(fields["qform_code"]) > 0:
        field, affine = "qform", _qform(fields, path)
    else:
        field, affine = "pixdim", np.diag([*_voxel_sizes(fields, path), 1.0])
        affine[0, 0] *= -1
        affine[:3, 3] = -affine[:3, :3] @ (np.array(shape) - 1) / 2
    if not np.isfinite(affine).all():
        raise ScanError(f"{path}: {field} holds values that are not finite")
    affine[:3] *= SPACE_UNITS[units & 7]
    if np.abs(affine).max() > FARTHEST:
        raise ScanError(f"{path}: {field} holds {np.abs(affine).max():g} mm, which no scanner reaches")
    try:
        geometry = Geometry(shape, affine)
    except GeometryError as error:
        raise ScanError(f"{path}: {field}: {error}") from error
    if not all(SMALLEST_SPACING <= s <= LARGEST_SPACING for s in geometry.spacing):
        raise ScanError(f"{path}: {field} gives voxels of {geometry.spacing} mm, which no scan has")
    return geometry


def _voxel_sizes(fields: Any, path: Path) -> NDArray[np.float64]:
    sizes = np.array(fields["pixdim"][1:4], dtype=np.float64)
    for axis, size in enumerate(sizes, start=1):
        missing = size == 0 and axis == 3 and int(fields["dim"][0]) < 3
        if missing:
            sizes[2] = 1.0
        elif not np.isfinite(size) or size <= 0:
            raise ScanError(f"{path}: pixdim[{axis}] is {size:g}, expected a voxel size above 0")
    return sizes


def _qform(fields: Any, path: Path) -> NDArray[np.float64]:
    """Return the affine of the quaternion (NIfTI standard, method 2)."""
    sizes = _voxel_sizes(fields, path)
    imaginary = np.array([fields["quatern_b"], fields["quatern_c"], fields["quatern_d"]], dtype=np.float64)
    if not np.isfinite(imaginary).all() or imaginary @ imaginary > 1 + 1e-5:
        raise ScanError(f"{path}: the qform's quaternion {imaginary.tolist()} is no rotation (its norm is above 1)")
    handed = -1.0 if float(fields["pixdim"][0]) < 0 else 1.0
    affine = np.eye(4)
    quaternion = [np.sqrt(max(0.0, 1 - float(imaginary @ imaginary))), *imaginary]
    affine[:3, :3] = quat2mat(quaternion) * sizes * [1.0, 1.0, handed]
    affine[:3, 3] = [fields["qoffset_x"], fields["qoffset_y"], fields["qoffset_z"]]
    return affine


def _repetition_time(fields: Any, volumes: int, units: int, path: Path) -> float | None:
    code = units & 56
    if code not in TIME_UNITS:
        raise ScanError(f"{path}: xyzt_units has the unknown unit of time {code}, expected 0, 8, 16 or 24 (8 is s)")
    factor = TIME_UNITS[code]
    if int(fields["dim"][0]) < 4 or factor is None or (volumes == 1 and code == 0):
        return None
    stored = fields["pixdim"][4]
    if not np.isfinite(stored) or stored < 0:
        if volumes == 1:
            return None
        raise ScanError(f"{path}: pixdim[4] is {stored:g}, expected a repetition time of 0 (unknown) or more")
    if code == 0 and stored >= MILLISECONDS_FROM:
        factor = 1e-3
    # The shortest decimal that is the stored number, so that 0.8 s stored with 32 bits is not 0.800000012 s.
    return round(float(str(stored)) * factor, 12) or None
