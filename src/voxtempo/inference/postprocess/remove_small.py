"""Remove pieces that are too small to be true."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from voxtempo.inference.postprocess.operation import Labels, Operation, box_of, components, operation
from voxtempo.learning.tasks import SegmentTask


@operation("remove_small")
@dataclass(frozen=True)
class RemoveSmall(Operation):
    """Connected components below a volume become background, those of a region within a larger one what that one writes.

    Voxels that touch at a face, an edge or a corner are connected.

    Parameters
    ----------
    of : a label, a region, or "foreground" for all labels together.
    volume : the least that stays, in mm3.
    """

    volume: Annotated[float, Field(gt=0)] = 10.0
    main: ClassVar[str] = "volume"

    def apply(self, labels: Labels, task: SegmentTask, spacing: Sequence[float]) -> Labels:
        """Return the label map without small components."""
        mask = self.marked(labels, task)
        box = box_of(mask)
        if box is None:
            return labels
        numbered, voxels = components(mask[box])
        # A volume that is a whole number of voxels is not to be missed by a rounding error.
        small = voxels * math.prod(spacing) < self.volume * (1 - 1e-6)
        small[0] = False
        if not small.any():
            return labels
        kept = labels.copy()
        kept[box][small[numbered]] = self.left(task)
        return kept
