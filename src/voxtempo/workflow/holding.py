"""A run folder belongs to one process at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from voxtempo.errors import StudyError

LOCK = ".lock"
_HELD: set[Path] = set()


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep a folder for this process while the block runs; within it the same folder may be held again.

    The system takes back the lock of a process that ends, however it ends. Where files cannot be locked (some network
    file systems, Windows) nothing is held.

    Parameters
    ----------
    folder : made if it is not there, and removed afterwards if nothing was written into it.

    Raises
    ------
    StudyError : another process holds it.
    """
    place = folder.resolve()
    if place in _HELD:
        yield
        return
    made = not folder.exists()
    file = _locked(folder)
    _HELD.add(place)
    try:
        yield
    finally:
        _HELD.discard(place)
        if file is not None:
            with suppress(OSError):
                (folder / LOCK).unlink()
            file.close()
        if made:
            with suppress(OSError):  # not empty
                folder.rmdir()


def _locked(folder: Path) -> IO[bytes] | None:
    """Return the lock's open file; None where there are no locks."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    path = folder / LOCK
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = path.open("ab")
        except OSError:  # what cannot be written is told where it is written
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise StudyError(
                f"Another process is writing into {folder}. Wait until it ends, or choose another --out."
            ) from None
        except OSError:
            file.close()
            return None
        with suppress(OSError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()  # removed between opening and locking by the process that held it
