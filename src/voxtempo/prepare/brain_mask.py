"""Find the brain in an echo-planar series and blank the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from voxtempo.errors import ScanError, StudyError
from voxtempo.prepare.foreground import mean_volume, refuse_not_finite
from voxtempo.prepare.step import Decision, Step, step
from voxtempo.scans import Scan
from voxtempo.scans.room import room

Fraction = Annotated[float, Field(ge=0, le=1)]


@step("brain_mask")
@dataclass(frozen=True)
class BrainMask(Step):
    """Set everything outside the brain to 0, at every time and in every channel.

    The brain is sought in the mean over time of the first channel, in the way of nilearn's ``compute_epi_mask`` (after
    SPM's T. Nichols): a threshold in the widest gap between neighbouring intensities of the histogram's valley, then an
    opening, the largest connected piece, a closing, and its holes filled. Made for EPI, whose brain is bright and whose
    skull is dark; a T1 head keeps its scalp. Unlike nilearn's, the mask is not eroded where the brain leaves the field
    of view, so that it also works on slabs and single slices.

    Parameters
    ----------
    lower, upper : fractions of all voxels, sorted by intensity, between which the valley is sought.
    opening : voxels by which thin bridges to the outside are cut; 0 for none.
    """

    main = "opening"

    opening: Annotated[int, Field(ge=0, le=20)] = 2
    lower: Fraction = 0.2
    upper: Fraction = 0.85

    def __post_init__(self) -> None:
        if not self.lower < self.upper:
            raise StudyError(
                f"preparation step 'brain_mask': 'lower' ({self.lower}) must be below 'upper' ({self.upper})"
            )

    def decide(self, scan: Scan) -> Decision:
        """Return the threshold and the size of the brain in voxels and ml."""
        refuse_not_finite(scan)
        mean = mean_volume(scan)[..., 0]
        threshold = valley(mean, self.lower, self.upper)
        voxels = int(np.count_nonzero(clean(mean >= threshold, self.opening)))
        if voxels == 0:
            raise ScanError(
                f"{scan.source or 'the scan'}: no brain was found (threshold {threshold:g}, opening {self.opening} "
                "voxels). Lower 'opening' of brain_mask, or leave the step out."
            )
        return {"threshold": threshold, "voxels": voxels, "volume_ml": voxels * scan.geometry.voxel_volume / 1000}

    def apply(self, scan: Scan, decision: Decision) -> Scan:
        """Return the scan with 0 outside the brain."""
        inside = clean(mean_volume(scan)[..., 0] >= decision["threshold"], self.opening)
        result = room(scan.data.shape, scan.data.dtype)
        for masked, volume in zip(result, scan.data, strict=True):
            masked[...] = np.where(inside[..., None], volume, volume.dtype.type(0))
        return scan.with_data(result)


def valley(volume: NDArray[Any], lower: float, upper: float) -> float:
    """Return the intensity in the middle of the widest gap between sorted intensities.

    Parameters
    ----------
    volume : any shape.
    lower, upper : fractions of all values between which the gap is sought.
    """
    ordered = np.sort(volume, axis=None)
    low, high = int(np.floor(lower * ordered.size)), min(int(np.floor(upper * ordered.size)), ordered.size - 1)
    if high <= low:
        return float(ordered[low])
    widest = low + int(np.argmax(ordered[low + 1 : high + 1] - ordered[low:high]))
    return float((float(ordered[widest]) + float(ordered[widest + 1])) / 2)


def clean(mask: NDArray[np.bool_], opening: int) -> NDArray[np.bool_]:
    """Return the largest piece of a (x, y, z) mask after an opening, closed again and with its holes filled."""
    if opening:
        mask = ndimage.binary_erosion(mask, iterations=opening, border_value=1)
    pieces, count = ndimage.label(mask)
    if count == 0:
        return np.zeros(mask.shape, dtype=bool)
    mask = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
    if opening:
        mask = ndimage.binary_dilation(mask, iterations=2 * opening)
        mask = ndimage.binary_erosion(mask, iterations=opening, border_value=1)
    flat = [axis for axis, size in enumerate(mask.shape) if size == 1]
    if flat:
        return np.expand_dims(ndimage.binary_fill_holes(mask.squeeze(tuple(flat))), tuple(flat))
    return np.asarray(ndimage.binary_fill_holes(mask))
