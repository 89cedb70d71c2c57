"""A series as one volume: its mean over time, which is what a network without a time axis can see of it."""

from __future__ import annotations

from dataclasses import dataclass

from voxtempo.prepare.foreground import mean_volume, refuse_not_finite
from voxtempo.prepare.step import Decision, Step, step
from voxtempo.scans import Scan


@step("temporal_mean")
@dataclass(frozen=True)
class TemporalMean(Step):
    """Replace a series by its mean over time: a single volume; a single volume stays as it is.

    What follows has no time: samples are volumes, patches or slices, and the network is one for these.
    """

    def foresee_time(self, volumes: int, repetition_time: float | None) -> tuple[int, float | None]:
        """Return one volume, at no distance from another."""
        return 1, None

    def decide(self, scan: Scan) -> Decision:
        """Return over how many volumes the mean is taken."""
        refuse_not_finite(scan)
        return {"volumes": scan.volumes}

    def apply(self, scan: Scan, decision: Decision) -> Scan:
        """Return the mean (float32); what was known of single volumes and slices goes."""
        return scan.with_data(mean_volume(scan)[None], repetition_time=None, confounds={}, slice_times=())
