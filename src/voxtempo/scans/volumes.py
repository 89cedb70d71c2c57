"""A scan that arrives volume by volume: what every reader gives, and how it becomes one array."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxtempo.errors import ScanError
from voxtempo.scans.header import Header
from voxtempo.scans.labels import whole_numbers
from voxtempo.scans.room import room
from voxtempo.scans.scan import Kind, Scan

Volume = tuple[int, int, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class VolumeStream:
    """An open scan.

    Parameters
    ----------
    header : what the file says of itself.
    dtype : type of the stored values.
    slope, intercept : stored times slope plus intercept gives the scan's values.
    volumes : yields (time, channel, stored values (x, y, z)) once, each pair of time and channel exactly once, in the
        file's order; an array may be reused for the next one.
    channels : a name for each channel, if the file has them.
    """

    header: Header
    dtype: np.dtype[Any]
    slope: float
    intercept: float
    volumes: Iterator[Volume]
    channels: tuple[str, ...] = ()

    @property
    def scaled(self) -> bool:
        """Whether stored values must be multiplied or shifted."""
        return (self.slope, self.intercept) != (1.0, 0.0)

    def result_type(self, kind: Kind) -> np.dtype[Any]:
        """Return the type after scaling: the stored integers, float32, or float64 for labels that are to be checked."""
        if self.dtype.kind in "iu" and not self.scaled:
            return self.dtype.newbyteorder("=")
        return np.dtype(np.float64 if kind == "label" else np.float32)

    def values(self, kind: Kind) -> Iterator[Volume]:
        """Yield (time, channel, values (x, y, z)) in ``result_type(kind)``.

        Raises
        ------
        ScanError : a value is too large for the type, or the file ends early.
        """
        dtype = self.result_type(kind)
        for time, channel, stored in self.volumes:
            yield time, channel, stored if dtype.kind in "iu" else self._scaled(stored, dtype)

    def collect(self, kind: Kind) -> Scan:
        """Return the whole scan, a long series in ``room``; labels come in the smallest type that holds them."""
        try:
            data = room(self.header.shape, self.result_type(kind))
        except ScanError as error:
            raise ScanError(f"{self.header.source}: {error}") from None
        for time, channel, values in self.values(kind):
            data[time, ..., channel] = values
        if kind == "label":
            data = whole_numbers(data, self.header.source)
        header = self.header
        return Scan(data, header.geometry, header.repetition_time, kind, self.channels, header.source)

    def _scaled(self, stored: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
        with np.errstate(over="ignore", invalid="ignore"):
            values = stored.astype(np.float64) * self.slope + self.intercept if self.scaled else stored
            result = values.astype(dtype)
        if np.count_nonzero(np.isinf(result)) > np.count_nonzero(np.isinf(stored)):
            raise ScanError(
                f"{self.header.source}: with slope {self.slope:g} and intercept {self.intercept:g} "
                f"the values do not fit into {dtype.name}"
            )
        return result
