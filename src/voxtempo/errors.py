"""The errors VoxTempo raises on purpose: each message says what was found, what was expected and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class VoxTempoError(Exception):
    """Base of every deliberate error; the command line prints it as one paragraph and exits with 2."""


class ScanError(VoxTempoError):
    """A scan file lies, is broken, or cannot be what it claims to be."""


class GeometryError(VoxTempoError):
    """Two grids that should agree do not, or a grid is impossible."""


class StudyError(VoxTempoError):
    """A study file says something that cannot be done."""


class CohortError(VoxTempoError):
    """The table, the scans and the targets do not fit together."""


class LeakageError(CohortError):
    """A subject, or an identical image, stands on both sides of a split."""


class RunError(VoxTempoError):
    """A run folder is missing, incomplete or damaged."""


class MissingExtraError(VoxTempoError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs '{package}', which is not installed. Install it with: pip install 'voxtempo[{extra}]'"
        )


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a sentence that suggests the nearest known word, or lists all of them.

    >>> did_you_mean("normalize", ["normalise", "orient"])
    "Did you mean 'normalise'?"
    >>> did_you_mean("zzz", ["normalise", "orient"])
    'Known: normalise, orient.'
    """
    choices = sorted(known)
    near = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    if near:
        return f"Did you mean '{near[0]}'?"
    return f"Known: {', '.join(choices)}."
