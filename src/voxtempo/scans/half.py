"""Stored numbers to float32, fast for float16 too.

numpy converts float16 one number at a time where it was not built for the processor's own instruction, which takes longer
than everything else about reading a window. The bits of a float16 are those of a float32 with another bias of the
exponent, so a shift, a mask and a multiplication by 2^112 do it for whole registers, and exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

KEPT = np.uint32(0x8FFFE000).view(np.int32)
"""Sign, exponent and fraction, after the shift by 13 bits."""

BIAS = np.float32(2.0**112)
LARGEST = 65504.0


def as_float32(stored: NDArray[Any]) -> NDArray[np.float32]:
    """Return a new float32 array with the values of ``stored`` (any number of axes, any number type).

    >>> as_float32(np.array([[1.5, -2.0], [np.inf, 6e-8]], dtype=np.float16)).tolist()
    [[1.5, -2.0], [inf, 5.960464477539063e-08]]
    """
    if stored.dtype != np.float16 or stored.ndim == 0:
        return stored.astype(np.float32)
    result = np.empty(stored.shape, np.float32)
    for half, single in zip(stored, result, strict=True) if stored.ndim > 1 else ((stored, result),):
        # A volume at a time, so that the steps meet in the processor's cache.
        bits = single.view(np.int32)
        np.copyto(bits, half.view(np.int16))
        np.left_shift(bits, 13, out=bits)
        np.bitwise_and(bits, KEPT, out=bits)
        np.multiply(single, BIAS, out=single)
        if single.size and (single.max() > LARGEST or single.min() < -LARGEST):
            single[...] = half  # infinity and NaN have an exponent of their own
    return result
