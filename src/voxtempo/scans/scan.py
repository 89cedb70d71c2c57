"""The scan: an array that always has five axes, and where it lies in space and time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from voxtempo.errors import GeometryError
from voxtempo.scans.geometry import Geometry
from voxtempo.scans.room import room

Kind = Literal["intensity", "label"]


@dataclass(frozen=True, eq=False)
class Scan:
    """One image, volume or series of volumes.

    Parameters
    ----------
    data : array (t, x, y, z, c). A volume has t = 1, a slice has z = 1, one contrast has c = 1.
    geometry : the grid of (x, y, z).
    repetition_time : seconds between volumes; None where time stands still (t = 1 only) or is unknown.
    kind : "intensity" may be interpolated, "label" never.
    channels : a name for each of the c channels.
    source : where it came from, for messages.
    confounds : name -> (t,) array, one value a volume: what is known of its motion, physiology and noise, under fMRIPrep's
        names (trans_x in mm, rot_x in radians, framewise_displacement in mm, ...). NaN where a value is not defined.
    slice_times : seconds from the start of a volume to the acquisition of each slice along z; empty if unknown, and
        after a step that has moved voxels.

    Raises
    ------
    GeometryError : the array has not five axes, its spatial shape is not the geometry's, or confounds or slice times
        are not as many as volumes or slices.
    """

    data: NDArray[Any]
    geometry: Geometry
    repetition_time: float | None = None
    kind: Kind = "intensity"
    channels: tuple[str, ...] = field(default=())
    source: str = ""
    confounds: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    slice_times: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        where = f"{self.source}: " if self.source else ""
        if self.data.ndim != 5:
            raise GeometryError(f"{where}a scan is (t, x, y, z, c), found an array of shape {self.data.shape}")
        if tuple(self.data.shape[1:4]) != self.geometry.shape:
            raise GeometryError(
                f"{where}the array's space is {tuple(self.data.shape[1:4])} but the geometry's is {self.geometry.shape}"
            )
        if self.repetition_time is not None and not self.repetition_time > 0:
            raise GeometryError(f"{where}repetition time must be above 0 s, found {self.repetition_time}")
        if not self.channels:
            object.__setattr__(self, "channels", tuple(f"channel{i}" for i in range(self.data.shape[4])))
        if len(self.channels) != self.data.shape[4]:
            raise GeometryError(f"{where}{self.data.shape[4]} channels but {len(self.channels)} names {self.channels}")
        short = [name for name, course in self.confounds.items() if np.shape(course) != (self.data.shape[0],)]
        if short:
            raise GeometryError(
                f"{where}confound '{short[0]}' has shape {np.shape(self.confounds[short[0]])}, expected one value for "
                f"each of {self.data.shape[0]} volumes"
            )
        if self.slice_times and len(self.slice_times) != self.data.shape[3]:
            raise GeometryError(f"{where}{len(self.slice_times)} slice times for {self.data.shape[3]} slices")
        if self.kind == "label" and not np.issubdtype(self.data.dtype, np.integer):
            raise GeometryError(f"{where}a label map holds whole numbers, found {self.data.dtype}")

    @property
    def volumes(self) -> int:
        """Number of time points."""
        return int(self.data.shape[0])

    @property
    def is_series(self) -> bool:
        """Whether there is more than one time point."""
        return self.volumes > 1

    @property
    def duration(self) -> float | None:
        """Length in seconds, or None without a repetition time."""
        return None if self.repetition_time is None else self.volumes * self.repetition_time

    def with_data(self, data: NDArray[Any], geometry: Geometry | None = None, **changes: Any) -> Scan:
        """Return a scan with other voxels and, if they moved, another geometry; the rest is kept.

        Slices of moved voxels were not acquired at one time each, so with a geometry the slice times go.
        """
        if geometry is not None:
            changes = {"slice_times": (), **changes}
        return replace(self, data=data, geometry=geometry or self.geometry, **changes)

    def volume(self, time: int = 0, channel: int = 0) -> NDArray[Any]:
        """Return the (x, y, z) array at one time point and channel (a view)."""
        return self.data[time, ..., channel]


def stack_channels(scans: Sequence[Scan]) -> Scan:
    """Return one scan whose channels are those of all ``scans``, which must share grid, time and kind.

    Raises
    ------
    GeometryError : the grids, numbers of volumes or kinds differ; the message names both files.
    """
    first = scans[0]
    for other in scans[1:]:
        if not first.geometry.matches(other.geometry, tolerance=1e-2):
            raise GeometryError(
                f"channels must share one grid: {first.source} is {first.geometry.shape} with spacing "
                f"{_mm(first)}, {other.source} is {other.geometry.shape} with spacing {_mm(other)}. "
                "Resample them to a common grid first."
            )
        if other.volumes != first.volumes or other.kind != first.kind:
            raise GeometryError(
                f"channels must share time and kind: {first.source} has {first.volumes} volumes ({first.kind}), "
                f"{other.source} has {other.volumes} ({other.kind})."
            )
    if len(scans) == 1:
        return first
    names = tuple(name for scan in scans for name in scan.channels)
    data = room((*first.data.shape[:4], len(names)), np.result_type(*(scan.data.dtype for scan in scans)))
    begin = 0
    for scan in scans:
        data[..., begin : begin + len(scan.channels)] = scan.data
        begin += len(scan.channels)
    return replace(first, data=data, channels=names)


def _mm(scan: Scan) -> str:
    return " x ".join(f"{s:.3g}" for s in scan.geometry.spacing) + " mm"
