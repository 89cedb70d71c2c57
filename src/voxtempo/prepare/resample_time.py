"""Give every series the same repetition time, or the same number of volumes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from voxtempo.errors import StudyError
from voxtempo.prepare.foreground import refuse_not_finite
from voxtempo.prepare.options import Positive
from voxtempo.prepare.series import require_repetition_time, require_series
from voxtempo.prepare.step import Decision, Step, step
from voxtempo.prepare.time_grid import TimeGrid
from voxtempo.scans import Scan

ROUNDING = 1e-6  # volumes: repetition times are written rounded


@step("resample_time")
@dataclass(frozen=True)
class ResampleTime(Step):
    """Resample a series in time over the same duration: cubic splines, without aliases where sampling gets slower.

    A volume stands for the time from its start to the next, so the new volumes begin when the old ones do, and events keep
    their seconds; what is left at the end and makes no whole volume is dropped. Nothing is extrapolated by more than half
    a volume. The scan's confounds are resampled with it.

    Parameters
    ----------
    repetition_time : seconds between the new volumes.
    volumes : how many there shall be over the same duration, such as 20 phases of a heart beat; instead of
        ``repetition_time``.
    periodic : the last volume is followed by the first (cine over one beat), and the first phase stays the first; only
        with ``volumes``.
    """

    main = "repetition_time"

    repetition_time: Positive | None = None
    volumes: Annotated[int, Field(ge=1)] | None = None
    periodic: bool = False

    def __post_init__(self) -> None:
        if (self.repetition_time is None) == (self.volumes is None):
            raise StudyError("preparation step 'resample_time': give either 'repetition_time' (seconds) or 'volumes'.")
        if self.periodic and self.volumes is None:
            raise StudyError(
                "preparation step 'resample_time': a periodic series has a whole number of volumes; give 'volumes' instead "
                "of 'repetition_time'."
            )

    def foresee_time(self, volumes: int, repetition_time: float | None) -> tuple[int, float | None]:
        """Return the new number of volumes and the seconds between them."""
        if volumes == 1:
            return volumes, repetition_time
        if self.volumes is not None:
            return self.volumes, None if repetition_time is None else repetition_time * volumes / self.volumes
        assert self.repetition_time is not None
        if repetition_time is None:
            return volumes, self.repetition_time
        return int(np.floor(volumes * repetition_time / self.repetition_time + ROUNDING)), self.repetition_time

    def decide(self, scan: Scan) -> Decision:
        """Return how many volumes there will be, and the seconds between them."""
        require_series(scan, self.name)
        refuse_not_finite(scan)
        if self.repetition_time is not None:
            require_repetition_time(scan, self.name, "repetition_time")
        volumes, seconds = self.foresee_time(scan.volumes, scan.repetition_time)
        if volumes < 1:
            raise StudyError(
                f"{scan.source or 'the scan'}: preparation step 'resample_time' asks for a volume every {seconds:g} s, but "
                f"the whole series lasts {scan.duration:g} s."
            )
        return {"volumes": volumes, "repetition_time": seconds}

    def apply(self, scan: Scan, decision: Decision) -> Scan:
        """Return the series at its new moments (float32), its confounds with it."""
        wanted, seconds = decision["volumes"], decision["repetition_time"]
        if self.repetition_time is not None and scan.repetition_time is not None:
            step = self.repetition_time / scan.repetition_time
        else:
            step = scan.volumes / wanted
        grid = TimeGrid(scan.volumes, wanted, step, self.periodic)
        return scan.with_data(
            grid.resample(scan.data),
            repetition_time=seconds,
            confounds=grid.resample_confounds(scan.confounds),
            slice_times=(),
        )
