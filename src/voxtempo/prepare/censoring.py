"""Volumes that are spoilt by motion: which they are, and what stands in their place (scrubbing)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, ConfigDict, Field

from voxtempo.errors import StudyError
from voxtempo.scans import Scan

Limit = Annotated[float, Field(gt=0, allow_inf_nan=False)] | None
Count = Annotated[int, Field(ge=0)]
MEASURES = ("framewise_displacement", "dvars", "std_dvars")


@dataclass(frozen=True)
class Scrub:
    """Which volumes are left out of a fit, and what becomes of them; no volume is ever cut out of a series.

    Parameters
    ----------
    framewise_displacement : mm (Power et al. 2012); volumes above it are left out.
    dvars, std_dvars : limits of these, in the units of the table or of the step ``motion``.
    before, after : so many volumes before and after each of them are left out too.
    fill : "spike", their residual is 0, as one regressor for each of them would do; "interpolate", a line between the
        nearest volumes that count.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    framewise_displacement: Limit = None
    dvars: Limit = None
    std_dvars: Limit = None
    before: Count = 0
    after: Count = 0
    fill: Literal["spike", "interpolate"] = "spike"

    def __post_init__(self) -> None:
        if all(getattr(self, measure) is None for measure in MEASURES):
            raise StudyError(f"'scrub' needs a limit for one of {', '.join(MEASURES)}")


def _scrub(value: Any) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return {"framewise_displacement": value} if number else value


ScrubOption = Annotated[Scrub | None, BeforeValidator(_scrub)]
"""``Scrub``, or a number that is its limit of framewise displacement."""


def censored_volumes(scan: Scan, scrub: Scrub | None, step: str) -> NDArray[np.bool_]:
    """Return for each volume (t,) whether it is left out; a measure that is not known there (NaN) says nothing.

    Raises
    ------
    StudyError : the scan has no course of a measure.
    """
    above = np.zeros(scan.volumes, dtype=bool)
    if scrub is None:
        return above
    for measure in MEASURES:
        limit = getattr(scrub, measure)
        if limit is None:
            continue
        if measure not in scan.confounds:
            known = ", ".join(scan.confounds) or "none"
            raise StudyError(
                f"{scan.source or 'the scan'}: preparation step '{step}' scrubs by '{measure}', but the scan has no such "
                f"course (its confounds: {known}). Put the step 'motion' before it, or give a table by 'cohort.confounds'."
            )
        above |= np.nan_to_num(scan.confounds[measure], nan=0.0) > limit
    spread = above.copy()
    for distance in range(1, scrub.before + 1):
        spread[:-distance] |= above[distance:]
    for distance in range(1, scrub.after + 1):
        spread[distance:] |= above[:-distance]
    return spread


@dataclass(frozen=True, eq=False)
class Gaps:
    """The volumes that do not count, and what closes the gaps they leave.

    Parameters
    ----------
    kept : (t,) whether a volume counts; at least one does.
    fill : as in ``Scrub``.
    """

    kept: NDArray[np.bool_]
    fill: Literal["spike", "interpolate"] = "spike"

    def closed(self, counted: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return courses (t, n) from those of the volumes that count (k, n).

        >>> Gaps(np.array([True, False, True, False]), "interpolate").closed(np.float32([[2], [4]])).ravel().tolist()
        [2.0, 3.0, 4.0, 4.0]
        """
        result = np.zeros((self.kept.size, counted.shape[1]), dtype=np.float32)
        result[self.kept] = counted
        if self.fill == "interpolate":
            there, gone = np.flatnonzero(self.kept), np.flatnonzero(~self.kept)
            place = np.interp(gone, there, np.arange(there.size))
            left = np.floor(place).astype(int)
            right = np.minimum(left + 1, there.size - 1)
            share = (place - left).astype(np.float32)[:, None]
            result[gone] = (1 - share) * counted[left] + share * counted[right]
        return result
