"""Cut away the air around the head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from voxtempo.errors import StudyError
from voxtempo.prepare.foreground import BRIGHT, mean_volume, otsu_threshold, refuse_not_finite
from voxtempo.prepare.options import Finite
from voxtempo.prepare.regrid import regrid
from voxtempo.prepare.step import Decision, Step, step
from voxtempo.scans import Scan


@step("foreground_crop")
@dataclass(frozen=True)
class ForegroundCrop(Step):
    """Crop to the smallest box that holds every voxel above a threshold in any channel, and a margin.

    Of a series, the mean over time is looked at. An image without foreground is left whole. The grid that ``foresee``
    gives is the largest possible, the uncropped one.

    Parameters
    ----------
    threshold : "otsu", or an intensity; 0 crops to what is positive.
    relative : the threshold is a fraction of the 99.9th percentile of the channel instead of an intensity.
    margin : voxels kept around the box, as far as the grid reaches.
    """

    main = "threshold"
    geometric = True
    uneven = True

    threshold: Literal["otsu"] | Finite = "otsu"
    relative: bool = False
    margin: Annotated[int, Field(ge=0)] = 2

    def __post_init__(self) -> None:
        if self.relative and self.threshold == "otsu":
            raise StudyError(
                "preparation step 'foreground_crop': 'relative' needs a number as threshold, a fraction of the "
                "99.9th percentile such as 0.1"
            )

    def decide(self, scan: Scan) -> Decision:
        """Return the box: its first voxel and its shape, and the threshold of every channel."""
        refuse_not_finite(scan)
        mean = mean_volume(scan)
        thresholds = [self._threshold(mean[..., c]) for c in range(mean.shape[-1])]
        above = np.zeros(mean.shape[:3], dtype=bool)
        for c, threshold in enumerate(thresholds):
            if threshold is not None:
                above |= mean[..., c] > threshold
        start, shape = self._box(above)
        return {"start": start, "shape": shape, "thresholds": thresholds}

    def apply(self, scan: Scan, decision: Decision) -> Scan:
        """Return the scan within the box, bit exact."""
        return regrid(scan, scan.geometry.shifted(decision["start"], decision["shape"]))

    def _threshold(self, values: NDArray[Any]) -> float | None:
        if self.threshold == "otsu":
            return otsu_threshold(values)
        return float(self.threshold * np.percentile(values, BRIGHT)) if self.relative else float(self.threshold)

    def _box(self, above: NDArray[np.bool_]) -> tuple[list[int], list[int]]:
        if not above.any():
            return [0, 0, 0], list(above.shape)
        start, shape = [], []
        for axis, size in enumerate(above.shape):
            there = np.flatnonzero(above.any(axis=tuple(a for a in range(3) if a != axis)))
            low, high = max(int(there[0]) - self.margin, 0), min(int(there[-1]) + self.margin + 1, size)
            start.append(low)
            shape.append(high - low)
        return start, shape
