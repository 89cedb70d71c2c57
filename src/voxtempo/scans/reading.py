"""The front door of the room: any supported file in, a scan or its header out, and scans back into files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args

from numpy.typing import DTypeLike

from voxtempo.errors import ScanError
from voxtempo.scans.cache import ARRAY, CachedScan, is_cache, open_cache
from voxtempo.scans.cache_write import cache_stream, write_cache
from voxtempo.scans.guard import GZIP_MAGIC, existing_file
from voxtempo.scans.hashing import content_hash
from voxtempo.scans.header import Header
from voxtempo.scans.labels import whole_numbers
from voxtempo.scans.nifti import open_nifti, read_nifti_header
from voxtempo.scans.nifti_write import write_nifti
from voxtempo.scans.scan import Kind, Scan
from voxtempo.scans.slices import JPEG_MAGIC, PNG_MAGIC, read_slice, read_slice_header, write_slice
from voxtempo.scans.volumes import VolumeStream

Format = Literal["nifti", "dicom", "slice", "cache"]
NIFTI_SIZES = (348, 540)


def read_scan(
    path: str | Path, *, kind: Kind = "intensity", series: int | str | None = None, channel: str | None = None
) -> Scan:
    """Read a scan: NIfTI (.nii, .nii.gz), DICOM (file or folder), PNG or JPEG slice, or cache folder.

    Parameters
    ----------
    path : file or folder; what it is, is decided by its content first and its name second.
    kind : "intensity" applies the file's scale and gives float32, or the stored integers where there is no scale;
        "label" gives whole numbers in the smallest type that holds them.
    series : number or UID of the DICOM series, needed where a folder holds several.
    channel : a name for the scan's only channel.

    Raises
    ------
    ScanError : the file is missing, broken, lies, is of no supported format, holds several series without a choice, or
        is a label map with fractions; one line that names file and field.
    """
    path = Path(path)
    form = _asked_format(path, kind, series)
    if form == "slice":
        scan = read_slice(path, kind)
    elif form == "cache":
        scan = _from_cache(open_cache(_cache_folder(path)), kind)
    else:
        with _opened(path, form, series) as stream:
            scan = stream.collect(kind)
    if channel is None:
        return scan
    return scan.with_data(scan.data, channels=_channel_names(scan.data.shape[4], channel, path))


def read_header(path: str | Path, *, series: int | str | None = None) -> Header:
    """Return what a scan file says of itself, without reading voxels.

    Parameters and errors are those of ``read_scan``.
    """
    path = Path(path)
    form = _asked_format(path, "intensity", series)
    if form == "nifti":
        return read_nifti_header(path)
    if form == "slice":
        return read_slice_header(path)
    if form == "cache":
        return open_cache(_cache_folder(path)).header
    with _opened(path, form, series) as stream:
        return stream.header


def write_scan(scan: Scan, path: str | Path, dtype: DTypeLike | None = None) -> Path:
    """Write a scan as .nii, .nii.gz (time after space on disk, millimetres and seconds) or, for one slice, .png.

    Parameters
    ----------
    scan : what to write.
    path : its suffix is the format.
    dtype : type on disk for NIfTI; by default the scan's own.

    Raises
    ------
    ScanError : the suffix is unknown, a value would change, or the file cannot be written. An older file at ``path`` is
        then still there, whole.
    """
    path = Path(path)
    name = path.name.lower()
    if name.endswith((".nii", ".nii.gz")):
        return write_nifti(scan, path, dtype)
    if name.endswith(".png"):
        return write_slice(scan, path)
    raise ScanError(f"{path}: scans are written as .nii, .nii.gz or, for a single slice, .png")


def cache_series(
    path: str | Path,
    folder: str | Path,
    *,
    kind: Kind = "intensity",
    series: int | str | None = None,
    channel: str | None = None,
    storage: str | None = None,
) -> CachedScan:
    """Convert a scan file into a cache folder, volume by volume: memory does not grow with the length of the series.

    Parameters
    ----------
    path, kind, series, channel : as for ``read_scan``.
    folder : the new cache; an older one there is replaced.
    storage : as for ``write_cache``; by default stored integers stay as they are, with the file's scale.

    Raises
    ------
    ScanError : as for ``read_scan`` and ``write_cache``.
    """
    path, folder = Path(path), Path(folder)
    form = _asked_format(path, kind, series)
    digest = content_hash(path)
    if form in ("slice", "cache"):
        return write_cache(read_scan(path, kind=kind, channel=channel), folder, storage, digest)
    with _opened(path, form, series) as stream:
        names = _channel_names(stream.header.channels, channel, path) if channel else stream.channels
        return cache_stream(stream, folder, kind, names, storage, digest)


def _asked_format(path: Path, kind: str, series: int | str | None) -> Format:
    """Return the file's format, after checking that it can be read in the way asked for."""
    if kind not in get_args(Kind):
        raise ScanError(f"kind is '{kind}', expected 'intensity' or 'label'")
    form = _format(path)
    if series is not None and form != "dicom":
        raise ScanError(f"{path}: only DICOM folders hold several series, so 'series={series}' has no meaning here")
    return form


def _format(path: Path) -> Format:
    """Decide by content, then by name."""
    if path.is_dir():
        return "cache" if is_cache(path) else "dicom"
    existing_file(path)
    try:
        with path.open("rb") as file:
            head = file.read(132)
    except OSError as error:
        raise ScanError(f"{path}: cannot be opened ({error.strerror or error})") from error
    name = path.name.lower()
    if head.startswith((PNG_MAGIC, JPEG_MAGIC)):
        return "slice"
    if head.startswith(b"\x93NUMPY") or name.endswith(".npy"):
        return "cache"
    if head[128:132] == b"DICM" or name.endswith((".dcm", ".ima")):
        return "dicom"
    sizes = {int.from_bytes(head[:4], "little"), int.from_bytes(head[:4], "big")}
    if head.startswith(GZIP_MAGIC) or sizes.intersection(NIFTI_SIZES) or name.endswith((".nii", ".nii.gz")):
        return "nifti"
    if name.endswith((".png", ".jpg", ".jpeg")):
        return "slice"
    raise ScanError(f"{path}: is no scan that can be read: expected NIfTI, DICOM, PNG, JPEG or a cache folder")


@contextmanager
def _opened(path: Path, form: Format, series: int | str | None) -> Iterator[VolumeStream]:
    if form == "nifti":
        with open_nifti(path) as stream:
            yield stream
        return
    from voxtempo.scans.dicom import open_dicom  # pydicom and SimpleITK take longer to import than a NIfTI to read

    with open_dicom(path, series) as stream:
        yield stream


def _cache_folder(path: Path) -> Path:
    if path.is_dir():
        return path
    if path.name != ARRAY or not is_cache(path.parent):
        raise ScanError(f"{path}: an array without a description: expected '{ARRAY}' in a cache folder")
    return path.parent


def _from_cache(cached: CachedScan, kind: Kind) -> Scan:
    scan = cached.to_scan()
    if kind == "label" and scan.kind != "label":
        return scan.with_data(whole_numbers(scan.data, str(cached.folder)), kind="label")
    return scan


def _channel_names(count: int, channel: str, path: Path) -> tuple[str, ...]:
    if count != 1:
        raise ScanError(f"{path}: has {count} channels, so it cannot be the single channel '{channel}'")
    return (channel,)
