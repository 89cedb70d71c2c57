"""The contract of an operation: options as dataclass fields, one label map to another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from voxtempo.learning.tasks import SegmentTask, among
from voxtempo.registry import Registry

Labels = NDArray[np.integer[Any]]
Mask = NDArray[np.bool_]

FOREGROUND = "foreground"
"""The name of all labels together."""


@dataclass(frozen=True)
class Operation:
    """One operation. Subclasses are frozen dataclasses whose fields are the options a study file may give.

    Parameters
    ----------
    of : a label, a region, or "foreground" for all labels together.

    Class attributes
    ----------------
    name : as in the study file (set by the ``operation`` decorator).
    main : the option that a bare value stands for (``largest_component: liver``).
    """

    of: str = FOREGROUND
    name: ClassVar[str] = ""
    main: ClassVar[str] = "of"

    def thresholds(self) -> Mapping[str, float]:
        """Return what this asks of probabilities before they become labels: name -> threshold."""
        return {}

    def apply(self, labels: Labels, task: SegmentTask, spacing: Sequence[float]) -> Labels:
        """Return the label map after the operation; the one that is given stays as it is.

        Parameters
        ----------
        labels : label values (x, y, z), 0 is the background.
        task : names labels and regions.
        spacing : mm along x, y, z.
        """
        return labels

    def marked(self, labels: Labels, task: SegmentTask) -> Mask:
        """Return the voxels of the structure that this is about."""
        if self.of == FOREGROUND and FOREGROUND not in task.structures:
            return labels > 0
        return among(labels, task.structures[self.of])

    def left(self, task: SegmentTask) -> int:
        """Return the label of voxels that are of the structure no longer: of a region within others that of the next larger."""
        own = set(task.regions.get(self.of, ()))
        around = {name: labels for name, labels in task.regions.items() if own and own < set(labels)}
        if not around:
            return 0
        return task.written[min(around, key=lambda name: len(around[name]))]


operations: Registry[type[Operation]] = Registry("operation on label maps", "voxtempo.inference.postprocess")
operation = operations.named
"""Registers an operation under the name that study files use."""


def components(mask: Mask) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return the connected components of a mask, numbered from 1, and the voxels of each (0: the background's).

    Voxels that touch at a face, an edge or a corner are connected.
    """
    numbered, count = ndimage.label(mask, ndimage.generate_binary_structure(mask.ndim, mask.ndim))
    return numbered, np.bincount(numbered.ravel(), minlength=count + 1)


def box_of(mask: Mask) -> tuple[slice, ...] | None:
    """Return the smallest box around what is marked, or None where nothing is."""
    found = ndimage.find_objects(mask.astype(np.uint8))
    return found[0] if found else None
