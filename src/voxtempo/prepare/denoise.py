"""Take noise out of a scan and leave what is in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, Field
from scipy.ndimage import median_filter

from voxtempo.errors import StudyError
from voxtempo.prepare import mppca, nonlocal_means
from voxtempo.prepare.foreground import refuse_not_finite
from voxtempo.prepare.options import Positive
from voxtempo.prepare.series import require_series
from voxtempo.prepare.step import Decision, Step, step
from voxtempo.scans import Scan
from voxtempo.scans.room import room

SIZES = {"mppca": 5, "nlm": 5, "median": 3}
MIXING = (
    "confounds", "motion", "percent_change", "resample", "resample_time", "resize", "slice_timing", "smooth",
    "temporal_filter",
)  # fmt: skip
"""Steps after which the noise of neighbours in space or time is not independent, or not equally strong, any more."""


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("an odd number, so that a voxel is in the middle")
    return value


@step("denoise")
@dataclass(frozen=True)
class Denoise(Step):
    """Remove noise: over space and time together where the scan is a series, or volume by volume.

    "mppca" is the field's way for series: of the courses in a small box, what is more than noise can be (Marchenko-Pastur
    PCA, Veraart et al. 2016) is kept. It needs noise that is independent between voxels and volumes, so it comes before
    all steps that mix them. The noise is taken for Gaussian; where the signal is as weak as the noise, magnitude images
    have a floor that no method here removes.

    Parameters
    ----------
    method : "mppca"; "nlm", non-local means of each volume (Coupé et al. 2008), slow; "median" of each volume.
    size : voxels a side, odd: of the patches of "mppca" (5) and of "median" (3), or of the box in which "nlm" seeks what is
        alike (5). An axis of fewer voxels is taken whole by "mppca" and left alone by the others if it has one.
    strength : for "nlm", by what the noise that is found is multiplied; more smooths more.
    """

    main = "method"
    costly = True

    method: Literal["mppca", "nlm", "median"] = "mppca"
    size: Annotated[int, Field(ge=3, le=15), AfterValidator(_odd)] | None = None
    strength: Positive = 1.0

    def __post_init__(self) -> None:
        if self.strength != 1.0 and self.method != "nlm":
            raise StudyError(
                f"preparation step 'denoise': 'strength' is for method 'nlm'; '{self.method}' finds its own. Leave it out."
            )

    def misplaced(self, earlier: Sequence[Step]) -> str | None:
        """What mixes voxels or volumes makes their noise alike, which then looks like signal."""
        mixing = [one.name for one in earlier if one.name in MIXING] if self.method == "mppca" else []
        if not mixing:
            return None
        return (
            f"comes after '{mixing[0]}', after which noise is no longer independent between voxels and volumes, as method "
            "'mppca' needs it. Put 'denoise' before it."
        )

    def decide(self, scan: Scan) -> Decision:
        """Return the standard deviation of the noise in each channel (of "mppca", in the middle of some patches')."""
        refuse_not_finite(scan)
        channels = range(len(scan.channels))
        if self.method == "mppca":
            require_series(scan, self.name, "'method: mppca'")
            return {"noise": [mppca.noise_of(scan.data, self._size, c) for c in channels]}
        if self.method == "nlm":
            return {"noise": [nonlocal_means.noise_of(scan, c) for c in channels]}
        return {}

    def apply(self, scan: Scan, decision: Decision) -> Scan:
        """Return the scan with less noise (float32)."""
        if self.method == "mppca":
            return scan.with_data(mppca.denoise_series(scan.data, self._size))
        result = room(scan.data.shape, np.float32)
        for time in range(scan.volumes):
            for channel in range(len(scan.channels)):
                volume = scan.volume(time, channel).astype(np.float32)
                if self.method == "median":
                    size = [1 if length == 1 else self._size for length in volume.shape]
                    result[time, ..., channel] = median_filter(volume, size, mode="nearest")
                else:
                    noise = self.strength * decision["noise"][channel]
                    result[time, ..., channel] = nonlocal_means.denoise_volume(volume, noise, self._size)
        return scan.with_data(result)

    @property
    def _size(self) -> int:
        return self.size or SIZES[self.method]
