"""Where prepared cases lie: a folder each, named by what went into it, complete as soon as its ``case.json`` exists."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from voxtempo.errors import CohortError
from voxtempo.prepare.step import Decision, Step
from voxtempo.scans import CachedScan, Geometry, Scan, open_cache, write_cache
from voxtempo.scans.atomic import atomic_file
from voxtempo.scans.storage import in_half_precision

FORMAT = 1  # of the folder and of the arrays in it; other formats are redone
RECORD = "case.json"
SAMPLE = 2_000_000  # values that tell how far a series may be rounded
COARSE = 0.02  # half precision may round a course by this share of its own standard deviation
STALE = 3600  # seconds after which an unfinished write is taken for the remains of a crash


@dataclass(frozen=True)
class PreparedCase:
    """A case as the model will see it, on disk until it is read.

    Parameters
    ----------
    id : the case.
    folder : where it lies.
    native : grid of the case's first channel before preparation.
    decisions : what each step decided, in order.
    confounds : name -> one value a volume, as preparation left them (motion among them, where it was estimated).
    fresh : whether it was prepared just now rather than found in the cache.
    """

    id: str
    folder: Path
    native: Geometry
    decisions: list[Decision] = field(default_factory=list)
    confounds: Mapping[str, list[float]] = field(default_factory=dict)
    fresh: bool = False

    @classmethod
    def open_case(cls, folder: str | Path, case_id: str = "", fresh: bool = False) -> PreparedCase:
        """Open what ``prepare_cohort`` left in ``folder``; arrays are mapped when they are first asked for.

        Raises
        ------
        CohortError : the folder holds no complete case.
        """
        folder = Path(folder)
        record = read_record(folder)
        if record is None:
            raise CohortError(f"{folder}: holds no complete prepared case. Run 'voxtempo prepare' again.")
        native, confounds = Geometry.from_json(record["native"]), record.get("confounds", {})
        return cls(case_id or folder.name, folder, native, record["decisions"], confounds, fresh)

    @cached_property
    def image(self) -> CachedScan:
        """The prepared image."""
        return open_cache(self.folder / "image")

    @cached_property
    def mask(self) -> CachedScan | None:
        """The label map on the image's grid, or None."""
        return open_cache(self.folder / "mask") if (self.folder / "mask").is_dir() else None

    @property
    def bytes(self) -> int:
        """Size on disk."""
        return sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())


def key_of(
    sources: Mapping[str, str],
    mask: str | None,
    series: str | None,
    repetition_time: float | None,
    steps: Sequence[Step],
    slice_times: Sequence[float] = (),
    confounds: str | None = None,
) -> str:
    """Return the name of what these inputs give: SHA-256 of everything that decides the result, 32 hex digits of it.

    Parameters
    ----------
    sources : channel name -> content hash, in order.
    mask : content hash of the label map, or None.
    series : choice among DICOM series.
    repetition_time : seconds, told from outside the file.
    steps : with their versions and all options.
    slice_times : seconds, told from outside the file.
    confounds : content hash of the table, or None.
    """
    recipe = [[step.name, step.version, step.identity()] for step in steps]
    parts = {
        "format": FORMAT,
        "sources": list(sources.items()),
        "mask": mask,
        "series": series,
        "repetition_time": repetition_time,
        "steps": recipe,
    }
    if slice_times:
        parts["slice_times"] = list(slice_times)
    if confounds is not None:
        parts["confounds"] = confounds
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=vars).encode()).hexdigest()[:32]


def case_folder(cache: Path, key: str) -> Path:
    """Return where the case of this key lies, or will lie."""
    return cache / "prepared" / key[:2] / key


def stage_folder(cache: Path, key: str) -> Path:
    """Return where the result of the first, costly steps lies, or will lie."""
    return cache / "stages" / key[:2] / key


