"""Which way voxel axes point, as letters, and how one set of axes becomes another."""

from __future__ import annotations

from functools import lru_cache
from itertools import permutations

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from voxtempo.errors import GeometryError

LETTERS = ("LR", "PA", "IS")
"""Towards lower and higher world coordinates, along x, y and z."""

TIE = 1e-6
"""Difference of two sums of cosines that rounding may cause."""


def axis_codes(affine: NDArray[np.float64]) -> str:
    """Return the world direction that each voxel axis is nearest to, such as 'RAS'.

    Of all ways to give each axis a direction of its own, this is the one with the largest sum of cosines. So the same scan with
    its axes exchanged or flipped gets the same directions. ``nibabel`` (5.4) gives each axis in turn the nearest of those left,
    which for scans tilted about two axes by almost 45 degrees, such as short-axis views of the heart, depends on their order.

    >>> axis_codes(np.diag([-1.0, 2.0, 3.0, 1.0]))
    'LAS'
    """
    return _codes(np.ascontiguousarray(affine, np.float64).tobytes())


@lru_cache(maxsize=4096)
def _codes(affine: bytes) -> str:
    # A cohort asks thousands of times, and has few affines.
    columns = np.frombuffer(affine, np.float64).reshape(4, 4)[:3, :3]
    left, _, right = np.linalg.svd(columns / np.linalg.norm(columns, axis=0))
    cosines = left @ right  # the nearest rotation: shears count for nothing
    orders = list(permutations(range(3)))
    sums = np.array([np.abs(cosines[range(3), order]).sum() for order in orders])
    x, y, z = cosines
    slants = x * y + 2 * y * z + 4 * x * z  # of each axis, whichever way it points
    best = max(
        (order for order, total in zip(orders, sums, strict=True) if total > sums.max() - TIE),
        key=lambda order: slants[order[1]] + 2 * slants[order[2]],
    )
    codes = [""] * 3
    for world, axis in enumerate(best):
        codes[axis] = LETTERS[world][int(cosines[world, axis] > 0)]
    return "".join(codes)


def orientation_change(source: str, target: str) -> NDArray[np.float64]:
    """Return nibabel's orientation transform from axes ``source`` to axes ``target`` ('RAS', 'PSR' ...)."""
    codes = target.upper()
    if len(codes) != 3 or not all(any(letter in pair for letter in codes) for pair in LETTERS):
        raise GeometryError(f"'{target}' is no orientation: give one letter each of L/R, P/A and I/S, such as 'RAS'")
    return nib.orientations.ornt_transform(nib.orientations.axcodes2ornt(source), nib.orientations.axcodes2ornt(codes))
