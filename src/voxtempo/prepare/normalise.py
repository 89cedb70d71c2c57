"""Bring intensities, which mean nothing by themselves in MRI, onto one scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from voxtempo.errors import ScanError, StudyError
from voxtempo.prepare.foreground import mean_volume, otsu_threshold, refuse_not_finite
from voxtempo.prepare.options import Finite, Percentiles
from voxtempo.prepare.series import require_series
from voxtempo.prepare.step import Decision, Step, step
from voxtempo.scans import Scan

CONSTANT = 1e-6  # a spread this small beside the largest value is rounding, not signal
BLOCK = 1 << 22  # values looked at together when going through a series voxel by voxel
IQR = 1.3489795003921634  # interquartile range of a normal distribution with standard deviation 1

Method = Literal["zscore", "robust", "percentile", "minmax", "scale"]


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
        outside stays 0.
    axis : "space", one shift and scale for the whole scan; "time", one for each voxel of a series.
    percentiles : 0 to 100, for method "percentile".
    clip : percentiles (within the same voxels) beyond which intensities are cut off first, such as [0.5, 99.5].
    factor, offset : for method "scale", in units of the image.
    """

    main = "method"

    method: Method = "zscore"
    within: Literal["all", "foreground", "mask"] = "all"
    axis: Literal["space", "time"] = "space"
    percentiles: Percentiles = (1.0, 99.0)
    clip: Percentiles | None = None
    factor: Annotated[float, Field(allow_inf_nan=False), AfterValidator(_not_zero)] = 1.0
    offset: Finite = 0.0

    def __post_init__(self) -> None:
        if self.axis == "time" and (self.within != "all" or self.method == "scale"):
            wrong = "method 'scale'" if self.method == "scale" else f"'within: {self.within}'"
            raise StudyError(
                f"preparation step 'normalise': {wrong} has no meaning with 'axis: time', where each voxel has its own "
                "statistics. Leave one of the two out."
            )

    def decide(self, scan: Scan) -> Decision:
        """Return centre, scale and clipping limits of each channel; nothing over time, where they are many."""
        refuse_not_finite(scan)
        if self.axis == "time":
            require_series(scan, "normalise", "'axis: time'")
            return {}
        channels: list[dict[str, Any]] = []
        for c in range(scan.data.shape[4]):
            values = self._values(scan, c)
            limits = None if self.clip is None else [float(v) for v in np.percentile(values, self.clip)]
            if limits is not None:
                values = np.clip(values, limits[0], limits[1])
            centre, scale = self._centre_and_scale(values[:, None])
            size = max(abs(float(values.min())), abs(float(values.max())))
            found = float(scale[0]) if self.method == "scale" or scale[0] > CONSTANT * size else None
            if found is None and float(values.max()) - float(values.min()) > CONSTANT * size:
                raise ScanError(
                    f"{scan.source or 'the scan'}: so many voxels of '{scan.channels[c]}' have one value "
                    f"({float(centre[0]):g}) that method '{self.method}' finds no spread. Use 'within: foreground', "
                    "'within: mask' or method zscore."
                )
            channels.append({"centre": float(centre[0]), "scale": found, "clip": limits})
        return {"channels": channels}

    def apply(self, scan: Scan, decision: Decision) -> Scan:
        """Return the scan with its new intensities (float32)."""
        if self.axis == "time":
            return scan.with_data(self._over_time(scan.data))
        result = np.empty(scan.data.shape, dtype=np.float32)
        for c, found in enumerate(decision["channels"]):
            values = result[..., c]
            values[...] = scan.data[..., c]
            if found["clip"] is not None:
                np.clip(values, *found["clip"], out=values)
            values -= np.float32(found["centre"])
            values *= np.float32(0 if found["scale"] is None else 1 / found["scale"])
            if self.within == "mask":
                values[:, ~_mask(scan, c)] = 0
        return scan.with_data(result)

    def _values(self, scan: Scan, channel: int) -> NDArray[Any]:
        """Return the values (n,) of one channel whose statistics count; all of them where the region is empty."""
        data = scan.data[..., channel]
        if self.within == "all" or self.method == "scale":
            return data.reshape(-1)
        if self.within == "mask":
            region = _mask(scan, channel)
        else:
            mean = mean_volume(scan)[..., channel]
            threshold = otsu_threshold(mean)
            region = np.zeros(mean.shape, bool) if threshold is None else mean > threshold
        return data[:, region].reshape(-1) if region.any() else data.reshape(-1)

    def _centre_and_scale(self, values: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what becomes 0 and by what is divided, (n,) each, of the columns of (m, n) values."""
        if self.method == "zscore":
            return _mean_and_deviation(values)
        if self.method == "scale":
            return np.array([self.offset]), np.array([1 / self.factor])
        if self.method == "minmax":
            low, high = values.min(axis=0).astype(np.float64), values.max(axis=0).astype(np.float64)
            return low, high - low
        if self.method == "robust":
            low, middle, high = np.percentile(values, (25, 50, 75), axis=0).astype(np.float64)
            return middle, (high - low) / IQR
        low, high = np.percentile(values, self.percentiles, axis=0).astype(np.float64)
        return low, high - low

    def _over_time(self, data: NDArray[Any]) -> NDArray[np.float32]:
        courses = data.reshape(data.shape[0], -1)
        result = np.empty(courses.shape, dtype=np.float32)
        width = max(1, BLOCK // data.shape[0])
        for begin in range(0, courses.shape[1], width):
            block = courses[:, begin : begin + width].astype(np.float64)
            size = np.abs(block).max(axis=0)
            if self.clip is not None:
                block = np.clip(block, *np.percentile(block, self.clip, axis=0))
            centre, scale = self._centre_and_scale(block)
            varies = scale > CONSTANT * size
            block -= centre
            block *= np.divide(1, scale, out=np.zeros_like(scale), where=varies)
            result[:, begin : begin + width] = block
        return result.reshape(data.shape)


def _mean_and_deviation(values: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both for the columns of (m, n) values, in double precision but without a copy in double precision."""
    mean = np.asarray(values.mean(axis=0, dtype=np.float64))
    rows = max(1, BLOCK // values.shape[1])
    squares = np.zeros_like(mean)
    for begin in range(0, values.shape[0], rows):
        squares += np.square(values[begin : begin + rows] - mean, dtype=np.float64).sum(axis=0)
    return mean, np.sqrt(squares / values.shape[0])


def _mask(scan: Scan, channel: int) -> NDArray[np.bool_]:
    return np.asarray((scan.data[..., channel] != 0).any(axis=0))
