"""Scans into NIfTI files: exact values, both affines, units, and a file that is whole or not there."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import IO, Any

import nibabel as nib
import numpy as np
from numpy.typing import DTypeLike, NDArray

from voxtempo.errors import ScanError
from voxtempo.scans.atomic import atomic_file
from voxtempo.scans.scan import Scan

COMPRESSION = 4
"""Level of gzip: higher ones take several times longer and save a few per cent on scans."""


def write_nifti(scan: Scan, path: Path, dtype: DTypeLike | None = None) -> Path:
    """Write a scan as .nii or .nii.gz (x, y, z, then time, then channel; millimetres and seconds).

    Parameters
    ----------
    scan : what to write. The same scan always gives the same bytes.
    path : ends in .nii or .nii.gz.
    dtype : type on disk; by default the scan's own, with what NIfTI lacks widened (float16 to float32, bool to uint8).

    Raises
    ------
    ScanError : a value would change in ``dtype`` (a fraction or an overflow), or the file cannot be written.
    """
    stored = _disk_type(scan.data.dtype, path) if dtype is None else np.dtype(dtype)
    _disk_type(stored, path)
    header = _header(scan, stored, path)
    with atomic_file(path) as file:
        if path.name.lower().endswith(".gz"):
            with gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=COMPRESSION, mtime=0) as packed:
                _write(packed, header, scan, stored, path)
        else:
            _write(file, header, scan, stored, path)
    return path


def exactly(values: NDArray[Any], dtype: np.dtype[Any], path: Path) -> NDArray[Any]:
    """Return ``values`` in ``dtype`` if no value changes beyond the rounding of floats.

    Raises
    ------
    ScanError : a fraction, an overflow, or a value that is not finite meets an integer type; or a float overflows.
    """
    if values.dtype == dtype:
        return values
    with np.errstate(over="ignore", invalid="ignore"):
        cast = values.astype(dtype)
    if dtype.kind == "f":
        if np.array_equal(np.isfinite(cast), np.isfinite(values)):
            return cast
        raise ScanError(f"{path}: values up to {np.abs(values[np.isfinite(values)]).max():g} overflow {dtype.name}")
    limits = np.iinfo(dtype)
    if values.dtype.kind == "f" and not (np.isfinite(values).all() and np.array_equal(values, np.rint(values))):
        raise ScanError(f"{path}: {values.dtype.name} values are not whole numbers and would be lost in {dtype.name}")
    if values.size and (int(values.min()) < limits.min or int(values.max()) > limits.max):
        raise ScanError(f"{path}: values from {values.min()} to {values.max()} overflow {dtype.name}")
    return cast


def _disk_type(dtype: np.dtype[Any], path: Path) -> np.dtype[Any]:
    dtype = dtype.newbyteorder("=")
    if dtype == np.float16:
        return np.dtype(np.float32)
    if dtype == np.bool_:
        return np.dtype(np.uint8)
    if dtype.kind in "iu" or dtype in (np.float32, np.float64):
        return dtype
    raise ScanError(f"{path}: NIfTI cannot hold {dtype.name}, expected integers, float32 or float64")


def _header(scan: Scan, dtype: np.dtype[Any], path: Path) -> nib.Nifti1Header:
    t, x, y, z, c = scan.data.shape
    shape = (x, y, z, t, c) if c > 1 else (x, y, z, t) if t > 1 or scan.repetition_time else (x, y, z)
    header = nib.Nifti1Header() if max(shape) <= np.iinfo(np.int16).max else nib.Nifti2Header()
    header.set_data_dtype(dtype)
    header.set_data_shape(shape)
    header.set_slope_inter(1.0, 0.0)
    header.set_xyzt_units("mm", "sec")
    header.set_sform(scan.geometry.affine, code="scanner")
    header.set_qform(scan.geometry.affine, code="scanner", strip_shears=True)
    if not np.allclose(header.get_qform(), scan.geometry.affine, atol=1e-3):
        header["qform_code"] = 0  # a quaternion cannot say a shear: better no qform than a wrong one
    header["pixdim"][4:] = 0
    header["pixdim"][4] = scan.repetition_time or 0
    header["vox_offset"] = header.single_vox_offset
    header["magic"] = header.single_magic
    if scan.repetition_time and not float(header["pixdim"][4]) > 0:
        raise ScanError(f"{path}: a repetition time of {scan.repetition_time} s does not fit into a NIfTI header")
    return header


def _write(
    file: IO[bytes] | gzip.GzipFile, header: nib.Nifti1Header, scan: Scan, dtype: np.dtype[Any], path: Path
) -> None:
    file.write(header.binaryblock + b"\0\0\0\0")
    for channel in range(scan.data.shape[4]):
        for time in range(scan.volumes):
            file.write(exactly(scan.volume(time, channel), dtype, path).tobytes(order="F"))
