"""Of how many parts true structures are, so that no operation removes what people draw."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from voxtempo.inference.postprocess.operation import FOREGROUND, Labels, components
from voxtempo.learning.tasks import SegmentTask, among

SECOND = 0.02
"""A second component of this share of the largest one's volume is a part of the structure, not a slip of the pencil."""
SPECK = 2
"""Components of so many voxels or fewer say nothing about what may be removed, but that nothing small may."""


@dataclass(frozen=True)
class Parts:
    """What true maps show of a structure's components.

    Parameters
    ----------
    several : whether a map has a second one that matters.
    smallest : volume of the smallest (mm3); None where a speck is drawn, or nothing.
    """

    several: bool = False
    smallest: float | None = None


def true_parts(maps: Iterable[tuple[Labels, Sequence[float]]], task: SegmentTask) -> dict[str, Parts]:
    """Return what true label maps show of every structure and of the foreground.

    Parameters
    ----------
    maps : label map (x, y, z) and spacing in mm of each.
    task : names labels and regions.
    """
    several: set[str] = set()
    volumes: dict[str, list[float]] = {}
    specks: set[str] = set()
    for labels, spacing in maps:
        for name, values in {FOREGROUND: (), **task.structures}.items():
            voxels = sorted(components(among(labels, values) if values else labels > 0)[1][1:])
            if not voxels:
                continue
            if len(voxels) > 1 and voxels[-2] >= SECOND * voxels[-1]:
                several.add(name)
            if voxels[0] <= SPECK:
                specks.add(name)
            volumes.setdefault(name, []).append(float(f"{voxels[0] * math.prod(spacing):.4g}"))
        if several & specks == {FOREGROUND, *task.structures}:  # further maps could change nothing
            break
    return {
        name: Parts(name in several, None if name in specks else min(volumes.get(name, []), default=None))
        for name in (FOREGROUND, *task.structures)
    }
