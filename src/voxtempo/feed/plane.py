"""Samples of one slice: the axis across is turned to z, and the slices beside become channels (2.5D)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from voxtempo.feed.source import Voxels, read_box

T = TypeVar("T")


@dataclass(frozen=True)
class Plane:
    """How slices lie in a scan.

    Parameters
    ----------
    axis : of the scan (0, 1, 2) that a sample is one slice across; it becomes the sample's z.
    beside : slices shown on each side. Beyond the scan's border the border slice stands again.
    """

    axis: int
    beside: int = 0

    def turned(self, values: Sequence[T]) -> tuple[T, T, T]:
        """Return what belongs to the axes x, y, z of the scan in the order of the sample's axes.

        >>> Plane(0).turned((6.0, 1.0, 2.0)), Plane(0).turned_back((1.0, 2.0, 6.0))
        ((1.0, 2.0, 6.0), (6.0, 1.0, 2.0))
        """
        first, second = (value for axis, value in enumerate(values) if axis != self.axis)
        return first, second, values[self.axis]

    def turned_back(self, values: Sequence[T]) -> tuple[T, T, T]:
        """Return what belongs to the sample's axes in the order of the scan's."""
        back = [values[0], values[1]]
        back.insert(self.axis, values[2])
        return back[0], back[1], back[2]

    def to_slice(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return an array (x, y, z, ...) of the scan with the axes of the sample."""
        return np.ascontiguousarray(np.moveaxis(array, self.axis, 2))

    def to_scan(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return an array (a, b, 1, ...) of the sample with the axes of the scan."""
        return np.moveaxis(array, 2, self.axis)

    def read(self, voxels: Voxels, start: Sequence[int], size: Sequence[int]) -> NDArray[np.float32]:
        """Return a slice of a volume and those beside it, one after another as if they were volumes.

        So whatever changes the sample at random moves all of them alike, and measures a channel over all of them.

        Parameters
        ----------
        voxels : (1, x, y, z, c).
        start, size : box in the scan, of one voxel along ``axis``; outside the scan is 0.

        Returns
        -------
        (2 * beside + 1, a, b, 1, c), in the order of the scan's axis.
        """
        last = voxels.shape[1 + self.axis] - 1
        wanted = np.clip(np.arange(-self.beside, self.beside + 1) + start[self.axis], 0, last)
        low, high = int(wanted[0]), int(wanted[-1])
        corner, length = list(start), list(size)
        corner[self.axis], length[self.axis] = low, high + 1 - low
        box = read_box(voxels, (0,), corner, length)[0]
        return np.ascontiguousarray(np.moveaxis(box, self.axis, 0)[wanted - low, :, :, None])

    def as_channels(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the slices (n, a, b, 1, c) as channels (1, a, b, 1, n * c): for each slice, its channels."""
        if len(image) == 1:
            return image
        return np.moveaxis(image, 0, 3).reshape(1, *image.shape[1:3], 1, -1)
