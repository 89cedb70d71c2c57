"""Bring the slices of a volume, which were acquired one after the other, to one moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from voxtempo.errors import StudyError
from voxtempo.prepare.series import require_repetition_time, require_series
from voxtempo.prepare.step import Decision, Step, step
from voxtempo.prepare.time_shift import Interpolation, shift_in_time
from voxtempo.scans import Scan

SLACK = 1.001  # slice times are written rounded

Order = Literal["ascending", "descending", "interleaved", "interleaved_even", "siemens"]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@step("slice_timing")
@dataclass(frozen=True)
class SliceTiming(Step):
    """Shift every slice's time courses from when it was acquired to one moment of the volume, by interpolation in time.

    The times come from the BIDS sidecar (SliceTiming) unless the study gives ``order`` or ``times``. Slices are counted
    along the third axis of the array as it lies in the file, so this step stands before all that move voxels; a study in
    which it does not is refused. Events keep their seconds from the first volume: with the middle as reference, a volume
    is a picture of what was half a repetition time after its start.

    Parameters
    ----------
    order : in which slices follow each other, evenly over the repetition time: "ascending" from the first, "descending"
        from the last, "interleaved" (1st, 3rd, 5th ..., then 2nd, 4th ...), "interleaved_even" (2nd, 4th ..., then 1st,
        3rd ...), "siemens" (interleaved; it starts with the 2nd where the number of slices, or of groups of slices, is
        even). None: from the sidecar.
    multiband : slices acquired at once, evenly apart; ``order`` is then that of the groups.
    times : seconds from the start of a volume, one for each slice.
    reference : "middle" between the first and the last slice's time, or "first".
    interpolation : "spline" (cubic) or "sinc" (windowed), which keeps more of what is fast.
    """

    main = "order"

    order: Order | None = None
    multiband: Annotated[int, Field(ge=1)] = 1
    times: tuple[Seconds, ...] | None = None
    reference: Literal["middle", "first"] = "middle"
    interpolation: Interpolation = "spline"

    def __post_init__(self) -> None:
        if self.order is not None and self.times is not None:
            raise StudyError("preparation step 'slice_timing' has both 'order' and 'times': leave one out.")
        if self.multiband > 1 and self.order is None:
            raise StudyError(
                "preparation step 'slice_timing': 'multiband' says in which groups an 'order' goes, but there is no 'order'. "
                "Times from a sidecar or from 'times' tell it already."
            )

    def misplaced(self, earlier: Sequence[Step]) -> str | None:
        """Slices that have been moved were not acquired at one time each."""
        moving = [
            one.name for one in earlier if one.geometric or (one.name == "motion" and getattr(one, "realign", True))
        ]
        if not moving:
            return None
        aside = " ('motion: {realign: false}' may come before, to tell the motion first)" if "motion" in moving else ""
        return f"comes after '{moving[0]}', which moves voxels between slices. Put 'slice_timing' before it{aside}."

    def decide(self, scan: Scan) -> Decision:
        """Return the slice times and the moment they are brought to, in seconds from the start of a volume."""
        require_series(scan, self.name)
        seconds = require_repetition_time(scan, self.name, "order" if self.order else "slice times")
        times = self._times(scan, seconds)
        where = f"{scan.source or 'the scan'}: preparation step 'slice_timing' "
        if len(times) != scan.data.shape[3]:
            raise StudyError(
                where + f"has 'times' for {len(times)} slices, but there are {scan.data.shape[3]} along the third axis."
            )
        if max(times) > SLACK * seconds:
            raise StudyError(
                where
                + f"finds a slice {max(times):g} s after the start of a volume, but volumes are {seconds:g} s apart. "
                "Times are in seconds; correct them, or the repetition time."
            )
        middle = (min(times) + max(times)) / 2
        return {"times": list(times), "reference": middle if self.reference == "middle" else min(times)}

    def apply(self, scan: Scan, decision: Decision) -> Scan:
        """Return the series as if each volume had been acquired at once (float32)."""
        seconds = require_repetition_time(scan, self.name, "slice times")
        shift = (decision["reference"] - np.array(decision["times"])) / seconds
        return scan.with_data(shift_in_time(scan.data, shift, self.interpolation), slice_times=())

    def _times(self, scan: Scan, seconds: float) -> tuple[float, ...]:
        if self.times is not None:
            return self.times
        if self.order is not None:
            return ordered_times(scan.data.shape[3], seconds, self.order, self.multiband, scan.source)
        if not scan.slice_times:
            raise StudyError(
                f"{scan.source or 'the scan'}: preparation step 'slice_timing' knows no slice times: no BIDS sidecar gives "
                "SliceTiming for it. Give 'order' (and 'multiband'), or 'times', or leave the step out."
            )
        return scan.slice_times


def ordered_times(slices: int, seconds: float, order: Order, multiband: int = 1, source: str = "") -> tuple[float, ...]:
    """Return the time of each slice (z,) in seconds, groups of slices following each other evenly.

    Raises
    ------
    StudyError : the slices cannot be divided into such groups.

    Examples
    --------
    >>> ordered_times(5, 1.0, "interleaved")
    (0.0, 0.6, 0.2, 0.8, 0.4)
    >>> ordered_times(6, 3.0, "descending", multiband=2)
    (2.0, 1.0, 0.0, 2.0, 1.0, 0.0)
    """
    if slices % multiband:
        raise StudyError(
            f"{source or 'the scan'}: preparation step 'slice_timing' has 'multiband: {multiband}', but {slices} slices are "
            "no multiple of it."
        )
    groups = slices // multiband
    odd, even = list(range(0, groups, 2)), list(range(1, groups, 2))
    sequence = {
        "ascending": list(range(groups)),
        "descending": list(range(groups))[::-1],
        "interleaved": odd + even,
        "interleaved_even": even + odd,
        "siemens": odd + even if groups % 2 else even + odd,
    }[order]
    place = {group: number for number, group in enumerate(sequence)}
    return tuple(seconds * place[number % groups] / groups for number in range(slices))
