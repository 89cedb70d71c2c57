"""Which voxels another threshold could give another label, kept so that thresholds are tried without asking a network again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxtempo.inference.postprocess.operation import Labels, Mask
from voxtempo.learning.tasks import SegmentTask

THRESHOLDS = (0.4, 0.6, 0.3, 0.7, 0.2, 0.8)
"""The thresholds that are tried beside 0.5, those next to it first."""
STRETCH = (max(THRESHOLDS) / (1 - max(THRESHOLDS))) * ((1 - min(THRESHOLDS)) / min(THRESHOLDS))
"""How many times as likely one label must be as another for no two of these thresholds to turn them round."""


@dataclass(frozen=True)
class Doubt:
    """The voxels of a label map that ``THRESHOLDS`` can change.

    Parameters
    ----------
    places : (n,), of the map's voxels in C order.
    chances : (n, outputs), what the network said of them.
    """

    places: NDArray[np.intp]
    chances: NDArray[np.float32]

    def relabelled(self, labels: Labels, task: SegmentTask, thresholds: Mapping[str, float]) -> Labels:
        """Return a label map as it would be with other thresholds; the one that is given stays as it is."""
        changed = labels.copy()
        changed.flat[self.places] = task.values[task.judged(self.chances[None], thresholds)[0]]
        return changed

    def within(self, shape: tuple[int, ...], box: tuple[slice, ...]) -> Doubt:
        """Return the same of a box that was cut from a map of this shape and holds all the places."""
        across = np.unravel_index(self.places, shape)
        inside = tuple(axis - side.start for axis, side in zip(across, box, strict=True))
        return Doubt(np.ravel_multi_index(inside, tuple(side.stop - side.start for side in box)), self.chances)


def find_doubt(chances: NDArray[np.float32], task: SegmentTask, counted: Mask | None = None) -> Doubt:
    """Return the voxels that ``THRESHOLDS`` can change.

    Parameters
    ----------
    chances : (x, y, z, outputs) on the grid of the label map.
    task : tells labels that exclude each other from regions that may overlap.
    counted : (x, y, z), the voxels that count; all where None.
    """
    open_to = np.empty(chances.shape[:-1], dtype=bool)
    for row, said in enumerate(chances):  # a whole copy of the chances would double the memory
        if task.regions:
            open_to[row] = ((said >= min(THRESHOLDS)) & (said <= max(THRESHOLDS))).any(axis=-1)
        else:
            second, first = np.moveaxis(np.partition(said, -2, axis=-1)[..., -2:], -1, 0)
            open_to[row] = second * np.float32(STRETCH) >= first
    if counted is not None:
        open_to &= counted
    places = np.flatnonzero(open_to)
    return Doubt(places, chances.reshape(-1, chances.shape[-1])[places])
