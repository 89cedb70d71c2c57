"""Give every case the same shape without touching a voxel's value."""

from __future__ import annotations

from dataclasses import dataclass

from voxtempo.prepare.options import Finite, Shape
from voxtempo.prepare.regrid import regrid
from voxtempo.prepare.step import Decision, Step, step
from voxtempo.scans import Geometry, Scan


@step("crop_pad")
@dataclass(frozen=True)
class CropPad(Step):
    """Cut off or add voxels evenly on both sides, about the grid's centre, until it has a given shape.

    An odd voxel is cut from the far end, or added at the near end. Every voxel that stays keeps its place in the world.

    Parameters
    ----------
    shape : voxels along x, y, z; two values leave z as it is.
    fill : intensity of added voxels (labels always get 0).
    """

    main = "shape"
    geometric = True

    shape: Shape
    fill: Finite = 0.0

    def foresee(self, geometry: Geometry) -> Geometry:
        """Return the grid of the wanted shape about the same centre."""
        shape = (*self.shape, *geometry.shape[len(self.shape) :])
        start = [(own - wanted) // 2 for own, wanted in zip(geometry.shape, shape, strict=True)]
        return geometry.shifted(start, shape)

    def apply(self, scan: Scan, decision: Decision) -> Scan:
        """Return the scan with its new shape, bit exact where it already was."""
        fill = 0.0 if scan.kind == "label" else self.fill
        return regrid(scan, self.foresee(scan.geometry), fill=fill)
