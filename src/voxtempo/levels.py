"""How many levels an encoder has, by what it strides between them, and what a kernel sees on a short axis.

Arithmetic on shapes alone: the networks build by it, and the plan reckons by it what they will cost.
"""

from __future__ import annotations

import math
import statistics

from voxtempo.errors import StudyError

Axes = tuple[int, ...]

MAX_DEPTH = 6
COARSEST = 4
"""An axis is halved while it keeps so many voxels."""
LARGE = {1: 2**12, 2: 2**13, 3: 2**16}
"""By number of axes: a residual network strides in its first convolution until at most so many voxels are left."""


def kernel_along(sizes: tuple[int, ...], kernel: int | tuple[int, ...]) -> tuple[int, ...]:
    """Return the kernel for each axis: 1 along axes of one voxel, where the rest would only see padding.

    >>> kernel_along((64, 64, 1), 3)
    (3, 3, 1)
    >>> kernel_along((64, 64, 20), (3, 3, 1))
    (3, 3, 1)
    """
    kernels = (kernel,) * len(sizes) if isinstance(kernel, int) else kernel
    return tuple(1 if n == 1 else k for n, k in zip(sizes, kernels, strict=True))


def stride_along(sizes: tuple[int, ...], stride: int, smallest: int = 2) -> tuple[int, ...]:
    """Return the stride for each axis: 1 where striding would leave fewer than ``smallest`` voxels.

    >>> stride_along((64, 5, 1), 2)
    (2, 2, 1)
    >>> stride_along((64, 5, 1), 2, smallest=4)
    (2, 1, 1)
    """
    return tuple(stride if math.ceil(n / stride) >= smallest else 1 for n in sizes)


def strided(sizes: tuple[int, ...], stride: tuple[int, ...]) -> tuple[int, ...]:
    """Return the sizes after a stride with "same" padding.

    >>> strided((45, 64), (2, 2))
    (23, 32)
    """
    return tuple(math.ceil(n / s) for n, s in zip(sizes, stride, strict=True))


def plan_stem(sizes: tuple[int, ...]) -> int:
    """Return the smallest power of two by which the first convolution must stride to leave 8,192 pixels or 65,536 voxels.

    >>> plan_stem((128, 128)), plan_stem((60, 60, 45)), plan_stem((120, 120, 90))
    (2, 2, 4)
    """
    stride = 1
    while math.prod(n / min(stride, n) for n in sizes) > LARGE[len(sizes)]:
        stride *= 2
    return stride


def plan_depth(sizes: tuple[int, ...]) -> int:
    """Return how many levels fit: the median axis is halved while it keeps 4 voxels; axes of one voxel do not count.

    >>> plan_depth((48, 64, 48)), plan_depth((256, 256, 20)), plan_depth((192, 192)), plan_depth((64, 64, 1))
    (4, 6, 6, 5)
    """
    halvings = []
    for n in (n for n in sizes if n > 1):
        count = 0
        while n >= 2 * COARSEST:
            n = math.ceil(n / 2)
            count += 1
        halvings.append(count)
    return min(MAX_DEPTH, 1 + int(statistics.median_low(halvings))) if halvings else 1


def plan_strides(sizes: tuple[int, ...], depth: int | None) -> list[tuple[int, ...]]:
    """Return the stride into each level after the first.

    A planned depth keeps at least 4 voxels along an axis, a depth that was asked for keeps at least 2.

    Raises
    ------
    StudyError : no axis is large enough for so many levels.
    """
    smallest = COARSEST if depth is None else 2
    levels = depth or plan_depth(sizes)
    strides: list[tuple[int, ...]] = []
    at = sizes
    for level in range(1, levels):
        stride = stride_along(at, 2, smallest)
        if max(stride) == 1:
            raise StudyError(
                f"A network of {levels} levels does not fit an input of {' x '.join(map(str, sizes))}: "
                f"level {level} has {' x '.join(map(str, at))}. Give a depth of at most {level}, or a larger sample."
            )
        strides.append(stride)
        at = strided(at, stride)
    return strides


def fitting_depth(sizes: tuple[int, ...], wanted: int) -> int:
    """Return the number of levels that fit an input, at most ``wanted``: the longest axis keeps 2 voxels.

    >>> fitting_depth((17, 21, 1), 4), fitting_depth((5, 4), 4)
    (4, 3)
    """
    return min(wanted, max(1, math.ceil(math.log2(max(sizes)))))


def plan_levels(
    sizes: tuple[int, ...], width: int, widths: tuple[int, ...] | None, max_width: int, depth: int | None
) -> tuple[list[tuple[int, ...] | None], tuple[int, ...]]:
    """Return the stride into each level (None: the first) and its channels: ``widths``, or ``width`` doubled level by level.

    >>> plan_levels((16, 16), 8, None, 12, None)
    ([None, (2, 2), (2, 2)], (8, 12, 12))
    """
    if widths is not None and depth is not None and depth != len(widths):
        raise StudyError(f"The network's depth is {depth}, but 'widths' has {len(widths)} values. Give one of the two.")
    strides = plan_strides(sizes, len(widths) if widths is not None else depth)
    planned = tuple(min(width * 2**level, max_width) for level in range(len(strides) + 1))
    return [None, *strides], widths or planned


def levels_wanted(
    sizes: tuple[int, ...],
    depth: int | None,
    strides: tuple[Axes, ...] | None,
    kernels: tuple[Axes, ...] | None,
    **lists: tuple[int, ...] | None,
) -> list[Axes]:
    """Return the stride into each level after the first: as given, or planned for as many levels as the options have.

    Raises
    ------
    StudyError : the options speak of different numbers of levels, or of axes that the input has not.
    """
    counts = {name: len(values) for name, values in {"kernels": kernels, **lists}.items() if values is not None}
    counts |= {"depth": depth} if depth is not None else {}
    counts |= {"strides": len(strides) + 1} if strides is not None else {}
    if len(set(counts.values())) > 1:
        raise StudyError(
            f"U-Net: the options speak of different numbers of levels: {_in_words(counts)}. Give one of the two, or the "
            "same number of each."
        )
    for name, values in (("kernels", kernels), ("strides", strides)):
        if values is not None and any(len(value) != len(sizes) for value in values):
            raise StudyError(
                f"U-Net: '{name}' is {list(values)}; the input has {len(sizes)} axes, so each needs as many."
            )
    return list(strides) if strides is not None else plan_strides(sizes, next(iter(counts.values()), None))


def _in_words(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} of {count}" for name, count in counts.items())
