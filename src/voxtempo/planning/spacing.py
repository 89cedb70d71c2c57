"""The voxel size that a cohort of several is brought to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SAME = 0.01
COARSE = 3.0
"""An axis with voxels so many times longer than the others' was scanned in thick slices."""

Spacing = tuple[float, float, float]


def plan_spacing(spacings: Sequence[Sequence[float]], shapes: Sequence[Sequence[int]]) -> Spacing | None:
    """Return mm along x, y, z for all cases, or None where they agree to one percent.

    It is the median. Along an axis of thick slices it is the tenth percentile instead: cases with thinner slices keep more
    of what they show there, and interpolating between thick ones loses nothing (Isensee et al. 2021, nnU-Net,
    doi:10.1038/s41592-020-01008-z). An axis along which every case has one voxel has no say.

    Parameters
    ----------
    spacings : mm along x, y, z of every case, in one orientation.
    shapes : voxels along x, y, z.

    >>> plan_spacing([(1, 1, 1), (1, 1, 1.001)], [(9, 9, 9)] * 2) is None
    True
    >>> plan_spacing([(1, 1, 5), (1, 1, 6), (0.8, 0.8, 3), (1, 1, 6)], [(200, 200, 20)] * 4)
    (1.0, 1.0, 3.6)
    """
    table = np.asarray(spacings, dtype=np.float64)
    deep = np.max(shapes, axis=0) > 1
    median = np.median(table, axis=0)
    if np.all((np.ptp(table, axis=0) <= SAME * median) | ~deep):
        return None
    target = median.copy()
    coarse = int(np.argmax(np.where(deep, median, 0.0)))
    others = [axis for axis in range(3) if axis != coarse and deep[axis]]
    if others and median[coarse] > COARSE * max(median[axis] for axis in others):
        thin = float(np.percentile(table[:, coarse], 10))
        target[coarse] = max(thin, max(float(median[axis]) for axis in others))
    x, y, z = (round(float(value), 3) for value in target)
    return x, y, z
