"""Label maps hold whole numbers: anything else is an error, and the smallest type that holds them is enough."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxtempo.errors import ScanError

ROUNDING = 1e-5
"""What a scaled header makes of whole numbers, relative to values above 1: 255 times the float32 of 1/255 is 1.00000006."""

LABEL_TYPES = (np.uint8, np.uint16, np.int16, np.int32, np.int64)


def whole_numbers(values: NDArray[Any], source: str) -> NDArray[Any]:
    """Return the same values in the smallest of uint8, uint16, int16, int32, int64.

    Raises
    ------
    ScanError : a value is a fraction, not finite, or beyond 64 bits.

    Examples
    --------
    >>> whole_numbers(np.array([0.0, 2.0, 300.0]), "mask.nii").dtype
    dtype('uint16')
    """
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    if values.dtype.kind == "f":
        finite = np.isfinite(values)
        if not finite.all():
            raise ScanError(f"{source}: a label map holds whole numbers, found {values[~finite].flat[0]}")
        whole = np.rint(values)
        fractions = np.abs(values - whole) > ROUNDING * np.maximum(1.0, np.abs(whole))
        if fractions.any():
            raise ScanError(
                f"{source}: a label map holds whole numbers, found {values[fractions].flat[0]:.9g} "
                f"(and {int(fractions.sum()) - 1} more fractions): is it a probability map, or was it interpolated?"
            )
        values = whole
    low, high = (values.min(), values.max()) if values.size else (0, 0)
    for dtype in LABEL_TYPES:
        limits = np.iinfo(dtype)
        if int(low) >= limits.min and int(high) <= limits.max:
            return values.astype(dtype, copy=False)
    raise ScanError(f"{source}: labels from {low} to {high} do not fit into 64-bit integers")
