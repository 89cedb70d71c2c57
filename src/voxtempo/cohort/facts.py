"""What reading a file's voxels told, remembered: hashes and label values by path, time of change and size.

One JSON file under the cache root, so that checking an unchanged cohort again costs no decoding.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from voxtempo.errors import ScanError, VoxTempoError
from voxtempo.scans.atomic import atomic_file

Fact = dict[str, Any]
Progress = Callable[[int, int], None]


def cache_root() -> Path:
    """Return the folder of everything that can be computed again: $VOXTEMPO_CACHE, else ~/.cache/voxtempo."""
    named = os.environ.get("VOXTEMPO_CACHE")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "voxtempo"


def stamp(path: Path) -> str:
    """Return a short text that changes when the file, or any file of the folder, changes."""
    if not path.is_dir():
        state = path.stat()
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
    """
    unique = sorted(set(paths))
    store = cache_root() / "hashes" / f"{kind}.json"
    known = _load(store)
    facts: dict[Path, Fact] = {}
    errors: dict[Path, str] = {}
    stamps: dict[Path, str] = {}
    for path in unique:
        try:
            stamps[path] = stamp(path)
        except OSError as error:
            errors[path] = f"{path} cannot be read: {error.strerror or error}."
            continue
        record = known.get(str(path))
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
    if any(path in facts for path in fresh):
        new = {str(path): {"stamp": stamps[path], "fact": facts[path]} for path in fresh if path in facts}
        _save(store, {**_load(store), **new})
    return facts, errors


def _load(store: Path) -> dict[str, Any]:
    try:
        record = json.loads(store.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(record, dict):
        return {}
    return {
        key: value for key, value in record.items() if isinstance(value, dict) and {"stamp", "fact"} <= value.keys()
    }


def _save(store: Path, record: Mapping[str, Any]) -> None:
    """Replace the store in one move; where the cache cannot be written, the next look is merely slow again."""
    with suppress(ScanError), atomic_file(store) as stream:
        stream.write(json.dumps(record).encode())
