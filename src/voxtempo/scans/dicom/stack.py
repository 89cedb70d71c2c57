"""Frames into a grid: which slice, which contrast, which time, and the affine of the whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxtempo.errors import GeometryError, ScanError
from voxtempo.scans.dicom.frame import Frame
from voxtempo.scans.dicom.timing import in_time, repetition_time
from voxtempo.scans.geometry import Geometry

SAME_PLACE, SMALLEST_STEP, LARGEST_JITTER = 0.05, 1e-3, 0.1
"""Frames closer than this share of the stated slice distance, within these limits (mm), show the same slice."""
UNEVEN = 0.05
"""Slices further from an even grid than this share of their distance are an error."""
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
COMPONENTS = {"M": "magnitude", "P": "phase", "R": "real", "I": "imaginary"}


@dataclass(frozen=True, eq=False)
class Stack:
    """A series in order.

    Parameters
    ----------
    frames : frames[t][c][z].
    geometry : the grid: x along a picture's rows, y along its columns, z across the slices.
    repetition_time : seconds between volumes, or None.
    channels : names of the contrasts.
    """

    frames: list[list[list[Frame]]]
    geometry: Geometry
    repetition_time: float | None
    channels: tuple[str, ...]


def stack_frames(frames: Sequence[Frame], where: str) -> Stack:
    """Sort frames into slices, contrasts and volumes.

    Different echoes, or magnitude and phase, of the same slices become channels; everything else that shows one slice
    more than once becomes time.

    Raises
    ------
    ScanError : the frames differ in size or direction, slices are missing or uneven, or a volume is incomplete.
    """
    _refuse_mixtures(frames, where)
    slices, offsets = _slices(frames)
    contrasts = _contrasts(slices, where)
    places = [
        [frame for frame in members if contrasts is None or frame.contrast == contrast]
        for members in slices
        for contrast in contrasts or (None,)
    ]
    counts = {len(place) for place in places}
    if len(counts) > 1:
        fewest = min(range(len(places)), key=lambda i: len(places[i]))
        raise ScanError(
            f"{where}: slices were taken {min(counts)} to {max(counts)} times (fewest at "
            f"{places[fewest][0].position.tolist()}): files are missing, or two scans share this folder"
        )
    ordered = in_time(places, where)
    channels = len(contrasts or (None,))
    grid = [
        [[ordered[z * channels + c][t] for z in range(len(slices))] for c in range(channels)]
        for t in range(counts.pop())
    ]
    return Stack(
        grid, _geometry([volume[0] for volume in ordered[::channels]], offsets, where), repetition_time(ordered[0]),
        _channel_names(contrasts),
    )  # fmt: skip


def _refuse_mixtures(frames: Sequence[Frame], where: str) -> None:
    first = frames[0]
    for frame in frames:
        for field, same in (
            ("size", (frame.rows, frame.columns) == (first.rows, first.columns)),
            ("ImageOrientationPatient", np.abs(frame.orientation - first.orientation).max() < 1e-3),
            ("PixelSpacing", np.allclose(frame.spacing[:2], first.spacing[:2], rtol=1e-3)),
        ):
            if not same:
                raise ScanError(
                    f"{where}: {first.file.name} and {frame.file.name} differ in {field}, so they are no stack of "
                    "slices (a localiser?): read one file at a time"
                )


def _slices(frames: Sequence[Frame]) -> tuple[list[list[Frame]], NDArray[np.float64]]:
    """Return the frames of each slice, along the normal, and the slices' distances along it, mm."""
    normal = frames[0].normal
    distances = np.array([frame.position @ normal for frame in frames])
    order = np.argsort(distances, kind="stable")
    gaps = np.diff(distances[order])
    same = max(SMALLEST_STEP, min(SAME_PLACE * frames[0].spacing[2], LARGEST_JITTER))
    groups: list[list[int]] = [[int(order[0])]]
    for gap, index in zip(gaps, order[1:], strict=True):
        if gap > same:
            groups.append([])
        groups[-1].append(int(index))
    return [[frames[i] for i in group] for group in groups], np.array([distances[g].mean() for g in groups])


