"""The order people expect: 'run-2' before 'run-10'."""

from __future__ import annotations

import re


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key in which digits count as numbers; equal keys only for equal texts.

    >>> sorted(["run-10", "run-2", "run-1"], key=natural)
    ['run-1', 'run-2', 'run-10']
    """
    parts = re.split(r"(\d+)", text)
    return tuple((1, int(part), part) if part.isdecimal() else (0, 0, part) for part in parts if part)
