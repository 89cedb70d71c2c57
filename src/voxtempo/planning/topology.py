"""How a U-Net is shaped for a patch: strides and kernels level by level, from the size of its voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from voxtempo.levels import COARSEST, MAX_DEPTH, Axes


@dataclass(frozen=True)
class Topology:
    """The levels of an encoder.

    Parameters
    ----------
    strides : into each level after the first, along each axis.
    kernels : width of each level's convolutions along each axis.
    """

    strides: tuple[Axes, ...]
    kernels: tuple[Axes, ...]


def plan_topology(patch: Sequence[int], spacing: Sequence[float]) -> Topology:
    """Return strides and kernels for a patch.

    An axis is halved only while its voxels are not twice as long as the shortest ones, so that voxels become cubes on the
    way down, and convolutions reach along an axis from the level on where its voxels are less than twice as long
    as the shortest (the idea of Isensee et al. 2021, nnU-Net, doi:10.1038/s41592-020-01008-z).

    Parameters
    ----------
    patch : voxels along each axis (2 or 3).
    spacing : mm along each axis.

    >>> plan_topology((40, 56, 40), (1, 1, 1)).strides
    ((2, 2, 2), (2, 2, 2), (2, 2, 2))
    >>> thick = plan_topology((128, 128, 16), (1, 1, 6))
    >>> thick.strides
    ((2, 2, 1), (2, 2, 1), (2, 2, 2), (2, 2, 2), (2, 2, 1))
    >>> thick.kernels
    ((3, 3, 1), (3, 3, 1), (3, 3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3))
    """
    size, length = list(patch), [float(mm) for mm in spacing]
    reaches = [False] * len(size)
    strides: list[Axes] = []
    kernels: list[Axes] = []
    while True:
        shortest = min(mm for mm, n in zip(length, size, strict=True) if n > 1) if max(size) > 1 else min(length)
        reaches = [before or mm < 2 * shortest for before, mm in zip(reaches, length, strict=True)]
        kernels.append(tuple(3 if reach else 1 for reach in reaches))
        able = [mm for mm, n in zip(length, size, strict=True) if n >= 2 * COARSEST]
        stride = tuple(2 if n >= 2 * COARSEST and mm < 2 * min(able) else 1 for mm, n in zip(length, size, strict=True))
        if len(able) < 2 or len(kernels) == MAX_DEPTH:
            return Topology(tuple(strides), tuple(kernels))
        strides.append(stride)
        size = [-(-n // s) for n, s in zip(size, stride, strict=True)]
        length = [mm * s for mm, s in zip(length, stride, strict=True)]
