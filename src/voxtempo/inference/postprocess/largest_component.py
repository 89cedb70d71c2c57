"""Keep the largest piece of a structure that comes in one piece."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from voxtempo.inference.postprocess.operation import Labels, Operation, box_of, components, operation
from voxtempo.learning.tasks import SegmentTask


@operation("largest_component")
@dataclass(frozen=True)
class LargestComponent(Operation):
    """Only the largest connected component of the structure stays; the others become background.

    The others of a region within a larger one become what that one writes.
    Voxels that touch at a face, an edge or a corner are connected. Of equally large ones the first stays.

    Parameters
    ----------
    of : a label, a region, or "foreground" for all labels together.
    """

    def apply(self, labels: Labels, task: SegmentTask, spacing: Sequence[float]) -> Labels:
        """Return the label map with one component."""
        mask = self.marked(labels, task)
        box = box_of(mask)
        if box is None:
            return labels
        numbered, voxels = components(mask[box])
        if len(voxels) == 2:
            return labels
        kept = labels.copy()
        kept[box][mask[box] & (numbered != 1 + voxels[1:].argmax())] = self.left(task)
        return kept
