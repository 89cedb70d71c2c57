"""Distances in millimetres between the surfaces of two segmentations on one grid.

The surface of a mask is its voxels with at least one face neighbour outside the mask (what a 6-neighbour erosion
removes); beyond the image's edge is outside. An axis of one voxel is no axis: a slice is judged in its plane. Distances
are between centres of surface voxels, with the true spacing of each axis.

Written by hand because tools disagree on anisotropic grids (some forget the spacing, some average percentiles, some
crop to the wrong box). A k-d tree of surface points is exact for any spacing and never touches the rest of the volume.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class SurfaceDistances:
    """Distances in mm from every surface voxel of one mask to the nearest of the other, in both directions."""

    forward: NDArray[np.float64]
    backward: NDArray[np.float64]

    def hausdorff(self, percentile: float = 100.0) -> float:
        """Return the larger of the two directed distances at this percentile (linear between ranks).

        The 95th percentile is taken of each direction and the larger one returned, as in MONAI; pooling both
        directions first would let a large, well-fitting surface hide a small, far one.
        """
        return float(max(np.percentile(self.forward, percentile), np.percentile(self.backward, percentile)))

    def average(self) -> float:
        """Return the average symmetric surface distance: the mean over the surface voxels of both masks."""
        return float((self.forward.sum() + self.backward.sum()) / (self.forward.size + self.backward.size))


def surface_of(mask: Mask) -> Mask:
    """Return the surface voxels of a mask (x, y, z).

    >>> int(surface_of(np.ones((3, 3, 3), dtype=bool)).sum()), int(surface_of(np.ones((3, 3, 1), dtype=bool)).sum())
    (26, 8)
    """
    cross = ndimage.generate_binary_structure(mask.ndim, 1)
    for axis, size in enumerate(mask.shape):
        if size == 1:
            cross = np.take(cross, [1], axis=axis)
    return mask & ~ndimage.binary_erosion(mask, cross, border_value=0)


def surface_points(mask: Mask, spacing: Sequence[float]) -> NDArray[np.float64]:
    """Return the centres of a mask's surface voxels in mm from the first voxel, (points, axes)."""
    box = ndimage.find_objects(mask.astype(np.uint8), max_label=1)[0]
    if box is None:
        return np.empty((0, mask.ndim))
    # With a margin of one voxel, where the image has one, the erosion sees what lies next to the mask.
    box = tuple(slice(max(part.start - 1, 0), part.stop + 1) for part in box)
    found = np.argwhere(surface_of(mask[box])) + [part.start for part in box]
    return found * np.asarray(spacing, np.float64)


def surface_distances(a: Mask, b: Mask, spacing: Sequence[float]) -> SurfaceDistances | None:
    """Return the distances between the surfaces of two masks (x, y, z), or None if one of them is empty.

    Parameters
    ----------
    a, b : masks on one grid.
    spacing : mm between voxel centres along each axis.

    >>> a = np.zeros((1, 1, 8), dtype=bool); a[0, 0, 2] = True
    >>> surface_distances(a, np.roll(a, 3, axis=2), (1.0, 1.0, 2.5)).hausdorff()
    7.5
    """
    ours, theirs = surface_points(a, spacing), surface_points(b, spacing)
    if len(ours) == 0 or len(theirs) == 0:
        return None
    # Points on a grid are full of ties, on which balancing a tree costs most and gains nothing.
    forward, _ = cKDTree(theirs, balanced_tree=False, compact_nodes=False).query(ours)
    backward, _ = cKDTree(ours, balanced_tree=False, compact_nodes=False).query(theirs)
    return SurfaceDistances(forward, backward)
