"""Fill background that a structure encloses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from voxtempo.inference.postprocess.operation import FOREGROUND, Labels, Mask, Operation, box_of, operation
from voxtempo.learning.tasks import SegmentTask


@operation("fill_holes")
@dataclass(frozen=True)
class FillHoles(Operation):
    """Background that cannot be left through faces of voxels without crossing the structure becomes part of it.

    Other labels inside stay what they are. Scans of one slice are filled in their plane. A hole of the foreground gets the
    nearest label, a hole of a region the label that the region writes.

    Parameters
    ----------
    of : a label, a region, or "foreground" for all labels together.
    """

    def apply(self, labels: Labels, task: SegmentTask, spacing: Sequence[float]) -> Labels:
        """Return the label map without holes."""
        mask = self.marked(labels, task)
        box = box_of(mask)
        if box is None:
            return labels
        inside = labels[box]
        flat = tuple(axis for axis, size in enumerate(labels.shape) if size == 1)
        holes = _holes(mask[box], flat) & (inside == 0)
        if not holes.any():
            return labels
        filled = labels.copy()
        if self.of in task.regions:
            filled[box][holes] = task.written[self.of]
        elif self.of in task.structures:
            filled[box][holes] = task.structures[self.of][0]
        else:
            assert self.of == FOREGROUND
            nearest = ndimage.distance_transform_edt(
                inside == 0, sampling=spacing, return_distances=False, return_indices=True
            )
            filled[box][holes] = inside[tuple(axis[holes] for axis in nearest)]
        return filled


def _holes(mask: Mask, flat: tuple[int, ...]) -> Mask:
    """Return what a mask encloses; the ``flat`` axes, along which the scan has one voxel, are no way out."""
    plane = np.squeeze(mask, axis=flat)
    return (ndimage.binary_fill_holes(plane) & ~plane).reshape(mask.shape)
