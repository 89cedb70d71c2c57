"""Turn the voxel axes so that they point where every case's axes shall point."""

from __future__ import annotations

from dataclasses import dataclass

from voxtempo.prepare.options import Orientation
from voxtempo.prepare.regrid import regrid
from voxtempo.prepare.step import Decision, Step, step
from voxtempo.scans import Geometry, Scan


@step("orient")
@dataclass(frozen=True)
class Orient(Step):
    """Permute and flip the voxel axes; no interpolation, every voxel keeps its value and its place in the world.

    Parameters
    ----------
    axes : where x, y and z shall point, one letter each of L/R, P/A and I/S. An oblique grid gets its nearest order.
    """

    main = "axes"
    geometric = True

    axes: Orientation = "RAS"

    def foresee(self, geometry: Geometry) -> Geometry:
        """Return the turned grid."""
        return geometry.reoriented(self.axes)

    def apply(self, scan: Scan, decision: Decision) -> Scan:
        """Return the scan with its axes turned, bit exact."""
        return regrid(scan, self.foresee(scan.geometry))
