"""A whole series realigned: the order of its volumes, the reference, and what volumes differ by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from voxtempo.prepare.brain_mask import clean
from voxtempo.prepare.foreground import otsu_threshold
from voxtempo.prepare.realign import Level, levels_of, realign
from voxtempo.prepare.rigid import voxel_mapping
from voxtempo.prepare.rigid_volume import Interpolation, moved
from voxtempo.scans import Scan

DECIMALS = (4, 6)
"""Of translations (mm) and rotations (radians): finer than they can be known, coarser than rounding in float32."""

Motion = NDArray[np.float64]


def estimate_motion(scan: Scan, channel: int, reference: int | Literal["mean"]) -> Motion:
    """Return the motion (t, 6) of a series: translations in mm, rotations in radians, as ``rigid`` defines them.

    Parameters
    ----------
    scan : the series; one volume at a time is read.
    channel : which one to look at.
    reference : number of the volume that is at rest, or "mean": the mean of all volumes after they were realigned to the
        middle one, whose place it has.
    """
    first = scan.volumes // 2 if reference == "mean" else reference
    levels = levels_of(scan.volume(first, channel), scan.geometry)
    motion = np.zeros((scan.volumes, 6))
    if not levels:
        return motion
    _outwards(scan, channel, levels, first, motion)
    if reference == "mean":
        levels = levels_of(_mean(scan, channel, motion), scan.geometry)
        for t in range(scan.volumes):
            motion[t] = realign(scan.volume(t, channel), levels, motion[t])
    motion[:, :3] = motion[:, :3].round(DECIMALS[0])
    motion[:, 3:] = motion[:, 3:].round(DECIMALS[1])
    return motion + 0.0  # no negative zeros


def at_rest(scan: Scan, channel: int, row: NDArray[np.float64], t: int, how: Interpolation) -> NDArray[np.float32]:
    """Return volume ``t`` (x, y, z) put back by its six parameters, read once; without motion, as it is."""
    volume = scan.volume(t, channel)
    target = np.empty(volume.shape, np.float32)
    if row.any():
        moved(volume, voxel_mapping(row, scan.geometry), how, target)
    else:
        target[...] = volume
    return target


def brain_of(volume: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the brain (x, y, z): the largest piece above Otsu's threshold; empty where all voxels are equal."""
    threshold = otsu_threshold(volume)
    if threshold is None:
        return np.zeros(volume.shape, bool)
    bright = np.asarray(volume > threshold)
    largest = clean(bright, 1)
    return largest if largest.any() else bright


def dvars(volumes: Iterator[NDArray[Any]], brain: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return how much each volume differs from the one before, (t,): 0 for the first.

    The root mean square over the brain's voxels, in per cent of the mean over these voxels and all volumes (Power et
    al., NeuroImage 59:2142, 2012, in their units divided by 10).

    Parameters
    ----------
    volumes : each (x, y, z), one at a time.
    brain : (x, y, z).
    """
    size, level, before = [], [], None
    for volume in volumes:
        inside = volume[brain].astype(np.float64)
        size.append(0.0 if before is None or not inside.size else float(np.sqrt(np.mean((inside - before) ** 2))))
        level.append(float(inside.mean()) if inside.size else 0.0)
        before = inside
    mean = abs(float(np.mean(level)))
    return np.array(size) * (100 / mean if mean > 0 else 0.0)


def _outwards(scan: Scan, channel: int, levels: tuple[Level, ...], first: int, motion: Motion) -> None:
    """Fill ``motion`` from the reference on to both ends, each volume starting where its neighbour was found."""
    for order in (range(first + 1, scan.volumes), range(first - 1, -1, -1)):
        row = np.zeros(6)
        for t in order:
            row = realign(scan.volume(t, channel), levels, row)
            motion[t] = row


def _mean(scan: Scan, channel: int, motion: Motion) -> NDArray[np.float32]:
    total = np.zeros(scan.geometry.shape, np.float64)
    for t in range(scan.volumes):
        total += at_rest(scan, channel, motion[t], t, "spline")
    return (total / scan.volumes).astype(np.float32)