def _contrasts(slices: Sequence[Sequence[Frame]], where: str) -> list[tuple[str, float | None]] | None:
    """Return the contrasts if there are several and every slice has each equally often, else None.

    Raises
    ------
    ScanError : echoes, or magnitude and phase, are there in other numbers: they are no volumes of one course.
    """
    counts: dict[tuple[str, float | None], set[int]] = defaultdict(set)
    kinds = list(dict.fromkeys(frame.contrast for members in slices for frame in members))
    for members in slices:
        for kind in kinds:
            counts[kind].add(sum(frame.contrast == kind for frame in members))
    sizes = set().union(*counts.values())
    if len(kinds) < 2:
        return None
    if len(sizes) != 1 or 0 in sizes:
        differ = {(frozenset(kind.split()) & set(COMPONENTS), echo) for kind, echo in kinds}
        if len(differ) > 1 and all(len(each) == 1 for each in counts.values()):
            kinds.sort(key=lambda kind: (kind[1] or 0.0, kind[0]))
            times = [
                f"{name} {next(iter(counts[kind]))} times"
                for name, kind in zip(_channel_names(kinds), kinds, strict=True)
            ]
            raise ScanError(
                f"{where}: every slice has {', '.join(times)}, so they are neither channels of one scan nor volumes of one "
                "course: files are missing, or several scans share this folder"
            )
        return None
    first_instance = {kind: min(f.instance or 0 for f in slices[0] if f.contrast == kind) for kind in kinds}
    return sorted(kinds, key=lambda kind: first_instance[kind])


def _channel_names(contrasts: Sequence[tuple[str, float | None]] | None) -> tuple[str, ...]:
    """Return names made of what differs: 'magnitude' and 'phase', 'echo_12ms' and 'echo_28ms', or both."""
    if contrasts is None:
        return ("channel0",)
    words = [kind.split() for kind, _ in contrasts]
    shared = set(words[0]).intersection(*words)
    echoes = {echo for _, echo in contrasts}
    names = []
    for own, (_, echo) in zip(words, contrasts, strict=True):
        parts = [COMPONENTS.get(word, word.lower()) for word in own if word not in shared]
        if echo is not None and len(echoes) > 1 and (echo > 0 or not parts):
            parts.append(f"echo_{echo:g}ms")
        names.append("_".join(parts) or "channel")
    if len(set(names)) < len(names):
        names = [f"{name}{i}" for i, name in enumerate(names)]
    return tuple(names)


def _geometry(first_volume: Sequence[Frame], offsets: NDArray[np.float64], where: str) -> Geometry:
    """Return the RAS+ grid of slices given in order."""
    first, last, count = first_volume[0], first_volume[-1], len(first_volume)
    step = first.normal * first.spacing[2]
    if count > 1:
        step = (last.position - first.position) / (count - 1)
        distance = float(np.linalg.norm(step))
        ideal = np.array([first.position + k * step for k in range(count)])
        deviation = np.linalg.norm(np.array([frame.position for frame in first_volume]) - ideal, axis=1)
        if deviation.max() > UNEVEN * distance:
            gaps = np.diff(offsets)
            widest = int(np.argmax(np.abs(gaps - np.median(gaps))))
            raise ScanError(
                f"{where}: slices are not evenly spaced ({gaps[widest]:.3f} mm between slices {widest + 1} and "
                f"{widest + 2}, {np.median(gaps):.3f} mm elsewhere): files are missing, or this is no stack"
            )
    affine = np.eye(4)
    affine[:3, 0] = first.orientation[0] * first.spacing[0]
    affine[:3, 1] = first.orientation[1] * first.spacing[1]
    affine[:3, 2] = step
    affine[:3, 3] = first.position
    try:
        return Geometry((first.columns, first.rows, count), LPS_TO_RAS @ affine)
    except GeometryError as error:
        raise ScanError(f"{where}: ImagePositionPatient and ImageOrientationPatient: {error}") from error
