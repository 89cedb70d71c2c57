"""Siemens mosaics: all slices of one volume as tiles of one picture.

How many tiles there are and which way the slices run stands only in Siemens' private header, which nibabel reads. The
stated position is that of the whole picture's corner, as if it were one huge slice, and is corrected here.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from voxtempo.errors import ScanError
from voxtempo.scans.dicom.frame import Frame, whole
from voxtempo.scans.dicom.parse import single_frame

PRIVATE_CREATOR, PRIVATE_GROUP, PRIVATE_COUNT = "SIEMENS MR HEADER", 0x0019, 0x0A


def is_mosaic(dataset: Dataset) -> bool:
    """Return whether ImageType says MOSAIC."""
    return "MOSAIC" in (dataset.get("ImageType") or ())


def mosaic_frames(dataset: Dataset, path: Path) -> list[Frame]:
    """Return one frame for each tile, in the order of the slices.

    Raises
    ------
    ScanError : the number of tiles is unknown, or does not fit the picture.
    """
    csa = _private_header(dataset)
    count = whole(_first(csa, "NumberOfImagesInMosaic")) or _private_count(dataset)
    if not count or count < 1:
        raise ScanError(f"{path}: is a mosaic, but NumberOfImagesInMosaic is not in its private header")
    whole_picture = single_frame(dataset, path)
    side = math.ceil(math.sqrt(count))
    rows, columns = whole_picture.rows // side, whole_picture.columns // side
    if rows * side != whole_picture.rows or columns * side != whole_picture.columns:
        raise ScanError(
            f"{path}: {count} tiles do not divide a mosaic of {whole_picture.rows} x {whole_picture.columns} pixels"
        )
    across, down, between = whole_picture.spacing
    corner = (
        whole_picture.position
        + whole_picture.orientation[0] * across * (whole_picture.columns - columns) / 2
        + whole_picture.orientation[1] * down * (whole_picture.rows - rows) / 2
    )
    step = whole_picture.normal * between * _sense(csa, whole_picture)
    return [
        replace(
            whole_picture,
            tile=(k // side * rows, k % side * columns),
            rows=rows,
            columns=columns,
            position=corner + k * step,
        )
        for k in range(count)
    ]


def _private_header(dataset: Dataset) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nibabel calls its DICOM reader experimental each time it is imported
        from nibabel.nicom.csareader import get_csa_header
    return get_csa_header(dataset, "image") or {}


def _sense(csa: dict[str, Any], picture: Frame) -> float:
    """Return -1 if the slices run against the normal of the picture, as the private header may say."""
    normal = ((csa.get("tags") or {}).get("SliceNormalVector") or {}).get("items") or ()
    if len(normal) == 3 and float(np.dot([float(n) for n in normal], picture.normal)) < 0:
        return -1.0
    return 1.0


def _first(csa: dict[str, Any], name: str) -> Any:
    items = ((csa.get("tags") or {}).get(name) or {}).get("items") or (None,)
    return items[0]


def _private_count(dataset: Dataset) -> int | None:
    try:
        block = dataset.private_block(PRIVATE_GROUP, PRIVATE_CREATOR)
        return whole(block[PRIVATE_COUNT].value)
    except KeyError:
        return None
