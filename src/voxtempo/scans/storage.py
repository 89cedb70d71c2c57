"""How values are stored in the cache: the smallest type that keeps what matters.

- labels: the smallest integer type;
- integers of 8 or 16 bits: as they are (exact, and no larger than float16);
- other intensities: float16 if all are finite and the largest lies between 0.01 and 60,000 (where it rounds by at most
  0.05 %); otherwise int16 with a scale; with NaN or infinity float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxtempo.errors import ScanError
from voxtempo.scans.scan import Kind

HALF_LOWEST, HALF_HIGHEST = 0.01, 6e4
STORAGES = ("float16", "float32", "uint8", "int8", "uint16", "int16", "uint32", "int32", "int64")


@dataclass(frozen=True)
class Encoding:
    """Stored type, and the numbers that lead back: stored times scale plus offset."""

    dtype: np.dtype[Any]
    scale: float = 1.0
    offset: float = 0.0

    def encode(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values as they are stored, rounded to the nearest step."""
        if (self.scale, self.offset) == (1.0, 0.0):
            return values.astype(self.dtype, copy=False)
        steps = np.rint((values.astype(np.float64) - self.offset) / self.scale)
        limits = np.iinfo(self.dtype)
        return np.clip(steps, limits.min, limits.max).astype(self.dtype)

    def decode(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Return the values of stored numbers as a new float32 array."""
        if (self.scale, self.offset) == (1.0, 0.0):
            return stored.astype(np.float32)
        if stored.dtype.itemsize <= 2:
            return stored.astype(np.float32) * np.float32(self.scale) + np.float32(self.offset)
        return (stored.astype(np.float64) * self.scale + self.offset).astype(np.float32)


@dataclass(frozen=True)
class Extent:
    """Lowest and highest finite value, and whether all values are finite."""

    low: float = float("inf")
    high: float = float("-inf")
    finite: bool = True

    @classmethod
    def of(cls, values: NDArray[Any]) -> Extent:
        """Return the extent of an array."""
        if values.dtype.kind in "iub":
            return cls(int(values.min()), int(values.max()))
        finite = np.isfinite(values)
        if finite.all():
            return cls(float(values.min()), float(values.max()))
        low = float(np.min(values, where=finite, initial=np.inf))
        return cls(low, float(np.max(values, where=finite, initial=-np.inf)), False)

    def joined(self, other: Extent) -> Extent:
        """Return the extent of both."""
        return Extent(min(self.low, other.low), max(self.high, other.high), self.finite and other.finite)


def choose_encoding(dtype: np.dtype[Any], kind: Kind, extent: Extent, storage: str | None, where: str) -> Encoding:
    """Return how values of ``dtype`` and ``extent`` are stored.

    Parameters
    ----------
    dtype : type of the values in memory.
    kind : labels are never scaled.
    extent : their lowest and highest value.
    storage : one of ``STORAGES``, or None for the rules above.
    where : the cache's folder, for messages.

    Raises
    ------
    ScanError : the values do not fit into the storage asked for.
    """
    whole = dtype.kind in "iub"
    if storage is None:
        return _chosen(dtype, kind, extent, where)
    if storage not in STORAGES:
        raise ScanError(f"{where}: storage '{storage}' is unknown, expected one of {', '.join(STORAGES)}")
    wanted = np.dtype(storage)
    if wanted.kind == "f":
        highest = float(np.finfo(wanted).max)
        if kind == "label":
            raise ScanError(f"{where}: a label map is stored in an integer type, not in {storage}")
        if max(-extent.low, extent.high) > highest:
            raise ScanError(f"{where}: values from {extent.low:g} to {extent.high:g} overflow {storage}")
        return Encoding(wanted)
    limits = np.iinfo(wanted)
    if whole and limits.min <= extent.low and extent.high <= limits.max:
        return Encoding(wanted)
    if kind == "label":
        raise ScanError(f"{where}: labels from {extent.low} to {extent.high} overflow {storage}")
    if not extent.finite:
        raise ScanError(f"{where}: {storage} cannot hold NaN or infinity: store float32, or replace them first")
    return _scaled(wanted, extent)


def _chosen(dtype: np.dtype[Any], kind: Kind, extent: Extent, where: str) -> Encoding:
    if kind == "label":
        types = (np.dtype(name) for name in ("uint8", "uint16", "uint32", "int8", "int16", "int32", "int64"))
        fitting = (t for t in types if np.iinfo(t).min <= extent.low and extent.high <= np.iinfo(t).max)
        chosen = next(fitting, None)
        if chosen is None:
            raise ScanError(f"{where}: labels from {extent.low} to {extent.high} do not fit into 64-bit integers")
        return Encoding(chosen)
    if dtype.kind == "b":
        return Encoding(np.dtype(np.uint8))
    if dtype.kind in "iu" and dtype.itemsize <= 2:
        return Encoding(dtype.newbyteorder("="))
    if not extent.finite:
        return Encoding(np.dtype(np.float32))
    if in_half_precision(extent.low, extent.high):
        return Encoding(np.dtype(np.float16))
    return _scaled(np.dtype(np.int16), extent)


def in_half_precision(low: float, high: float) -> bool:
    """Return whether values from ``low`` to ``high`` keep three digits as float16.

    >>> in_half_precision(-3.0, 5.0), in_half_precision(0.0, 1e5), in_half_precision(0.0, 1e-4)
    (True, False, False)
    """
    largest = max(-low, high)
    return largest == 0 or HALF_LOWEST <= largest < HALF_HIGHEST


def _scaled(dtype: np.dtype[Any], extent: Extent) -> Encoding:
    """Return the encoding whose steps divide lowest to highest evenly."""
    limits = np.iinfo(dtype)
    span = float(extent.high) - float(extent.low)
    scale = span / (limits.max - limits.min)
    if not np.isfinite(scale) or scale == 0:
        scale = 1.0
    return Encoding(dtype, scale, float(extent.low) - scale * limits.min)
