"""A whole cohort prepared: what is in the cache is taken, what is not is made, and one bad file stops nobody else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from voxtempo.cohort.case import Case
from voxtempo.cohort.facts import cache_root, gather
from voxtempo.cohort.problem import few
from voxtempo.errors import CohortError
from voxtempo.prepare.crew import run_jobs
from voxtempo.prepare.job import Job
from voxtempo.prepare.step import Step
from voxtempo.prepare.store import PreparedCase, case_folder, key_of, read_record
from voxtempo.scans import content_hash

SHOWN = 10  # failures told in full
SPARE_FILES = 256  # for everything else that is open
Progress = Callable[[int, int, str], None]


def prepare_cohort(
    cases: Iterable[Case],
    steps: Sequence[Step],
    cache_dir: str | Path | None = None,
    channels: Sequence[str] | None = None,
    workers: int = 1,
    progress: Progress | None = None,
    series: str | None = None,
) -> dict[str, PreparedCase]:
    """Prepare every case, or find it prepared.

    A result is named by the content of its files, its channels and its steps with their versions and options, so a
    changed file or step redoes what depends on it and nothing else; results up to a costly step are kept and taken up.
    An interrupted run continues where it was. Each worker holds one case at a time: a few copies of its series.

    Parameters
    ----------
    cases : who.
    steps : from ``build_steps``.
    cache_dir : folder of the cache; by default $VOXTEMPO_CACHE, else ~/.cache/voxtempo.
    channels : names of scans to stack, in order; by default those of the first case.
    workers : processes; 1 works in this one.
    progress : called with (cases done, cases in all, id of the case just done); first with those already in the cache.
    series : which DICOM series of a folder.

    Returns
    -------
    Case id -> prepared case, in the order of ``cases``.

    Raises
    ------
    CohortError : some cases could not be prepared; the others are done. The message names each with file and step.
    """
    cases = list(cases)
    cache = Path(cache_dir).resolve() if cache_dir is not None else cache_root().resolve()
    channels = list(channels) if channels is not None else list(cases[0].scans) if cases else []
    jobs, failures = _plan(cases, steps, cache, channels, series, workers)
    todo = {job.folder: job for job in jobs.values() if read_record(Path(job.folder)) is None}
    fresh: set[str] = set()
    done = len([job for job in jobs.values() if job.folder not in todo])
    if progress is not None and done:
        progress(done, len(cases), "")
    for job, error in run_jobs(list(todo.values()), steps, workers):
        alike = [case_id for case_id, other in jobs.items() if other.folder == job.folder]
        done += len(alike)
        if error is None:
            fresh.update(alike)
        else:
            failures.update(dict.fromkeys(alike, error))
        if progress is not None:
            progress(done, len(cases), job.id)
    if failures:
        raise CohortError(_tell([(case.id, failures[case.id]) for case in cases if case.id in failures], len(cases)))
    _allow_open_files(2 * len(cases))
    return {case.id: PreparedCase.open_case(jobs[case.id].folder, case.id, case.id in fresh) for case in cases}


def _plan(
    cases: Sequence[Case], steps: Sequence[Step], cache: Path, channels: Sequence[str], series: str | None, workers: int
) -> tuple[dict[str, Job], dict[str, str]]:
    """Return a job for every case, and what is wrong with those that cannot have one."""
    files = {path for case in cases for path in (*case.scans.values(), case.mask, case.confounds) if path is not None}
    facts, errors = gather(files, "content-1", lambda path: {"sha256": content_hash(path)}, workers)
    jobs: dict[str, Job] = {}
    failures: dict[str, str] = {}
    for case in cases:
        missing = [name for name in channels if name not in case.scans]
        wanted = [
            *(case.scans[name] for name in channels if name in case.scans),
            *filter(None, (case.mask, case.confounds)),
        ]
        unreadable = [errors[path] for path in wanted if path in errors]
        if missing or unreadable:
            failures[case.id] = f"has no scan '{missing[0]}'" if missing else " ".join(unreadable)
            continue
        hashes = {name: facts[case.scans[name]]["sha256"] for name in channels}
        mask = None if case.mask is None else facts[case.mask]["sha256"]
        costly = [count for count, step in enumerate(steps, start=1) if step.costly]
        time = case.repetition_time
        told = (case.slice_times, None if case.confounds is None else facts[case.confounds]["sha256"])
        jobs[case.id] = Job(
            id=case.id,
            sources=tuple((name, str(case.scans[name])) for name in channels),
            mask=None if case.mask is None else str(case.mask),
            series=series,
            repetition_time=time,
            cache=str(cache),
            folder=str(case_folder(cache, key_of(hashes, mask, series, time, steps, *told))),
            slice_times=case.slice_times,
            confounds=None if case.confounds is None else str(case.confounds),
            stages=tuple((count, key_of(hashes, None, series, time, steps[:count], *told)) for count in costly),
        )
    return jobs, failures


def _allow_open_files(count: int) -> None:
    """Raise this process's limit of open files as far as needed and allowed: a mapped array holds one each."""
    if sys.platform == "win32":  # has no such limit
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + SPARE_FILES if hard == resource.RLIM_INFINITY else min(count + SPARE_FILES, hard)
    if soft != resource.RLIM_INFINITY and wanted > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _tell(failures: Sequence[tuple[str, str]], count: int) -> str:
    lines = [f"{len(failures)} of {count} cases could not be prepared (the others are done and kept):"]
    lines += [f"  {case_id}: {error}" for case_id, error in failures[:SHOWN]]
    if len(failures) > SHOWN:
        lines.append(f"  and {len(failures) - SHOWN} more: {few([case_id for case_id, _ in failures[SHOWN:]])}")
    return "\n".join(lines)
