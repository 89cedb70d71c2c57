"""Bring intensities, which mean nothing by themselves in MRI, onto one scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from voxtempo.errors import ScanError, StudyError
from voxtempo.prepare.blocks import courses_of, voxel_blocks
from voxtempo.prepare.foreground import Within, refuse_not_finite, region, required_region
from voxtempo.prepare.intensity import Method, centre_and_scale, gathered
from voxtempo.prepare.options import Finite, Percentiles
from voxtempo.prepare.series import require_series
from voxtempo.prepare.step import Decision, Step, step
from voxtempo.scans import Scan
from voxtempo.scans.room import room

CONSTANT = 1e-6  # a spread this small beside the largest value is rounding, not signal
BLOCK = 1 << 20  # values brought to one scale together, in double precision


def _not_zero(value: float) -> float:
    if value == 0:
        raise ValueError("anything but 0, which would erase the image")
    return value


@step("normalise")
@dataclass(frozen=True)
class Normalise(Step):
    """Shift and scale intensities, each channel by itself, to float32.

    A constant image, or over time a constant voxel, becomes 0.

    Parameters
    ----------
    method : what becomes 0 and 1:
        "zscore" (mean 0, standard deviation 1), "robust" (median 0, interquartile range as of a standard deviation of
        1), "percentile" (``percentiles`` to 0 and 1, beyond them it goes on), "minmax" (least 0, greatest 1), "scale"
        (``(x - offset) * factor``, the same for every case).
    within : whose statistics: "all" voxels; "foreground", those whose mean over time is above Otsu's threshold; "mask",
        those that are not 0 at every time, as ``brain_mask`` or a skull-stripping tool leaves them: then what is
        outside stays 0. With "axis: time", which would blow up the noise of the air as much as the brain's signal,
        what is outside is 0 for both.
    axis : "space", one shift and scale for the whole scan; "time", one for each voxel of a series.
    percentiles : 0 to 100, for method "percentile".
    clip : percentiles (within the same voxels) beyond which intensities are cut off first, such as [0.5, 99.5].
    factor, offset : for method "scale", in units of the image.
    """

    main = "method"

    method: Method = "zscore"
    within: Within = "all"
    axis: Literal["space", "time"] = "space"
    percentiles: Percentiles = (1.0, 99.0)
    clip: Percentiles | None = None
    factor: Annotated[float, Field(allow_inf_nan=False), AfterValidator(_not_zero)] = 1.0
    offset: Finite = 0.0

    def __post_init__(self) -> None:
        if self.axis == "time" and self.method == "scale":
            raise StudyError(
                "preparation step 'normalise': method 'scale' has no meaning with 'axis: time', where each voxel has its "
                "own statistics. Leave one of the two out."
            )

    def decide(self, scan: Scan) -> Decision:
        """Return centre, scale and clipping limits of each channel; over time, where they are many, how many voxels count."""
        refuse_not_finite(scan)
        if self.axis == "time":
            require_series(scan, "normalise", "'axis: time'")
            if self.within == "all":
                return {}
            return {"voxels": np.count_nonzero(required_region(scan, self.within, self.name), axis=(0, 1, 2)).tolist()}
        inside = None if self.within == "all" or self.method == "scale" else region(scan, self.within)
        return {
            "channels": [
                self._look(scan, c, None if inside is None or not inside[..., c].any() else inside[..., c])
                for c in range(len(scan.channels))
            ]
        }

    def apply(self, scan: Scan, decision: Decision) -> Scan:
        """Return the scan with its new intensities (float32)."""
        if self.axis == "time":
            return scan.with_data(self._over_time(scan))
        outside = ~region(scan, "mask") if self.within == "mask" else None
        result = room(scan.data.shape, np.float32)
        for target, volume in zip(result, scan.data, strict=True):
            for c, found in enumerate(decision["channels"]):
                values = volume[..., c].astype(np.float32)
                if found["clip"] is not None:
                    np.clip(values, *found["clip"], out=values)
                values -= np.float32(found["centre"])
                values *= np.float32(0 if found["scale"] is None else 1 / found["scale"])
                target[..., c] = values
            if outside is not None:
                target[outside] = 0
        return scan.with_data(result)

    def _look(self, scan: Scan, channel: int, inside: NDArray[np.bool_] | None) -> dict[str, Any]:
        """Return centre, scale (None: there is no spread) and clipping limits of one channel."""
        if self.method == "scale" and self.clip is None:
            return {"centre": self.offset, "scale": 1 / self.factor, "clip": None}
        ready = inside is None and len(scan.channels) == 1 and self.method in ("zscore", "minmax") and self.clip is None
        values = courses_of(scan.data).reshape(-1) if ready else gathered(scan, channel, inside)
        limits = None
        if self.clip is not None:
            limits = [float(v) for v in np.percentile(values, self.clip, overwrite_input=True)]
            np.clip(values, limits[0], limits[1], out=values)
        if self.method == "scale":
            return {"centre": self.offset, "scale": 1 / self.factor, "clip": limits}
        low, high = float(values.min()), float(values.max())
        centre, scale = (float(v[0]) for v in centre_and_scale(values[:, None], self.method, self.percentiles))
        size = max(abs(low), abs(high))
        if scale <= CONSTANT * size < high - low:
            most = np.percentile(values, [5, 95])
            if 0 < most[1] - most[0] <= CONSTANT * size and self.clip is None:
                raise ScanError(
                    f"{scan.source or 'the scan'}: a few voxels of '{scan.channels[channel]}' reach from {low:g} to {high:g}, "
                    f"but 90 % lie between {most[0]:g} and {most[1]:g}. Cut them off with 'clip: [1, 99]'."
                )
            raise ScanError(
                f"{scan.source or 'the scan'}: so many voxels of '{scan.channels[channel]}' have one value ({centre:g}) "
                f"that method '{self.method}' finds no spread. Use 'within: foreground', 'within: mask' or method zscore."
            )
        return {"centre": centre, "scale": scale if scale > CONSTANT * size else None, "clip": limits}

    def _over_time(self, scan: Scan) -> NDArray[np.float32]:
        courses = courses_of(scan.data)
        inside = None if self.within == "all" else required_region(scan, self.within, self.name).ravel()
        result = room(courses.shape, np.float32)
        for part in voxel_blocks(courses, BLOCK):
            block = courses[:, part].astype(np.float64)
            size = np.maximum(block.max(axis=0), -block.min(axis=0))
            if self.clip is not None:
                np.clip(block, *np.percentile(block, self.clip, axis=0), out=block)
            ordered = block.copy() if self.method in ("robust", "percentile") else block
            centre, scale = centre_and_scale(ordered, self.method, self.percentiles)
            counts = scale > CONSTANT * size
            if inside is not None:
                counts &= inside[part]
            block -= centre
            block *= np.divide(1, scale, out=np.zeros_like(scale), where=counts)
            result[:, part] = block
        return result.reshape(scan.data.shape)
