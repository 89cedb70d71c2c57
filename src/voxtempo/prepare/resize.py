"""Give every case the same shape by changing its voxel size: chiefly for slices of many sizes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxtempo.prepare.options import Finite, Shape
from voxtempo.prepare.regrid import regrid
from voxtempo.prepare.step import Decision, Step, step
from voxtempo.scans import Geometry, Scan


@step("resize")
@dataclass(frozen=True)
class Resize(Step):
    """Resample to a shape over the same box; the spacing follows. Intensities linearly, labels by nearest.

    By default each axis is stretched on its own, so an image that is not of the target's proportions is distorted.

    Parameters
    ----------
    shape : voxels along x, y, z; two values resize a slice or stack in its plane and leave z as it is.
    keep_aspect : give all resized axes one spacing, the smallest with which the image fits, and fill the rest around
        its centre; the anatomy keeps its proportions.
    antialias : smooth an axis before it gets coarser.
    fill : intensity of what is added with ``keep_aspect`` (labels always get 0).
    """

    main = "shape"
    geometric = True

    shape: Shape
    keep_aspect: bool = False
    antialias: bool = True
    fill: Finite = 0.0

    def foresee(self, geometry: Geometry) -> Geometry:
        """Return the grid of the wanted shape over the same box, or around it with ``keep_aspect``."""
        shape = (*self.shape, *geometry.shape[len(self.shape) :])
        if not self.keep_aspect:
            return geometry.resized(shape)
        free = len(self.shape)
        spacing = np.asarray(geometry.spacing)
        spacing[:free] = (np.asarray(geometry.extent)[:free] / np.asarray(shape)[:free]).max()
        affine = geometry.affine.copy()
        affine[:3, :3] *= spacing / np.asarray(geometry.spacing)
        middle = geometry.to_world([(np.asarray(geometry.shape) - 1) / 2])[0]
        affine[:3, 3] = middle - affine[:3, :3] @ ((np.asarray(shape) - 1) / 2)
        return Geometry((shape[0], shape[1], shape[2]), affine)

    def apply(self, scan: Scan, decision: Decision) -> Scan:
        """Return the scan on the new grid."""
        fill = 0.0 if scan.kind == "label" else self.fill
        return regrid(scan, self.foresee(scan.geometry), fill=fill, antialias=self.antialias)
