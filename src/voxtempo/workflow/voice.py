"""Who is told how the work goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from voxtempo.cohort.problem import Problem, grouped


@dataclass(frozen=True)
class Voice:
    """``say`` gets lines, ``bar`` (what, done, total, more) moves a progress bar; silent by default."""

    say: Callable[[str], None] = lambda line: None
    bar: Callable[[str, int, int, str], None] = lambda what, done, total, more: None

    def warn(self, problems: Iterable[Problem]) -> None:
        """Say what is more than a note, what several cases share once."""
        for problem in grouped(problems):
            if problem.severity != "note":
                self.say(f"{problem.severity}: {problem.where}: {problem.message}")
