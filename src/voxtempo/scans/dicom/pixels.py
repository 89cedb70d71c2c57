"""Stored pixels of frames, decoded file by file: by pydicom, or by SimpleITK's GDCM for codecs that pydicom lacks."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels import iter_pixels

from voxtempo.errors import ScanError
from voxtempo.scans.dicom.frame import Frame
from voxtempo.scans.dicom.parse import foreign


def stored_pixels(frames: Sequence[Frame]) -> Iterator[NDArray[Any]]:
    """Yield the stored values (x, y) of each frame in order; neighbours from one file open it only once.

    Raises
    ------
    ScanError : the pixels are missing, truncated or cannot be decoded.
    """
    for file, of_file in groupby(frames, key=lambda frame: frame.file):
        members = list(of_file)
        pictures = _decoded(file, list(dict.fromkeys(frame.index for frame in members)))
        for _, tiles in groupby(members, key=lambda frame: frame.index):
            picture = next(pictures)
            for frame in tiles:
                row, column = frame.tile
                part = picture[row : row + frame.rows, column : column + frame.columns]
                if part.shape != (frame.rows, frame.columns):
                    raise ScanError(f"{file}: decoded to {picture.shape}, expected {frame.rows} x {frame.columns}")
                yield part.T


def _decoded(file: Path, indices: list[int]) -> Iterator[NDArray[Any]]:
    """Yield pictures (rows, columns) of a file's frames."""
    pictures = iter_pixels(file, indices=indices, raw=True)
    for done in range(len(indices)):
        with foreign(file, "the pixels cannot be decoded"):
            try:
                picture = next(pictures, None)
            except (NotImplementedError, RuntimeError):
                dataset = pydicom.dcmread(file)
                if done or not dataset.file_meta.TransferSyntaxUID.is_compressed:
                    raise
                unpacked = _by_gdcm(dataset)
                pictures = (unpacked[index] for index in indices)
                picture = next(pictures)
        if picture is None:
            raise ScanError(f"{file}: holds {done} frames, expected {len(indices)}")
        yield picture


def _by_gdcm(dataset: Dataset) -> NDArray[Any]:
    """Return stored values (frames, rows, columns); the rescale is taken out first, as GDCM would apply it."""
    import SimpleITK as sitk  # slow to import, and seldom needed here

    groups = [*dataset.get("SharedFunctionalGroupsSequence", []), *dataset.get("PerFrameFunctionalGroupsSequence", [])]
    for source in (dataset, *groups):
        for name in ("RescaleSlope", "RescaleIntercept", "RescaleType", "PixelValueTransformationSequence"):
            if name in source:
                del source[name]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "frame.dcm"
        dataset.save_as(copy)
        pictures = sitk.GetArrayFromImage(sitk.ReadImage(str(copy)))
    return pictures.reshape(-1, *pictures.shape[-2:]) if pictures.ndim > 2 else np.array(pictures[None])