def read_record(folder: Path) -> dict[str, Any] | None:
    """Return the description of a complete folder; None if there is none, or it is unfinished or of another format."""
    try:
        record = json.loads((folder / RECORD).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and record.get("format") == FORMAT else None


def save_case(
    folder: Path, image: Scan, mask: Scan | None, native: Geometry, decisions: Sequence[Decision], storage: str | None
) -> None:
    """Write a case; its record comes last, so that an interrupted write is never taken for a case.

    Parameters
    ----------
    folder : where; remains of an interrupted write there are replaced.
    image, mask : prepared.
    native : the grid before preparation.
    decisions : one for each step.
    storage : of the image, as for ``write_cache``.
    """
    _clear_remains(folder)
    write_cache(image, folder / "image", storage)
    if mask is not None:
        write_cache(mask, folder / "mask")
    record = {"format": FORMAT, "native": native.as_json(), "decisions": list(decisions)}
    record["confounds"] = {name: np.asarray(course).tolist() for name, course in image.confounds.items()}
    record["slice_times"] = list(image.slice_times)
    with atomic_file(folder / RECORD) as file:
        file.write(json.dumps(record, indent=1).encode())


def load_stage(folder: Path) -> tuple[Scan, Geometry, list[Decision]] | None:
    """Return a stored stage: the scan, its native grid, and what was decided so far; None if there is none."""
    record = read_record(folder)
    if record is None:
        return None
    confounds = {name: np.array(course, np.float64) for name, course in record.get("confounds", {}).items()}
    scan = replace(
        open_cache(folder / "image").to_scan(), confounds=confounds, slice_times=tuple(record.get("slice_times", ()))
    )
    return scan, Geometry.from_json(record["native"]), record["decisions"]


def exact_storage(scan: Scan) -> str | None:
    """Return the storage that loses nothing of an intermediate result."""
    return None if scan.data.dtype.itemsize <= 2 and scan.data.dtype.kind in "iu" else "float32"


def fitting_storage(scan: Scan) -> str | None:
    """Return "float32" where two bytes a voxel would coarsen the scan, else None (the cache chooses).

    Half precision keeps three digits. That is plenty for an image, but a series with its mean kept has courses that
    vary by a hundredth of it. A sample of voxels decides: the rounding at their mean against their spread over time.
    A volume beyond the range of half precision is stored in even steps, which a few outliers make coarse: there the step is
    held against the spread of the middle half of the voxels.
    """
    whole, wide = np.issubdtype(scan.data.dtype, np.integer), scan.data.dtype.itemsize > 2
    if scan.kind == "label" or (whole and (scan.is_series or not wide)):
        return None
    if not scan.is_series:
        return "float32" if _coarse_steps(scan) else None
    courses = scan.data.reshape(scan.volumes, -1)
    courses = courses[:, :: max(1, courses.size // SAMPLE)].astype(np.float64)
    spread = courses.std(axis=0)
    varies = spread > 0
    if not varies.any() or np.abs(courses).max() > np.finfo(np.float16).max:
        return "float32" if varies.any() else None
    rounding = np.spacing(np.abs(courses.mean(axis=0)[varies]).astype(np.float16)).astype(np.float64) / np.sqrt(12)
    return "float32" if np.median(rounding / spread[varies]) > COARSE else None


def _coarse_steps(scan: Scan) -> bool:
    """Return whether a volume is stored in 65,536 even steps, and these are coarse for most of its voxels."""
    values = scan.data.reshape(-1)
    low, high = float(values.min()), float(values.max())
    if in_half_precision(low, high):
        return False
    step = (high - low) / 65535
    sample = values[:: max(1, values.size // SAMPLE)]
    sample = sample[sample != 0]  # air that was cut out
    spread = float(np.subtract(*np.percentile(sample, [75, 25]))) if sample.size else 0.0
    return step > COARSE * spread


def _clear_remains(folder: Path) -> None:
    """Remove what a crash left half written: temporary names of long ago."""
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        with suppress(OSError):  # what another process is just writing may be gone by now
            if entry.name.startswith(".") and time.time() - entry.stat().st_mtime > STALE:
                shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)
