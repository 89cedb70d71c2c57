"""What is wrong, or worth knowing, about a cohort: collected and shown together instead of stopping at the first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from voxtempo.errors import CohortError

Severity = Literal["error", "warning", "note"]

_ORDER: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Problem:
    """One finding.

    Parameters
    ----------
    severity : "error" (the study cannot be trusted or run), "warning" (look at it), "note" (good to know).
    where : the file, column, case or section concerned.
    message : what was found, what was expected, the way out.
    kind : what it is about, such as "leakage" or "geometry", by which a reader finds it; "" for the rest.
    """

    severity: Severity
    where: str
    message: str
    kind: str = ""

    def __str__(self) -> str:
        said = self.message.startswith((f"{self.where}:", f"{self.where}.", f"{self.where} '"))
        return self.message if said else f"{self.where}: {self.message}"


def of_kind(kind: str, problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return the problems with what they are about."""
    return tuple(replace(problem, kind=kind) for problem in problems)


def by_severity(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return the problems with errors first; the order within a severity is kept."""
    return tuple(sorted(problems, key=lambda problem: _ORDER.index(problem.severity)))


def grouped(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return the problems with those that say the same of several cases told once, where the first of them stood.

    >>> [str(each) for each in grouped([Problem("note", name, "it has no time.") for name in "abcde"])]
    ['a, b, c and 2 more: it has no time.']
    """
    alike: dict[tuple[str, str, str], list[Problem]] = {}
    for problem in problems:
        alike.setdefault((problem.severity, problem.kind, problem.message), []).append(problem)
    places = [list(dict.fromkeys(each.where for each in same)) for same in alike.values()]
    return tuple(replace(same[0], where=few(where, 3)) for same, where in zip(alike.values(), places, strict=True))


def refuse_errors(problems: Iterable[Problem], shown: int = 5) -> None:
    """Raise a ``CohortError`` that tells the errors among the problems, if there are any."""
    errors = [str(problem) for problem in grouped(problems) if problem.severity == "error"]
    if errors:
        more = f" And {len(errors) - shown} more: 'voxtempo check' lists them all." if len(errors) > shown else ""
        raise CohortError(" ".join(errors[:shown]) + more)


def few(names: Sequence[str], limit: int = 5) -> str:
    """Return the first names, and how many more there are.

    >>> few(["a", "b", "c"], limit=2)
    'a, b and 1 more'
    """
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
