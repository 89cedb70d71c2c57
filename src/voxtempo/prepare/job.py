"""What is to be done for one case, as plain values that any process can be told, and the doing of it."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from voxtempo.cohort.confounds import read_confounds
from voxtempo.errors import CohortError, VoxTempoError
from voxtempo.prepare.foreground import refuse_not_finite
from voxtempo.prepare.run import apply_decided, refuse_mismatch, run_steps
from voxtempo.prepare.step import Decision, Step
from voxtempo.prepare.store import exact_storage, fitting_storage, load_stage, read_record, save_case, stage_folder
from voxtempo.scans import Geometry, Scan, read_scan, stack_channels


@dataclass(frozen=True)
class Job:
    """One case to prepare.

    Parameters
    ----------
    id : the case, for messages.
    sources : (channel name, file) in the order of the channels.
    mask : file of the label map, or None.
    series : choice among the DICOM series of a folder, or None.
    repetition_time : seconds, where the scan's own header says nothing.
    slice_times : seconds from the start of a volume to each slice along z, or empty.
    confounds : table with a row a volume, or None.
    cache : root of the cache.
    folder : where the result goes.
    stages : (number of steps, key) after which an intermediate result is kept, few steps first.
    """

    id: str
    sources: tuple[tuple[str, str], ...]
    mask: str | None
    series: str | None
    repetition_time: float | None
    cache: str
    folder: str
    slice_times: tuple[float, ...] = ()
    confounds: str | None = None
    stages: tuple[tuple[int, str], ...] = ()

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Job:
        """Return the job whose fields were written as JSON."""
        return cls(
            record["id"],
            tuple((name, path) for name, path in record["sources"]),
            record["mask"],
            record["series"],
            record["repetition_time"],
            record["cache"],
            record["folder"],
            tuple(record["slice_times"]),
            record["confounds"],
            tuple((count, key) for count, key in record["stages"]),
        )


def prepare_case(job: Job, steps: Sequence[Step]) -> None:
    """Read, prepare and store one case; needs the memory of a few copies of its largest scan.

    A stored stage (the result up to a costly step) is taken up where it ends.

    Raises
    ------
    VoxTempoError : a file cannot be read, image and label map do not fit, or a step cannot be done.
    """
    if read_record(Path(job.folder)) is not None:  # another process was quicker
        return
    scan, native, decisions = _furthest_stage(job) or _read_image(job)
    mask = None if job.mask is None else read_scan(job.mask, kind="label")
    if mask is not None:
        refuse_mismatch(native, job.sources[0][1], mask)
        # The same grid: a rounding error between two headers is not to part their shapes further on.
        mask = mask.with_data(mask.data, native)
    for count, key in job.stages:
        if count > len(decisions):
            scan, decided = run_steps(scan, steps[len(decisions) : count])
            decisions = [*decisions, *decided]
            folder = stage_folder(Path(job.cache), key)
            save_case(folder, scan, None, native, decisions, exact_storage(scan))
            found = load_stage(folder)  # as a later run will find it
            assert found is not None
            scan = found[0]
    scan, decided = run_steps(scan, steps[len(decisions) :])
    decisions = [*decisions, *decided]
    refuse_not_finite(scan, "after preparation")
    if mask is not None:
        mask = apply_decided(mask, steps, decisions)
    save_case(Path(job.folder), scan, mask, native, decisions, fitting_storage(scan))


def attempt(job: Job, steps: Sequence[Step]) -> str | None:
    """Prepare one case and return None, or what went wrong in words; only an interrupt passes."""
    try:
        prepare_case(job, steps)
    except VoxTempoError as error:
        return str(error)
    except MemoryError:
        return f"{job.sources[0][1]}: the memory did not suffice to prepare it. Use fewer workers."
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}, line {place.lineno}"
        return f"{job.sources[0][1]}: {type(error).__name__}: {error} (in {where})"
    return None


def _read_image(job: Job) -> tuple[Scan, Geometry, list[Decision]]:
    scan = stack_channels(
        [
            read_scan(path, series=job.series if Path(path).is_dir() else None, channel=name)
            for name, path in job.sources
        ]
    )
    if scan.is_series and scan.repetition_time is None:
        scan = replace(scan, repetition_time=job.repetition_time)
    if job.slice_times:
        if len(job.slice_times) != scan.geometry.shape[2]:
            raise CohortError(
                f"{job.sources[0][1]}: its sidecars give SliceTiming for {len(job.slice_times)} slices, but it has "
                f"{scan.geometry.shape[2]} along its third axis. Correct the sidecar."
            )
        scan = replace(scan, slice_times=job.slice_times)
    if job.confounds is not None:
        scan = replace(scan, confounds=read_confounds(Path(job.confounds), scan.volumes))
    return scan, scan.geometry, []


def _furthest_stage(job: Job) -> tuple[Scan, Geometry, list[Decision]] | None:
    for _, key in reversed(job.stages):
        found = load_stage(stage_folder(Path(job.cache), key))
        if found is not None:
            return found
    return None
