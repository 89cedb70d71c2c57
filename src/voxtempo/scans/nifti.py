"""NIfTI files as streams of volumes, so that time costs no more memory than the result needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voxtempo.scans.guard import GuardedStream, guarded, room_for
from voxtempo.scans.header import Header
from voxtempo.scans.nifti_header import NiftiHeader, parse_header
from voxtempo.scans.volumes import Volume, VolumeStream


@contextmanager
def open_nifti(path: Path) -> Iterator[VolumeStream]:
    """Open a .nii or .nii.gz file (recognised by content) for reading volume by volume.

    Raises
    ------
    ScanError : the file is broken, lies, or holds what is not supported; the message names the field.
    """
    with guarded(path) as stream:
        nifti = parse_header(stream)
        yield VolumeStream(nifti.header, nifti.dtype, nifti.slope, nifti.intercept, _volumes(stream, nifti))


def read_nifti_header(path: Path) -> Header:
    """Return what the file says of itself; of a compressed file only the first bytes are unpacked."""
    with guarded(path) as stream:
        return parse_header(stream).header


def _volumes(stream: GuardedStream, nifti: NiftiHeader) -> Iterator[Volume]:
    """Yield the stored volumes; x runs fastest on disk, so the buffer is (z, y, x) and handed out transposed."""
    stream.skip_to(nifti.offset)
    buffer = room_for(stream.path, nifti.header.geometry.shape[::-1], nifti.dtype)
    for channel in range(nifti.header.channels):
        for time in range(nifti.header.volumes):
            stream.fill(buffer)
            yield time, channel, buffer.T
    stream.finish()
