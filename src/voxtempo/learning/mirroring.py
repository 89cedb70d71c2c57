"""Along which axes a sample may be mirrored and still be true."""

from __future__ import annotations

from voxtempo.augment.stack import sided
from voxtempo.cohort import Cohort
from voxtempo.cohort.study import Sample
from voxtempo.feed.plane import Plane
from voxtempo.scans import Geometry


def true_mirrors(cohort: Cohort, geometry: Geometry, sample: Sample) -> tuple[str, ...]:
    """Return the axes along which a mirror image has the mirrored truth: none where a class or label has a side."""
    return () if sided([*cohort.classes, *cohort.labels.values()]) else mirrored_axes(geometry, sample)


def mirrored_axes(geometry: Geometry, sample: Sample) -> tuple[str, ...]:
    """Return the axis of a sample that runs between left and right, the only one along which heads are symmetric.

    A slice has its axes after the one across it was moved last, so sagittal slices have none.

    >>> mirrored_axes(Geometry.from_spacing((4, 4, 4)).reoriented("PSR"), Sample(volume="whole"))
    ('z',)
    """
    axes = list(geometry.orientation)
    if sample.across is not None:
        axes = list(Plane(sample.across).turned(axes)[:2])
    return tuple(name for name, letter in zip("xyz", axes, strict=False) if letter in "LR")
