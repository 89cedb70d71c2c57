"""What one training example is, where the study leaves it open."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from voxtempo.cohort.study import Sample, Slices, Study, Window
from voxtempo.planning.foresee import Foreseen
from voxtempo.planning.limits import Limits
from voxtempo.planning.patches import Box, plan_patch
from voxtempo.wording import by

FEW_SLICES = 8
"""A stack of fewer slices is no volume for a 3D network: it is learned slice by slice, each with its neighbours."""

NEIGHBOURS = 1

Cost = Callable[[Sample], tuple[float, float]]
"""Gigabytes of training on such samples, and minutes of the fewest updates that are worth it."""


def plan_sample(study: Study, foreseen: Foreseen, limits: Limits, cost: Cost, reasons: list[str]) -> Sample:
    """Return what a sample is; appends to ``reasons`` why.

    Parameters
    ----------
    study : whose ``sample`` is open, or names the dimensions alone.
    foreseen : what preparation will give.
    limits : what training may cost.
    cost : of training on a sample.
    reasons : of all choices so far.
    """
    if foreseen.series:
        return _windows(study, foreseen, reasons)
    if foreseen.flat and (study.task != "segment" or foreseen.one_shape):
        reasons.append(f"sample: the whole slice, {by(foreseen.largest)}")
        return Sample(volume="whole")
    wanted = study.sample.dimensions if study.sample is not None else None
    if study.task != "segment":
        return _whole_or_slices(foreseen, wanted, reasons)
    return _patches(foreseen, wanted, study.network.name, limits, cost, reasons)


def _windows(study: Study, foreseen: Foreseen, reasons: list[str]) -> Sample:
    events = study.cohort.target.events is not None
    length = min(20 if not events else 8, min(foreseen.volumes))
    reasons.append(f"sample: windows of {length} volumes" + (", one an event" if events else ", end to end"))
    return Sample(window=Window(length=length, align="events" if events else None, delay=5.0 if events else 0.0))


def _whole_or_slices(foreseen: Foreseen, wanted: str | None, reasons: list[str]) -> Sample:
    if wanted in (None, "3d"):
        reasons.append(f"sample: the whole volume, {by(foreseen.largest)}")
        return Sample(volume="whole")
    axis = "xyz"[flat_axis(foreseen)]
    neighbours = NEIGHBOURS if wanted == "2.5d" else 0
    beside = f", each with {neighbours} neighbour on either side" if neighbours else ""
    reasons.append(f"sample: slices {_across(foreseen)}{beside}, as 'sample: {wanted}' asks")
    return Sample(slices=Slices(axis=axis, neighbours=neighbours))


def _patches(
    foreseen: Foreseen, wanted: str | None, network: str | None, limits: Limits, cost: Cost, reasons: list[str]
) -> Sample:
    dimensions = wanted or "3d"
    asked = f"as 'sample: {wanted}' asks" if wanted else ""
    if foreseen.flat:
        dimensions, asked = "2d", "since every scan is one slice"
    elif wanted is None and network is not None and network.endswith("2d"):
        dimensions, asked = "2d", f"which {network} takes"
    elif wanted is None and network is None and foreseen.median[flat_axis(foreseen)] < FEW_SLICES:
        few = foreseen.median[flat_axis(foreseen)]
        dimensions, asked = "2.5d", f"since {few} slices are too few for convolutions in 3D"
    flat = None if dimensions == "3d" else flat_axis(foreseen)
    neighbours = NEIGHBOURS if dimensions == "2.5d" else 0

    def sample(box: Box) -> Sample:
        return Sample(patch=box, neighbours=neighbours or None)

    def fits(box: Box) -> bool:
        memory, minutes = cost(sample(box))
        return memory <= limits.memory and minutes <= limits.minutes

    box = plan_patch(foreseen.median, foreseen.median_spacing, fits, flat)
    why = [asked] if asked else []
    if flat is not None and not foreseen.flat:
        why.append(_across(foreseen))
    if neighbours:
        why.append(f"each with {neighbours} neighbour on either side as channels")
    held = all(p >= n for p, n in zip(box, foreseen.median, strict=True) if p > 1)
    if held:
        why.append("which hold the median scan" if flat is None else "which hold the median slice")
    elif fits(box):
        why.append(
            f"the largest of equal sides in mm that {limits.words()} allow (the median scan has {by(foreseen.median)})"
        )
    else:
        why.append(f"the smallest there are; {limits.words()} are too little even for these")
    reasons.append(f"sample: patches of {by(box)} ({dimensions}), {', '.join(why)}")
    return sample(box)


def _across(foreseen: Foreseen) -> str:
    """Return the axis of the slices in words, and why, where the voxels' size says it."""
    name = "xyz"[flat_axis(foreseen)]
    spacing = foreseen.median_spacing
    longest = max(spacing) > 1.01 * min(spacing)
    return f"across {name}, along which voxels are longest" if longest else f"across {name}"


def flat_axis(foreseen: Foreseen) -> int:
    """Return the axis across which slices are cut: the one of the longest voxels, the last of equals."""
    if foreseen.flat:
        return 2
    spacing = np.round(foreseen.median_spacing, 2)
    return 2 - int(np.argmax(spacing[::-1]))
