"""Whether a new scan is like those of the training, by what the run's plan says of them: voxels, extent, any contrast at all.

A network answers whatever it is shown. What lies far from its training is told, not refused: the user may know better.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from voxtempo.scans import Geometry, Scan
from voxtempo.workflow.records import PLAN

VOXELS, EXTENT = 1.5, 2.0
"""By which factor a voxel's side, and a scan's extent, may lie beyond the least and greatest of the training."""


@dataclass(frozen=True)
class Range:
    """Least and greatest of the training, sides sorted from the shortest to the longest."""

    least: float
    greatest: float

    def far(self, value: float, factor: float) -> bool:
        """Return whether a value lies beyond by more than a factor."""
        return value * factor < self.least or value > self.greatest * factor


@dataclass(frozen=True)
class Likeness:
    """What the scans of a run's cohort were like; without ranges nothing is compared with them.

    Parameters
    ----------
    sides : of voxels, in mm.
    extents : of scans, in mm.
    """

    sides: tuple[Range, ...] = ()
    extents: tuple[Range, ...] = ()

    def unlike(self, geometry: Geometry) -> str:
        """Return in words how a grid differs from all of the training, or nothing."""
        axes = [(n, spacing) for n, spacing in zip(geometry.shape, geometry.spacing, strict=True) if n > 1]
        if len(axes) != len(self.sides):
            return ""
        told = []
        sides, extents = sorted(spacing for _, spacing in axes), sorted(n * spacing for n, spacing in axes)
        for name, found, known, factor in (
            ("voxels of", sides, self.sides, VOXELS),
            ("an extent of", extents, self.extents, EXTENT),
        ):
            if any(each.far(value, factor) for each, value in zip(known, found, strict=True)):
                training = " x ".join(_range(each) for each in known)
                told.append(f"{name} {' x '.join(f'{value:.3g}' for value in found)} mm, in training {training} mm")
        return "; ".join(told)


def _range(known: Range) -> str:
    low, high = f"{known.least:.3g}", f"{known.greatest:.3g}"
    return low if low == high else f"({low} to {high})"


def likeness_of(folder: Path) -> Likeness:
    """Return what a run folder remembers of its scans; an empty one where it does not."""
    try:
        seen = json.loads((folder / PLAN).read_text(encoding="utf-8"))["fingerprint"]
        sides = [(float(least), float(greatest)) for least, _, greatest in seen["spacing"]]
        counts = [(float(least), float(greatest)) for least, _, greatest in seen["shape"]]
    except (OSError, ValueError, KeyError, TypeError):
        return Likeness()
    axes = [(side, count) for side, count in zip(sides, counts, strict=False) if count[1] > 1]
    extents = [(side[0] * count[0], side[1] * count[1]) for side, count in axes]
    return Likeness(_sorted([side for side, _ in axes]), _sorted(extents))


def _sorted(ranges: Sequence[tuple[float, float]]) -> tuple[Range, ...]:
    """Return ranges of the shortest, the next and the longest, whichever axes they lie along."""
    return tuple(
        Range(low, high) for low, high in zip(*(sorted(ends) for ends in zip(*ranges, strict=True)), strict=True)
    )


def blank_channels(scan: Scan) -> list[str]:
    """Return the channels of a scan that hold one value only."""
    return [
        name for place, name in enumerate(scan.channels) if scan.data[..., place].min() == scan.data[..., place].max()
    ]
