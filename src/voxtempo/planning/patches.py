"""The box of voxels that a segmentation network sees: as much context as the scans have and the budget allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Box = tuple[int, int, int]
MULTIPLE = 8


def plan_patch(
    median: Sequence[int],
    spacing: Sequence[float],
    fits: Callable[[Box], bool],
    flat: int | None = None,
) -> Box:
    """Return a patch: the median scan where that fits, else the largest box of equal sides in mm that does.

    Sides are multiples of 8 (of 4 below 8 voxels), so that they can be halved, and no longer than the median scan needs.

    Parameters
    ----------
    median : voxels of the median scan along x, y, z.
    spacing : mm along x, y, z.
    fits : whether a box can be afforded.
    flat : axis along which the patch has one voxel (2D), or None.

    >>> plan_patch((36, 50, 35), (1, 1, 1), lambda box: True)
    (40, 56, 40)
    >>> plan_patch((256, 256, 24), (1, 1, 6), lambda box: box[0] * box[1] * box[2] <= 64**3)
    (104, 104, 24)
    >>> plan_patch((256, 200, 24), (1, 1, 6), lambda box: True, flat=2)
    (256, 200, 1)
    """
    whole = [1 if axis == flat else at_least(n) for axis, n in enumerate(median)]
    best = _box(whole)
    if fits(best):
        return best
    axes = [axis for axis in range(3) if whole[axis] > 1]
    longest = max((whole[axis] * spacing[axis] for axis in axes), default=0.0)
    step = MULTIPLE * min(spacing[axis] for axis in axes)
    side = longest
    while side > step:
        side -= step
        best = _box(
            [min(n, at_least(max(2, round(side / mm)))) if n > 1 else 1 for n, mm in zip(whole, spacing, strict=True)]
        )
        if fits(best):
            break
    return best


def at_least(length: float) -> int:
    """Return the next multiple of 8 (below 8: of 4; one stays one).

    >>> at_least(35), at_least(40), at_least(5), at_least(3), at_least(1)
    (40, 40, 8, 4, 1)
    """
    if length <= 1:
        return 1
    of = MULTIPLE if length > MULTIPLE / 2 else MULTIPLE // 2
    return int(-(-length // of)) * of


def _box(sides: Sequence[int]) -> Box:
    x, y, z = sides
    return x, y, z
