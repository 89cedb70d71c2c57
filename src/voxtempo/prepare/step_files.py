"""Files that steps need beside the scan (an atlas): they count by their content, in the cache and in a finished run."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from voxtempo.cohort.facts import stamp
from voxtempo.prepare.step import Step
from voxtempo.scans import content_hash


def file_hashes(steps: Iterable[Step]) -> dict[str, str]:
    """Return path -> SHA-256 of every file that the steps name."""
    return {path: file_hash(path) for step in steps for path in step.files()}


def file_hash(path: str) -> str:
    """Return the SHA-256 of a file, which is read once for as long as it does not change.

    Raises
    ------
    ScanError : there is no such file.
    """
    whole = Path(path).resolve()
    return _hash(whole, file_stamp(whole))


def file_stamp(path: Path) -> str:
    """Return what changes with the file, or "" where there is none (reading it then says so)."""
    return stamp(path) if path.is_file() else ""


@lru_cache
def _hash(path: Path, _: str) -> str:
    return content_hash(path)
