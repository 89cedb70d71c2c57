"""Give a number to voxels that have none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxtempo.prepare.options import Finite
from voxtempo.prepare.step import Decision, Step, step
from voxtempo.scans import Scan


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
        return {"replaced": int(scan.data.size - np.count_nonzero(np.isfinite(scan.data)))}

    def apply(self, scan: Scan, decision: Decision) -> Scan:
        """Return the scan with finite voxels only."""
        if decision["replaced"] == 0:
            return scan
        return scan.with_data(np.where(np.isfinite(scan.data), scan.data, scan.data.dtype.type(self.value)))
