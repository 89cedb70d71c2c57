"""Smooth every volume by a Gaussian: noise averages out, and brains that differ in detail become more alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BeforeValidator, Field
from scipy.ndimage import gaussian_filter1d

from voxtempo.prepare.foreground import refuse_not_finite, required_region
from voxtempo.prepare.step import Decision, Step, step
from voxtempo.scans import Geometry, Scan
from voxtempo.scans.room import room

FWHM = 2 * np.sqrt(2 * np.log(2))  # full width at half maximum of a Gaussian with sigma 1


def _three(value: Any) -> Any:
    return (value, value, value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _some(value: tuple[float, float, float]) -> tuple[float, float, float]:
    if not any(value):
        raise ValueError("a width above 0 along one axis at least")
    return value


Width = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Widths = Annotated[tuple[Width, Width, Width], BeforeValidator(_three), AfterValidator(_some)]


@step("smooth")
@dataclass(frozen=True)
class Smooth(Step):
    """Smooth each volume by itself with a Gaussian, along one axis after the other; the grid stays as it is.

    An axis of one voxel is left alone. At the edges the image is mirrored.

    Parameters
    ----------
    fwhm : full width at half maximum in mm along the voxel axes x, y, z (or one number for all); 0 leaves an axis alone.
    within : "all" voxels; "mask", those that are not 0 at every time, as ``brain_mask`` leaves them: voxels outside stay 0,
        and those inside are averages of such as are inside only, so that the rim of the brain does not darken.
    """

    main = "fwhm"

    fwhm: Widths
    within: Literal["all", "mask"] = "all"

    def decide(self, scan: Scan) -> Decision:
        """Return the Gaussian's standard deviation along x, y, z in voxels."""
        refuse_not_finite(scan)
        if self.within == "mask":
            required_region(scan, "mask", self.name)
        return {"sigma": self._sigma(scan.geometry)}

    def apply(self, scan: Scan, decision: Decision) -> Scan:
        """Return the smoothed scan (float32)."""
        sigma, gain = decision["sigma"], None
        if self.within == "mask":
            inside = required_region(scan, "mask", self.name)
            reached = gaussian(inside.astype(np.float32), sigma)
            gain = np.divide(1, reached, out=np.zeros_like(reached), where=inside)
        result = room(scan.data.shape, np.float32)
        for smoothed, volume in zip(result, scan.data, strict=True):
            smoothed[...] = gaussian(volume.astype(np.float32), sigma)
            if gain is not None:
                smoothed *= gain
        return scan.with_data(result)

    def _sigma(self, geometry: Geometry) -> list[float]:
        sizes = zip(self.fwhm, geometry.spacing, geometry.shape, strict=True)
        return [0.0 if size == 1 else float(width / (FWHM * spacing)) for width, spacing, size in sizes]


def gaussian(volume: NDArray[np.float32], sigma: Sequence[float]) -> NDArray[np.float32]:
    """Return a volume (x, y, z, c) smoothed along x, y and z by standard deviations in voxels; 0 leaves an axis alone."""
    for axis, deviation in enumerate(sigma):
        if deviation > 0:
            volume = gaussian_filter1d(volume, deviation, axis=axis, mode="reflect")
    return volume
