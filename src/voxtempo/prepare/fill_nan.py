"""Give a number to voxels that have none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxtempo.prepare.options import Finite
from voxtempo.prepare.step import Decision, Step, step
from voxtempo.scans import Scan
from voxtempo.scans.room import room


@step("fill_nan")
@dataclass(frozen=True)
class FillNan(Step):
    """Replace what is not a number or infinite (some tools mark "outside the brain" so) by a value.

    Parameters
    ----------
    value : the intensity to put there.
    """

    main = "value"

    value: Finite = 0.0

    def decide(self, scan: Scan) -> Decision:
        """Return how many voxels are replaced."""
        return {"replaced": sum(int(np.count_nonzero(~np.isfinite(volume))) for volume in scan.data)}

    def apply(self, scan: Scan, decision: Decision) -> Scan:
        """Return the scan with finite voxels only."""
        if decision["replaced"] == 0:
            return scan
        result = room(scan.data.shape, scan.data.dtype)
        for filled, volume in zip(result, scan.data, strict=True):
            filled[...] = np.where(np.isfinite(volume), volume, volume.dtype.type(self.value))
        return scan.with_data(result)
