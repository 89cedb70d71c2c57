"""Records in the cache: JSON behind a checksum, believed only where it holds, and read once a process."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from voxtempo.errors import ScanError
from voxtempo.scans.atomic import atomic_file

State = tuple[int, int, int]

_read: dict[Path, tuple[State, Any]] = {}


def read_record(path: Path) -> Any:
    """Return the JSON value that ``write_record`` wrote, or None where there is none or it was damaged.

    It is decoded again only after the file was replaced, so it is shared by all who ask: do not change it.
    """
    try:
        state = _state(path)
        known = _read.get(path)
        if known is not None and known[0] == state:
            return known[1]
        checksum, _, text = path.read_bytes().partition(b"\n")
        value = json.loads(text) if _checksum(text) == checksum else None
    except (OSError, ValueError):
        return None
    _read[path] = (state, value)
    return value


def write_record(path: Path, value: Any) -> None:
    """Replace the record in one move; where the cache cannot be written, the next look is merely slow again."""
    text = json.dumps(value).encode()
    with suppress(ScanError), atomic_file(path) as stream:
        stream.write(_checksum(text) + b"\n" + text)


def _state(path: Path) -> State:
    """Return what is another after a move onto the same name, even within one tick of the clock."""
    state = path.stat()
    return state.st_mtime_ns, state.st_size, state.st_ino


def _checksum(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest().encode()
