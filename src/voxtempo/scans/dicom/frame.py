"""One frame: a picture of one slice at one time, wherever in a file it is stored, and the values that place it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxtempo.errors import ScanError

Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Frame:
    """What must be known of a frame to put it into a scan.

    Parameters
    ----------
    file, index : the file, and which of its frames (0 for single-frame files).
    tile : (row, column) of the upper left pixel within a mosaic.
    rows, columns : size of the picture.
    dtype : type of the stored values.
    position : world position of the first pixel's centre, DICOM's LPS, mm (3,).
    orientation : unit vectors along a row and along a column (2, 3), LPS.
    spacing : distance between columns, between rows and between slices (mm; the last may be only a guess).
    slope, intercept : stored times slope plus intercept gives the values.
    temporal_position : number of the volume, if the file says so.
    acquired : when the frame was taken, in seconds of an arbitrary clock.
    clock_step : smallest step of that clock as written, s.
    trigger_time : time after the heart's trigger, s.
    instance : number in the series.
    contrast : what distinguishes pictures of one slice that are no time points: (image type, echo time in ms).
    repetition_time, temporal_resolution : as the file says, s.
    """

    file: Path
    index: int
    tile: tuple[int, int]
    rows: int
    columns: int
    dtype: np.dtype[Any]
    position: Vector
    orientation: Vector
    spacing: tuple[float, float, float]
    slope: float
    intercept: float
    temporal_position: int | None
    acquired: float | None
    clock_step: float
    trigger_time: float | None
    instance: int | None
    contrast: tuple[str, float | None]
    repetition_time: float | None
    temporal_resolution: float | None

    @property
    def normal(self) -> Vector:
        """Unit vector perpendicular to the slice (LPS)."""
        return np.cross(self.orientation[0], self.orientation[1])


def number(value: Any) -> float | None:
    """Return a finite float, or None for what is missing, empty or several values."""
    try:
        result = float(value)
    except (TypeError, ValueError):
        return None
    return result if np.isfinite(result) else None


def whole(value: Any) -> int | None:
    """Return an int, or None for what is missing or empty."""
    result = number(value)
    return None if result is None else int(result)


def seconds(value: Any) -> float | None:
    """Return milliseconds, as DICOM stores durations, in seconds; None for what is missing or not above 0."""
    result = number(value)
    return result / 1000 if result is not None and result > 0 else None


def clock(date: Any, time: Any = "") -> tuple[float | None, float]:
    """Return a moment in seconds and the step of the clock that wrote it, from DICOM dates and times.

    >>> first, step = clock("20180526", "152518.62")
    >>> step
    0.01
    >>> clock("20180526152519.62")[0] - first
    1.0
    """
    text = (f"{date or '19000101'}{time or ''}").split("+")[0].split("-")[0].strip()
    whole_part, _, fraction = text.partition(".")
    try:
        moment = datetime.strptime(whole_part, "%Y%m%d%H%M%S")
        part = float(f"0.{fraction}") if fraction else 0.0
    except ValueError:
        return None, 1.0
    return (moment - datetime(1900, 1, 1)).total_seconds() + part, 10.0 ** -len(fraction)


def vector(value: Any, size: int, field: str, path: Path) -> Vector:
    """Return ``size`` finite numbers of a DICOM field.

    Raises
    ------
    ScanError : the field is missing, or holds something else.
    """
    try:
        result = np.array([float(v) for v in value], dtype=np.float64)
    except (TypeError, ValueError):
        result = np.empty(0)
    if result.shape != (size,) or not np.isfinite(result).all():
        raise ScanError(f"{path}: {field} is {value}, expected {size} numbers: the image has no known place in space")
    return result


def directions(value: Any, path: Path) -> Vector:
    """Return the unit vectors (2, 3) of ImageOrientationPatient.

    Raises
    ------
    ScanError : they are missing, have no length or are not perpendicular.
    """
    found = vector(value, 6, "ImageOrientationPatient", path).reshape(2, 3)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    if np.abs(lengths - 1).max() > 1e-2 or abs(found[0] @ found[1]) > 1e-2:
        raise ScanError(f"{path}: ImageOrientationPatient is {value}, expected two perpendicular unit vectors")
    return found / lengths
