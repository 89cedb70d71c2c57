"""Who is told how the work goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Voice:
    """``say`` gets lines, ``bar`` (what, done, total, more) moves a progress bar; silent by default."""

    say: Callable[[str], None] = lambda line: None
    bar: Callable[[str, int, int, str], None] = lambda what, done, total, more: None
