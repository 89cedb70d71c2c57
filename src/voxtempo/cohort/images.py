"""What decoding every image once tells: its identity and its intensities."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from voxtempo.cohort.case import Cohort
from voxtempo.cohort.facts import Fact, Progress, gather
from voxtempo.scans import Scan, pixel_hash, read_scan
from voxtempo.scans.nifti import open_nifti


def image_facts(
    cohort: Cohort, workers: int = 2, progress: Progress | None = None
) -> tuple[dict[Path, Fact], dict[Path, str]]:
    """Return what ``look_at_image`` says of every image of a cohort, remembered until the file changes, and errors.

    Parameters
    ----------
    cohort : its images.
    workers : threads.
    progress : called with (images done, images).
    """
    kind = "images-1"
    if cohort.series is not None:
        kind += f"-series-{hashlib.sha256(cohort.series.encode()).hexdigest()[:12]}"
    paths = {path for case in cohort for path in case.scans.values()}
    return gather(paths, kind, lambda path: look_at_image(path, cohort.series), workers, progress)


def look_at_image(path: Path, series: str | None = None) -> Fact:
    """Return what the voxels of an image say; NIfTI is read one volume at a time.

    Returns
    -------
    {"pixels": hash of the decoded voxels, "blank": whether all are equal, "not_finite": voxels that are NaN or infinite,
    "zeros": share of voxels that are exactly 0, and "least", "greatest", "mean", "deviation" of the finite voxels (None
    where there are none)}.
    """
    digest = hashlib.sha256()
    low, high, volumes, not_finite, zeros, voxels = float("inf"), float("-inf"), 0, 0, 0, 0
    total = squares = 0.0
    for volume in _volumes(path, series):
        digest.update(pixel_hash(volume).encode())
        low, high = min(low, float(volume.data.min())), max(high, float(volume.data.max()))
        values = volume.data
        if not np.isfinite((low, high)).all():
            values = values[np.isfinite(values)]
            not_finite += int(volume.data.size - values.size)
        zeros += int(values.size - np.count_nonzero(values))
        voxels += int(values.size)
        total += float(values.sum(dtype=np.float64))
        squares += float(np.square(values, dtype=np.float64).sum())
        volumes += 1
    digest.update(str(volumes).encode())
    mean = total / voxels if voxels else None
    return {
        "pixels": digest.hexdigest(),
        "blank": low == high,
        "not_finite": not_finite,
        "zeros": zeros / voxels if voxels else 0.0,
        "least": low if np.isfinite(low) else None,
        "greatest": high if np.isfinite(high) else None,
        "mean": mean,
        "deviation": max(squares / voxels - mean**2, 0.0) ** 0.5 if mean is not None else None,
    }


def _volumes(path: Path, series: str | None) -> Iterator[Scan]:
    """Yield every volume on its own; NIfTI files with one channel are streamed, so a long series costs no memory."""
    if path.name.lower().endswith((".nii", ".nii.gz")):
        with open_nifti(path) as stream:
            if stream.header.channels == 1:
                for _, _, values in stream.values("intensity"):
                    yield Scan(values[None, ..., None], stream.header.geometry)
                return
    scan = read_scan(path, series=series if path.is_dir() else None)
    for volume in scan.data:
        yield Scan(volume[None], scan.geometry)
