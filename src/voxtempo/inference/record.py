"""Small JSON files of a run folder, read back: all there and sound, or one sentence that says which to restore."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from voxtempo.errors import RunError, StudyError

T = TypeVar("T")

RESTORE = " Restore the file from a copy of the run folder, or train the study again into another one."
"""The way out of a damaged file."""


def read_record(path: Path, read: Callable[[Any], T]) -> T | None:
    """Return what is made of a record; None where there is no such file.

    Parameters
    ----------
    path : of the file.
    read : takes the JSON value; whatever it stumbles over is told as damage.

    Raises
    ------
    RunError : the record is damaged.
    """
    if not path.is_file():
        return None
    try:
        return read(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, StudyError) as error:
        reason = str(error) if not isinstance(error, LookupError) else f"{type(error).__name__}: {error}"
        raise RunError(f"{path} is damaged: {reason.rstrip('.')}.{RESTORE}") from None
