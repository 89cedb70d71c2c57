"""Back to the scanner's grid: label maps and probabilities where the patient lay."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voxtempo.learning.tasks import SegmentTask
from voxtempo.prepare import to_native
from voxtempo.scans import Geometry, Scan


def native_label_map(
    probabilities: NDArray[np.float32], prepared: Geometry, native: Geometry, task: SegmentTask, source: str = ""
) -> Scan:
    """Return the label map on the native grid, with the label values of the study.

    Probabilities, not labels, are interpolated; what lay outside the prepared grid is background.

    Parameters
    ----------
    probabilities : (x, y, z, labels + 1) on the prepared grid, the background first.
    prepared, native : the two grids.
    task : names the label values.
    """
    chosen = _native(probabilities, prepared, native, source).data.argmax(axis=-1)
    values = task.values
    labels = values.astype(np.min_scalar_type(int(values.max())))[chosen]
    return Scan(labels[..., None], native, kind="label", channels=("label",), source=source)


def native_probabilities(
    probabilities: NDArray[np.float32], prepared: Geometry, native: Geometry, task: SegmentTask, source: str = ""
) -> Scan:
    """Return the probability of each label (without the background) on the native grid, a channel each."""
    scan = _native(probabilities, prepared, native, source)
    names = tuple(task.labels[int(value)] for value in task.values[1:])
    return Scan(scan.data[..., 1:], native, channels=names, source=source)


def _native(probabilities: NDArray[np.float32], prepared: Geometry, native: Geometry, source: str) -> Scan:
    fill = (1.0, *([0.0] * (probabilities.shape[-1] - 1)))
    return to_native(Scan(probabilities[None], prepared, source=source), native, fill=fill)
