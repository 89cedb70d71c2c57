"""The header of one DICOM file, and the frames it holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from voxtempo.errors import ScanError
from voxtempo.scans.dicom.frame import Frame, clock, directions, number, seconds, vector, whole
from voxtempo.scans.guard import refuse_overclaim

MAGIC = b"DICM"
SUFFIXES = (".dcm", ".ima")
NATIVE_SYNTAXES = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
ECHO_DIGITS = 3


def is_dicom(path: Path) -> bool:
    """Return whether a file has the DICOM mark, or a DICOM suffix (very old files have no mark)."""
    try:
        with path.open("rb") as file:
            head = file.read(132)
    except OSError as error:
        raise ScanError(f"{path}: cannot be opened ({error.strerror})") from error
    return head[128:] == MAGIC or path.suffix.lower() in SUFFIXES


@contextmanager
def foreign(path: Path, what: str) -> Iterator[None]:
    """Turn whatever the DICOM library stumbles over in a damaged file into a ``ScanError`` of one line."""
    try:
        yield
    except ScanError:
        raise
    except Exception as error:  # damaged elements are parsed on first touch and raise anything
        reason = " ".join(str(error).split())[:200]
        raise ScanError(f"{path}: {what} ({type(error).__name__}: {reason})") from error


def read_dataset(path: Path) -> Dataset:
    """Return the header of a DICOM file, without pixels.

    Raises
    ------
    ScanError : the file is no DICOM file, or its header is damaged.
    """
    with foreign(path, "the DICOM header cannot be parsed"):
        try:
            return pydicom.dcmread(path, stop_before_pixels=True)
        except InvalidDicomError:
            found = pydicom.dcmread(path, stop_before_pixels=True, force=True)
            if "SOPClassUID" not in found:
                raise ScanError(f"{path}: is no DICOM file") from None
            return found


def is_image(dataset: Dataset) -> bool:
    """Return whether the file holds pixels (a directory, a report or raw data does not)."""
    return "Rows" in dataset and "Columns" in dataset and bool(dataset.get("BitsAllocated"))


def stored_type(dataset: Dataset, path: Path) -> np.dtype[Any]:
    """Return the type of the stored values, after checking that they are grey and fit into the file.

    Raises
    ------
    ScanError : colours, an odd number of bits, no pixels, or more pixels than the file can hold.
    """
    samples, bits = whole(dataset.get("SamplesPerPixel")) or 1, whole(dataset.get("BitsAllocated"))
    if samples != 1:
        raise ScanError(f"{path}: SamplesPerPixel is {samples} (colours), expected 1")
    if bits not in (8, 16, 32):
        raise ScanError(f"{path}: BitsAllocated is {bits}, expected 8, 16 or 32")
    rows, columns = whole(dataset.get("Rows")) or 0, whole(dataset.get("Columns")) or 0
    frames = whole(dataset.get("NumberOfFrames")) or 1
    if min(rows, columns, frames) < 1:
        raise ScanError(f"{path}: Rows x Columns x NumberOfFrames is {rows} x {columns} x {frames}, expected 1 or more")
    syntax = getattr(dataset, "file_meta", {}).get("TransferSyntaxUID", NATIVE_SYNTAXES[0])
    compressed = str(syntax) not in NATIVE_SYNTAXES
    claim = f"Rows x Columns x NumberOfFrames ({rows} x {columns} x {frames})"
    refuse_overclaim(path, rows * columns * frames * bits // 8, compressed, claim)
    return np.dtype(f"{'i' if dataset.get('PixelRepresentation') else 'u'}{bits // 8}")


def scale_of(source: Dataset, path: Path) -> tuple[float, float]:
    """Return RescaleSlope and RescaleIntercept, 1 and 0 where they are missing.

    Raises
    ------
    ScanError : they are not finite, or the slope is 0.
    """
    found = [source.get("RescaleSlope"), source.get("RescaleIntercept")]
    slope, intercept = (number(f) if f is not None else d for f, d in zip(found, (1.0, 0.0), strict=True))
    if slope is None or intercept is None or slope == 0:
        raise ScanError(f"{path}: RescaleSlope is {found[0]} and RescaleIntercept {found[1]}, expected finite numbers")
    return slope, intercept


def spacing_of(source: Dataset, path: Path) -> tuple[float, float, float]:
    """Return the distances between columns, rows and (as far as a single frame tells) slices, mm.

    Raises
    ------
    ScanError : PixelSpacing is missing or not above 0.
    """
    rows, columns = vector(source.get("PixelSpacing"), 2, "PixelSpacing", path)
    between = number(source.get("SpacingBetweenSlices")) or number(source.get("SliceThickness")) or 1.0
    if min(rows, columns) <= 0:
        raise ScanError(f"{path}: PixelSpacing is {rows} x {columns}, expected distances above 0 mm")
    return float(columns), float(rows), abs(between)


def single_frame(dataset: Dataset, path: Path) -> Frame:
    """Return the only frame of a classic file."""
    if (whole(dataset.get("NumberOfFrames")) or 1) > 1:
        raise ScanError(f"{path}: has several frames but no PerFrameFunctionalGroupsSequence that places them in space")
    slope, intercept = scale_of(dataset, path)
    if dataset.get("AcquisitionDateTime"):
        acquired, step = clock(dataset.AcquisitionDateTime)
    else:
        acquired, step = clock(dataset.get("AcquisitionDate"), dataset.get("AcquisitionTime"))
    trigger = number(dataset.get("TriggerTime"))
    echo = number(dataset.get("EchoTime"))
    return Frame(
        file=path,
        index=0,
        tile=(0, 0),
        rows=int(dataset.Rows),
        columns=int(dataset.Columns),
        dtype=stored_type(dataset, path),
        position=vector(dataset.get("ImagePositionPatient"), 3, "ImagePositionPatient", path),
        orientation=directions(dataset.get("ImageOrientationPatient"), path),
        spacing=spacing_of(dataset, path),
        slope=slope,
        intercept=intercept,
        temporal_position=whole(dataset.get("TemporalPositionIdentifier")),
        acquired=acquired,
        clock_step=step,
        trigger_time=None if trigger is None else trigger / 1000,
        instance=whole(dataset.get("InstanceNumber")),
        contrast=(image_type(dataset.get("ImageType")), None if echo is None else round(echo, ECHO_DIGITS)),
        repetition_time=seconds(dataset.get("RepetitionTime")),
        temporal_resolution=seconds(dataset.get("TemporalResolution")),
    )


def image_type(value: Any) -> str:
    """Return what kind of picture it is: the words of ImageType after ORIGINAL or DERIVED and PRIMARY or SECONDARY."""
    words = [value] if isinstance(value, str) else list(value or ())
    return " ".join(str(word) for word in words[2:])
