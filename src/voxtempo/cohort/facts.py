"""What reading a file's voxels told, remembered: hashes and label values by path, time of change and size.

One record for each folder under the cache root, so that checking an unchanged cohort again costs no decoding, and not the
reading of what is known of others. Processes that share a cache replace records whole: the last one wins, and what it did
not know is only looked at again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from stat import S_ISDIR
from typing import Any

from voxtempo.cohort.record import read_record, write_record
from voxtempo.errors import VoxTempoError

Fact = dict[str, Any]
Progress = Callable[[int, int], None]


def cache_root() -> Path:
    """Return the folder of everything that can be computed again: $VOXTEMPO_CACHE, else ~/.cache/voxtempo."""
    named = os.environ.get("VOXTEMPO_CACHE")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "voxtempo"


def stamp(path: Path) -> str:
    """Return a short text that changes when the file, or any file of the folder, changes."""
    state = path.stat()
    if not S_ISDIR(state.st_mode):
        return f"{state.st_mtime_ns}-{state.st_size}"
    inside = [(str(p.relative_to(path)), p.stat()) for p in sorted(path.rglob("*")) if p.is_file()]
    listing = [(name, state.st_mtime_ns, state.st_size) for name, state in inside]
    return hashlib.sha256(json.dumps(listing).encode()).hexdigest()[:32]


def gather(
    paths: Iterable[Path], kind: str, look: Callable[[Path], Fact], workers: int = 2, progress: Progress | None = None
) -> tuple[dict[Path, Fact], dict[Path, str]]:
    """Return ``look(path)`` for every path, from the cache where the file has not changed, and the errors by path.

    Parameters
    ----------
    paths : files or folders; each is looked at once.
    kind : names the fact (with its version) in the cache.
    look : reads the file and returns JSON values; a ``VoxTempoError`` or ``OSError`` is collected, not raised.
    workers : threads (decoding and hashing release Python's lock).
    progress : called with (done, total).

    Returns
    -------
    The facts, which other callers share (do not change them), and one line for each path that could not be looked at.
    """
    unique = sorted(set(paths))
    known = {folder: _load(kind, folder) for folder in {path.parent for path in unique}}
    facts: dict[Path, Fact] = {}
    errors: dict[Path, str] = {}
    stamps: dict[Path, str] = {}
    for path in unique:
        try:
            stamps[path] = stamp(path)
        except OSError as error:
            errors[path] = f"{path} cannot be read: {error.strerror or error}."
            continue
        record = known[path.parent].get(path.name)
        if record is not None and record["stamp"] == stamps[path]:
            facts[path] = record["fact"]
    fresh = [path for path in stamps if path not in facts]
    done = len(unique) - len(fresh)

    def attempt(path: Path) -> Fact | str:
        try:
            return look(path)
        except VoxTempoError as error:
            return str(error)
        except OSError as error:
            return f"{path} cannot be read: {error.strerror or error}."

    with ThreadPoolExecutor(max(1, workers)) as pool:
        for path, result in zip(fresh, pool.map(attempt, fresh), strict=True):
            done += 1
            if progress is not None:
                progress(done, len(unique))
            if isinstance(result, str):
                errors[path] = result
            else:
                facts[path] = result
    found: dict[Path, Fact] = {}
    for path in fresh:
        if path in facts:
            found.setdefault(path.parent, {})[path.name] = {"stamp": stamps[path], "fact": facts[path]}
    for folder, files in found.items():
        write_record(_store(kind, folder), {"folder": str(folder), "files": {**_load(kind, folder), **files}})
    return facts, errors


def _store(kind: str, folder: Path) -> Path:
    return cache_root() / "facts" / kind / hashlib.sha256(str(folder).encode()).hexdigest()[:32]


def _load(kind: str, folder: Path) -> Fact:
    """Return what is remembered of a folder: file name -> {"stamp", "fact"}."""
    record = read_record(_store(kind, folder))
    return record["files"] if isinstance(record, dict) and record.get("folder") == str(folder) else {}
