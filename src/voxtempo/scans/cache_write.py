"""Filling the cache, one volume at a time: memory does not grow with the length of a series."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from voxtempo.scans.atomic import atomic_folder
from voxtempo.scans.cache import ARRAY, SIDECAR, CachedScan, Sidecar, open_cache
from voxtempo.scans.header import Header
from voxtempo.scans.labels import whole_numbers
from voxtempo.scans.scan import Kind, Scan
from voxtempo.scans.storage import Encoding, Extent, choose_encoding
from voxtempo.scans.volumes import VolumeStream

RAW = "raw.npy"


def write_cache(scan: Scan, folder: str | Path, storage: str | None = None, source_hash: str = "") -> CachedScan:
    """Write a scan as a cache folder, whole or not at all, and open it.

    Parameters
    ----------
    scan : what to store.
    folder : its new place; an older cache there is replaced.
    storage : "float16", "float32", or an integer type (with a scale, unless the values are integers that fit); chosen
        as ``voxtempo.scans.storage`` says if None.
    source_hash : SHA-256 of the file the scan came from, kept in the description.

    Raises
    ------
    ScanError : the values do not fit the storage asked for, or the folder cannot be written.
    """
    folder = Path(folder)
    extent = Extent()
    for volume in scan.data:
        extent = extent.joined(Extent.of(volume))
    encoding = choose_encoding(scan.data.dtype, scan.kind, extent, storage, str(folder))
    with atomic_folder(folder) as temporary:
        with (temporary / ARRAY).open("wb") as file:
            _start(file, scan.data.shape, encoding.dtype)
            for volume in scan.data:
                file.write(np.ascontiguousarray(encoding.encode(volume)).data)
        header = Header(
            scan.geometry, scan.volumes, len(scan.channels), scan.repetition_time, encoding.dtype.name, scan.source
        )
        _describe(temporary, header, encoding, scan.kind, scan.channels, source_hash)
    return open_cache(folder)


def cache_stream(
    stream: VolumeStream,
    folder: Path,
    kind: Kind,
    channels: tuple[str, ...] = (),
    storage: str | None = None,
    source_hash: str = "",
) -> CachedScan:
    """Write an open scan as a cache folder with the memory of a few volumes.

    Stored integers of up to 32 bits keep their bytes and their scale, so nothing is rounded. Other values need to be
    seen whole before their storage is chosen: they pass through a raw file in the same folder.
    """
    header = stream.header
    channels = channels or tuple(f"channel{i}" for i in range(header.channels))
    keep = kind == "intensity" and storage is None and stream.dtype.kind in "iu" and stream.dtype.itemsize <= 4
    with atomic_folder(folder) as temporary:
        if keep:
            encoding = Encoding(stream.dtype.newbyteorder("="), stream.slope, stream.intercept)
            with _Filling.create(temporary / ARRAY, header.shape, encoding.dtype) as filling:
                for time, channel, stored in stream.volumes:
                    filling.put(time, channel, stored)
        else:
            raw_type = np.dtype(np.int64) if kind == "label" else stream.result_type(kind)
            extent = Extent()
            with _Filling.create(temporary / RAW, header.shape, raw_type) as filling:
                for time, channel, values in stream.values(kind):
                    checked = whole_numbers(values, header.source) if kind == "label" else values
                    extent = extent.joined(Extent.of(checked))
                    filling.put(time, channel, checked)
            encoding = choose_encoding(raw_type, kind, extent, storage, str(folder))
            _encode(temporary, header.shape, raw_type, encoding)
        _describe(temporary, header, encoding, kind, channels, source_hash)
    return open_cache(folder)


@dataclass(frozen=True, eq=False)
class _Filling:
    """An array file that is filled in any order of time and channel, through plain writes.

    Plain writes fail with an error on a full disk, where writing into mapped memory would end the process.
    """

    file: IO[bytes]
    start: int
    shape: tuple[int, int, int, int, int]
    dtype: np.dtype[Any]

    @classmethod
    def create(cls, path: Path, shape: tuple[int, int, int, int, int], dtype: np.dtype[Any]) -> _Filling:
        file = path.open("wb+")
        start = _start(file, shape, dtype)
        file.truncate(start + math.prod(shape) * dtype.itemsize)
        return cls(file, start, shape, dtype)

    def put(self, time: int, channel: int, values: NDArray[Any]) -> None:
        """Store one volume (x, y, z) of one channel."""
        place = self.start + time * math.prod(self.shape[1:]) * self.dtype.itemsize
        volume = np.ascontiguousarray(values, dtype=self.dtype)[..., None]
        if self.shape[4] > 1:
            self.file.seek(place)
            content = self.file.read(math.prod(self.shape[1:]) * self.dtype.itemsize)
            whole = np.frombuffer(content, self.dtype).reshape(self.shape[1:]).copy()
            whole[..., channel] = values
            volume = whole
        self.file.seek(place)
        self.file.write(volume.data)

    def __enter__(self) -> _Filling:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def _encode(folder: Path, shape: tuple[int, int, int, int, int], raw_type: np.dtype[Any], encoding: Encoding) -> None:
    """Turn the raw file into the array, volume by volume."""
    size = math.prod(shape[1:])
    with (folder / RAW).open("rb") as raw, (folder / ARRAY).open("wb") as file:
        np.lib.format.read_magic(raw)
        np.lib.format.read_array_header_1_0(raw)
        _start(file, shape, encoding.dtype)
        for _ in range(shape[0]):
            values = np.fromfile(raw, raw_type, size).reshape(shape[1:])
            file.write(np.ascontiguousarray(encoding.encode(values)).data)
    (folder / RAW).unlink()


def _start(file: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Write the .npy header and return where the values begin."""
    description = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": tuple(shape)}
    np.lib.format.write_array_header_1_0(file, description)
    return file.tell()


def _describe(
    folder: Path, header: Header, encoding: Encoding, kind: Kind, channels: tuple[str, ...], source_hash: str
) -> None:
    record = Sidecar(
        shape=header.shape,
        dtype=encoding.dtype.name,
        affine=tuple(tuple(row) for row in header.geometry.affine.tolist()),
        repetition_time=header.repetition_time,
        kind=kind,
        channels=channels,
        scale=encoding.scale,
        offset=encoding.offset,
        source=header.source,
        source_hash=source_hash,
    )
    (folder / SIDECAR).write_text(record.model_dump_json(indent=1), encoding="utf-8")
