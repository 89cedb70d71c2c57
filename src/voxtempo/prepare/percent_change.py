"""Percent signal change: a series in a unit that means the same in every voxel and on every scanner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from voxtempo.errors import StudyError
from voxtempo.prepare.foreground import Within, refuse_not_finite, required_region
from voxtempo.prepare.series import require_series
from voxtempo.prepare.step import Decision, Step, step
from voxtempo.scans import Scan
from voxtempo.scans.room import room

SMALLEST = 1e-6  # a baseline below this share of the largest one is no signal to take a percentage of


@step("percent_change")
@dataclass(frozen=True)
class PercentChange(Step):
    """Give every voxel's change over time in per cent of its own baseline; what is no signal becomes 0.

    Parameters
    ----------
    baseline : its mean over the first so many volumes; None, over all volumes.
    within : which voxels have a signal: "foreground", those whose mean over time is above Otsu's threshold; "mask", those
        that are not 0 at every time, as ``brain_mask`` leaves them; "all", those whose baseline is above 0. All others
        are 0 at every time.
    """

    main = "baseline"

    baseline: Annotated[int, Field(ge=1)] | None = None
    within: Within = "foreground"

    def decide(self, scan: Scan) -> Decision:
        """Return how many voxels of each channel have a signal."""
        require_series(scan, self.name)
        refuse_not_finite(scan)
        if self.baseline is not None and self.baseline > scan.volumes:
            raise StudyError(
                f"{scan.source or 'the scan'}: preparation step '{self.name}' takes the first {self.baseline} volumes for "
                f"baseline, but there are {scan.volumes}."
            )
        inside = required_region(scan, self.within, self.name)
        return {"voxels": np.count_nonzero(inside, axis=(0, 1, 2)).tolist()}

    def apply(self, scan: Scan, decision: Decision) -> Scan:
        """Return the series in per cent (float32)."""
        total = np.zeros(scan.data.shape[1:], dtype=np.float64)
        for volume in scan.data[: self.baseline]:
            total += volume
        base = total / len(scan.data[: self.baseline])
        signal = required_region(scan, self.within, self.name)
        signal &= base > SMALLEST * np.abs(base).max()
        gain = np.divide(100.0, base, out=np.zeros_like(base), where=signal)
        result = room(scan.data.shape, np.float32)
        for changed, volume in zip(result, scan.data, strict=True):
            changed[...] = (volume - base) * gain
        return scan.with_data(result)
