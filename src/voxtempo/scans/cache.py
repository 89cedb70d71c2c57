"""The time-first cache: a scan as a plain .npy array (t, x, y, z, c) that is mapped into memory, with a JSON beside it.

A window of a long series is read by touching only its own pages: converting once makes every later read some hundred
times faster than unpacking the .nii.gz again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from voxtempo.errors import GeometryError, ScanError
from voxtempo.scans.geometry import Geometry
from voxtempo.scans.header import Header
from voxtempo.scans.room import room
from voxtempo.scans.scan import Kind, Scan
from voxtempo.scans.storage import STORAGES, Encoding

VERSION = 1
ARRAY = "array.npy"
SIDECAR = "scan.json"


class Sidecar(BaseModel):
    """What stands beside the array, in ``scan.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    version: Literal[1] = 1
    shape: tuple[int, int, int, int, int]
    dtype: Literal[STORAGES]  # type: ignore[valid-type]
    affine: tuple[tuple[float, float, float, float], ...]
    repetition_time: float | None = Field(gt=0)
    kind: Kind
    channels: tuple[str, ...]
    scale: float
    offset: float
    source: str
    source_hash: str


@dataclass(frozen=True, eq=False)
class CachedScan:
    """A scan that stays on disk until it is read.

    Parameters
    ----------
    folder : where the array and its description lie.
    array : stored values (t, x, y, z, c), mapped read-only.
    encoding : how stored values lead back to the scan's values.
    geometry : the grid of (x, y, z).
    repetition_time : seconds between volumes, or None.
    kind : "intensity" or "label".
    channels : a name for each channel.
    source, source_hash : the file the scan came from and the SHA-256 of its bytes ("" if unknown).
    """

    folder: Path
    array: NDArray[Any]
    encoding: Encoding
    geometry: Geometry
    repetition_time: float | None
    kind: Kind
    channels: tuple[str, ...]
    source: str
    source_hash: str

    @property
    def scale(self) -> float:
        """Stored values times this, plus ``offset``, are the scan's values."""
        return self.encoding.scale

    @property
    def offset(self) -> float:
        """What is added to stored values after the scale."""
        return self.encoding.offset

    @property
    def volumes(self) -> int:
        """Number of time points."""
        return int(self.array.shape[0])

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """The shape (t, x, y, z, c)."""
        return cast(tuple[int, int, int, int, int], self.array.shape)

    @property
    def header(self) -> Header:
        """What a file's header would say."""
        channels, dtype = len(self.channels), self.array.dtype.name
        return Header(self.geometry, self.volumes, channels, self.repetition_time, dtype, str(self.folder))

    def read(
        self,
        start: int = 0,
        stop: int | None = None,
        x: slice = slice(None),
        y: slice = slice(None),
        z: slice = slice(None),
    ) -> NDArray[Any]:
        """Return volumes ``start`` to ``stop`` (excluded) within a box, reading only those from disk.

        Parameters
        ----------
        start, stop : volumes, 0 <= start < stop <= t; to the end by default.
        x, y, z : slices of voxels.

        Returns
        -------
        A new array (t, x, y, z, c): float32 for intensities, the stored integers for labels.

        Raises
        ------
        ScanError : the volumes are not in the series.
        """
        stop = self.volumes if stop is None else stop
        if not 0 <= start < stop <= self.volumes:
            raise ScanError(f"{self.folder}: has volumes 0 to {self.volumes}, asked for {start} to {stop}")
        stored = self.array[start:stop, x, y, z]
        return np.array(stored) if self.kind == "label" else self.encoding.decode(stored)

    def to_scan(self) -> Scan:
        """Return the whole scan, a long series in ``room``."""
        source = self.source or str(self.folder)
        data = room(self.shape, self.array.dtype if self.kind == "label" else np.float32)
        for volume, stored in zip(data, self.array, strict=True):
            volume[...] = stored if self.kind == "label" else self.encoding.decode(stored)
        return Scan(data, self.geometry, self.repetition_time, self.kind, self.channels, source)

    def __reduce__(self) -> tuple[Callable[[Path], CachedScan], tuple[Path]]:
        # Another process opens the folder again, instead of receiving a copy of every voxel.
        return open_cache, (self.folder,)


def is_cache(path: Path) -> bool:
    """Return whether ``path`` is a cache folder."""
    return (path / SIDECAR).is_file()


def open_cache(folder: str | Path) -> CachedScan:
    """Open a cache folder; nothing is read but its description.

    Raises
    ------
    ScanError : the description or the array is missing, damaged, or the two disagree.
    """
    folder = Path(folder)
    record = _read_sidecar(folder / SIDECAR)
    array = _map_array(folder / ARRAY)
    if array.shape != record.shape or array.dtype.name != record.dtype:
        raise ScanError(
            f"{folder / ARRAY}: is {array.shape} {array.dtype.name}, but {SIDECAR} says {record.shape} {record.dtype}: "
            "prepare this scan again"
        )
    if len(record.channels) != record.shape[4] or record.scale == 0:
        raise ScanError(f"{folder / SIDECAR}: channels {record.channels} or scale {record.scale} cannot be right")
    try:
        geometry = Geometry(record.shape[1:4], np.array(record.affine))
    except (GeometryError, ValueError) as error:
        raise ScanError(f"{folder / SIDECAR}: affine: {error}") from error
    return CachedScan(
        folder=folder,
        array=array,
        encoding=Encoding(array.dtype, record.scale, record.offset),
        geometry=geometry,
        repetition_time=record.repetition_time,
        kind=record.kind,
        channels=record.channels,
        source=record.source,
        source_hash=record.source_hash,
    )


def _read_sidecar(path: Path) -> Sidecar:
    try:
        return Sidecar.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ScanError(f"{path}: cannot be read ({error.strerror}): not a cache folder, or not a whole one") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "the text"
        raise ScanError(f"{path}: {field}: {first['msg']}: delete this folder and prepare the scan again") from error


def _map_array(path: Path) -> NDArray[Any]:
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # a damaged header makes numpy's parser raise anything, from ValueError to SyntaxError
        raise ScanError(f"{path}: is no readable array ({error}): delete its folder and prepare again") from error
    expected = array.offset + math.prod(array.shape) * array.dtype.itemsize
    if array.ndim != 5 or not array.flags.c_contiguous or path.stat().st_size != expected:
        found = f"{array.shape} in {path.stat().st_size:,} bytes"
        raise ScanError(f"{path}: is {found}, expected 5 axes in {expected:,} bytes")
    return array
