"""Give every case the same voxel size."""

from __future__ import annotations

from dataclasses import dataclass

from voxtempo.prepare.options import Spacing
from voxtempo.prepare.regrid import regrid
from voxtempo.prepare.step import Decision, Step, step
from voxtempo.scans import Geometry, Scan


@step("resample")
@dataclass(frozen=True)
class Resample(Step):
    """Resample to a voxel size over the same box, its centre kept exactly: intensities linearly, labels by nearest.

    Parameters
    ----------
    spacing : mm along x, y, z (or one number for all). An axis of one voxel is left as it is.
    antialias : smooth an axis before it gets coarser.
    """

    main = "spacing"
    geometric = True

    spacing: Spacing
    antialias: bool = True

    def foresee(self, geometry: Geometry) -> Geometry:
        """Return the grid with this spacing."""
        return geometry.resampled(self.spacing)

    def apply(self, scan: Scan, decision: Decision) -> Scan:
        """Return the scan on the new grid."""
        return regrid(scan, self.foresee(scan.geometry), antialias=self.antialias)
