"""What in a scan is head and what is air, by intensity alone."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from voxtempo.errors import ScanError
from voxtempo.scans import Scan

Within = Literal["all", "foreground", "mask"]
"""Which voxels count: all; those whose mean over time is above Otsu's threshold; those that are not 0 at every time."""

BINS = 256
BRIGHT = 99.9  # percentile: a few very bright voxels (vessels, spikes) shall not stretch the histogram
FLAT = 1e-3  # a mean over time with so little contrast beside the largest value has been taken off


def refuse_not_finite(scan: Scan, when: str = "") -> None:
    """Raise ``ScanError`` if any voxel is NaN or infinite: one such voxel spoils every average."""
    if not np.isfinite([scan.data.min(), scan.data.max()]).all():
        count = scan.data.size - sum(int(np.count_nonzero(np.isfinite(volume))) for volume in scan.data)
        raise ScanError(
            f"{scan.source or 'the scan'}: {count} of {scan.data.size} voxels are NaN or infinite{when and ' ' + when}."
            " Put the step 'fill_nan' first in 'prepare' to give them a value."
        )


def mean_volume(scan: Scan) -> NDArray[np.float32]:
    """Return the mean over time, (x, y, z, c)."""
    if scan.volumes == 1:
        return scan.data[0].astype(np.float32)
    total = np.zeros(scan.data.shape[1:], dtype=np.float64)
    for volume in scan.data:  # one volume at a time: no second series in memory
        total += volume
    return (total / scan.volumes).astype(np.float32)


def region(scan: Scan, within: Within) -> NDArray[np.bool_]:
    """Return which voxels count, (x, y, z, c); none in a channel in which no threshold tells two classes apart."""
    if within == "all":
        return np.ones(scan.data.shape[1:], dtype=bool)
    if within == "mask":
        inside = np.zeros(scan.data.shape[1:], dtype=bool)
        for volume in scan.data:
            inside |= volume != 0
        return inside
    mean = mean_volume(scan)
    thresholds = [otsu_threshold(mean[..., c]) for c in range(mean.shape[-1])]
    return mean > np.array([np.inf if threshold is None else threshold for threshold in thresholds])


def required_region(scan: Scan, within: Within, step: str) -> NDArray[np.bool_]:
    """Return which voxels count, (x, y, z, c), for a step that can do nothing where there are none.

    Raises
    ------
    ScanError : no voxel of a channel counts, or the foreground is sought in a series whose mean has been taken off.
    """
    where = f"{scan.source or 'the scan'}: preparation step '{step}'"
    if within == "foreground" and scan.is_series:
        mean = mean_volume(scan)
        largest = max(abs(float(scan.data.min())), abs(float(scan.data.max())))
        if float(np.ptp(mean)) <= FLAT * largest:
            raise ScanError(
                f"{where} seeks the foreground in the mean over time, but that mean is about the same everywhere: it has "
                "been taken off. Keep it ('keep_mean: true') or use 'within: mask' after a brain mask."
            )
    inside = region(scan, within)
    for c, name in enumerate(scan.channels):
        if not inside[..., c].any():
            found = "every voxel is 0 at all times" if within == "mask" else "all voxels have one intensity"
            raise ScanError(f"{where} finds no voxel within '{within}' in '{name}': {found}.")
    return inside


def otsu_threshold(values: NDArray[Any]) -> float | None:
    """Return the threshold that best separates two classes of intensities (Otsu 1979), or None if all are equal.

    Parameters
    ----------
    values : any shape, finite. The histogram has 256 bins up to the 99.9th percentile.

    Examples
    --------
    >>> import numpy as np
    >>> otsu_threshold(np.array([0.0] * 50 + [10.0] * 50))
    5.0
    """
    low, high = float(values.min()), float(np.percentile(values, BRIGHT))
    if not low < high:
        high = float(values.max())
    if not low < high:
        return None
    counts, edges = np.histogram(np.minimum(values, high), bins=BINS, range=(low, high))
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    sum_below = np.cumsum(counts * centres)[:-1]
    sum_above = (counts * centres).sum() - sum_below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sum_below / below - sum_above / above) ** 2
    between[~np.isfinite(between)] = -1
    best = np.flatnonzero(between >= between.max() * (1 - 1e-12))  # empty bins between the classes: their middle
    return float((edges[best[0] + 1] + edges[best[-1] + 1]) / 2)
