"""What a scan file says of itself, before a single voxel is read."""

from __future__ import annotations

from dataclasses import dataclass

from voxtempo.scans.geometry import Geometry


@dataclass(frozen=True, eq=False)
class Header:
    """The cheap part of a scan.

    Parameters
    ----------
    geometry : the grid of (x, y, z), mm.
    volumes : number of time points, at least 1.
    channels : number of channels, at least 1.
    repetition_time : seconds between volumes, None if unknown or static.
    dtype : name of the type the voxels are stored in, before any scale is applied ("int16", "float32" ...).
    source : the file or folder, for messages.
    """

    geometry: Geometry
    volumes: int
    channels: int
    repetition_time: float | None
    dtype: str
    source: str

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """The shape (t, x, y, z, c) of the scan that the file holds."""
        return (self.volumes, *self.geometry.shape, self.channels)
