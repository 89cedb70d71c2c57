"""A DICOM series as a stream of volumes, like any other scan."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from voxtempo.scans.dicom.pixels import stored_pixels
from voxtempo.scans.dicom.series import choose_series, find_series
from voxtempo.scans.dicom.stack import Stack, stack_frames
from voxtempo.scans.guard import room_for
from voxtempo.scans.header import Header
from voxtempo.scans.volumes import Volume, VolumeStream


@contextmanager
def open_dicom(path: Path, series: int | str | None = None) -> Iterator[VolumeStream]:
    """Open a DICOM file, or one series of a folder, for reading volume by volume.

    Parameters
    ----------
    path : a file (its own frames only) or a folder, searched with its subfolders.
    series : number or UID, needed where a folder holds several.

    Raises
    ------
    ScanError : no image, several series without a choice, frames that are no stack, or pixels that cannot be decoded.
    """
    chosen = choose_series(find_series(path), series, path)
    stack = stack_frames(chosen.frames, str(path))
    scales = {(frame.slope, frame.intercept) for frame in chosen.frames}
    dtype: np.dtype[Any] = np.result_type(*{frame.dtype for frame in chosen.frames})
    header = Header(
        geometry=stack.geometry,
        volumes=len(stack.frames),
        channels=len(stack.channels),
        repetition_time=stack.repetition_time,
        dtype=dtype.name,
        source=str(path),
    )
    if len(scales) == 1:
        slope, intercept = scales.pop()
        yield VolumeStream(header, dtype, slope, intercept, _volumes(stack, header, dtype), stack.channels)
    else:
        single = np.dtype(np.float32)
        yield VolumeStream(header, single, 1.0, 0.0, _volumes(stack, header, single, rescale=True), stack.channels)


def _volumes(stack: Stack, header: Header, dtype: np.dtype[Any], rescale: bool = False) -> Iterator[Volume]:
    """Yield volumes; with ``rescale`` every frame's own slope and intercept are applied."""
    frames = [frame for volume in stack.frames for channel in volume for frame in channel]
    planes = stored_pixels(frames)
    buffer = room_for(Path(header.source), header.geometry.shape, dtype)
    for time, volume in enumerate(stack.frames):
        for channel, slices in enumerate(volume):
            for z, frame in enumerate(slices):
                plane = next(planes)
                buffer[:, :, z] = plane.astype(np.float64) * frame.slope + frame.intercept if rescale else plane
            yield time, channel, buffer
