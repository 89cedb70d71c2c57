"""How steady a series is: temporal signal-to-noise ratio, voxel by voxel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxtempo.prepare.foreground import refuse_not_finite
from voxtempo.prepare.series import require_series
from voxtempo.prepare.step import Decision, Step, step
from voxtempo.scans import Scan

CONSTANT = 1e-6  # a deviation this small beside the mean is rounding: the voxel does not change


@step("temporal_snr")
@dataclass(frozen=True)
class TemporalSnr(Step):
    """Replace a series by its mean over time divided by its standard deviation over time: a single volume.

    A voxel that does not change, such as what a brain mask has set to 0, becomes 0. A drift counts as noise unless
    ``temporal_filter`` (with ``keep_mean``) has taken it off first.

    Notes
    -----
    Krüger, Glover 2001, "Physiological noise in oxygenation-sensitive magnetic resonance imaging", Magnetic Resonance in
    Medicine 46:631. The deviation is that of the population (division by the number of volumes).
    """

    def foresee_time(self, volumes: int, repetition_time: float | None) -> tuple[int, float | None]:
        """Return one volume, at no distance from another."""
        return 1, None

    def decide(self, scan: Scan) -> Decision:
        """Return over how many volumes the ratio is taken."""
        require_series(scan, self.name)
        refuse_not_finite(scan)
        return {"volumes": scan.volumes}

    def apply(self, scan: Scan, decision: Decision) -> Scan:
        """Return the ratio (float32); what was known of single volumes and slices goes."""
        mean = np.zeros(scan.data.shape[1:], dtype=np.float64)
        for volume in scan.data:  # one volume at a time, in double precision: no second series in memory
            mean += volume
        mean /= scan.volumes
        squares = np.zeros_like(mean)
        for volume in scan.data:
            squares += (volume - mean) ** 2
        deviation = np.sqrt(squares / scan.volumes)
        changes = deviation > CONSTANT * np.abs(mean)
        ratio = np.divide(mean, deviation, out=np.zeros_like(mean), where=changes)
        return scan.with_data(ratio.astype(np.float32)[None], repetition_time=None, confounds={}, slice_times=())
