"""Files and folders that appear whole or not at all: written beside their place, flushed to disk, then renamed."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from voxtempo.errors import ScanError

ATTEMPTS = 20
CHANGED = (errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.EACCES)
"""What rename says where another process was quicker (on Windows, access denied)."""


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a binary file that takes the name ``path`` only if the block ends without an error.

    Raises
    ------
    ScanError : the folder cannot be written to, or the disk is full.
    """
    temporary = _beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise ScanError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder that takes the name ``folder``, replacing an older one, only if the block ends well.

    Raises
    ------
    ScanError : the place cannot be written to, or the disk is full.
    """
    temporary = _beside(folder)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        for file in temporary.iterdir():
            _flush(file)
        _swap(temporary, folder)
    except OSError as error:
        raise ScanError(f"{folder}: cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _swap(temporary: Path, folder: Path) -> None:
    """Rename ``temporary`` to ``folder``; an older one steps aside first, as rename replaces only empty ones.

    Other processes may write the same folder at the same time: whoever finds it changed looks again.
    """
    for attempt in range(ATTEMPTS):
        aside = _beside(folder)
        try:
            if folder.exists():
                os.rename(folder, aside)
            os.rename(temporary, folder)
            return
        except OSError as error:
            if error.errno not in CHANGED or attempt == ATTEMPTS - 1:
                raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def _beside(path: Path) -> Path:
    """Return a new hidden name in the same folder, so that renaming stays on one file system."""
    return path.parent / f".{uuid.uuid4().hex}.part"


def _flush(file: Path) -> None:
    with file.open("rb+") as stream:
        os.fsync(stream.fileno())
