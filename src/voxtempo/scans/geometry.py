"""Where voxels lie in the world: a small value object from which everything else is derived.

World coordinates are RAS+ in millimetres (x to the right, y to the front, z up), the convention of NIfTI.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxtempo.errors import GeometryError
from voxtempo.scans.orientation import axis_codes, orientation_change

Affine = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Geometry:
    """A grid of voxels in space.

    Parameters
    ----------
    shape : number of voxels along (x, y, z), each at least 1.
    affine : (4, 4) matrix from voxel index to world millimetres (RAS+).

    Raises
    ------
    GeometryError : the shape is not three positive numbers, or the affine is not finite and invertible.

    Examples
    --------
    >>> import numpy as np
    >>> g = Geometry((10, 20, 30), np.diag([2.0, 2.0, 3.0, 1.0]))
    >>> g.spacing
    (2.0, 2.0, 3.0)
    >>> g.orientation
    'RAS'
    """

    shape: tuple[int, int, int]
    affine: Affine

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.shape)
        if len(shape) != 3 or min(shape) < 1:
            raise GeometryError(f"a grid needs three positive sizes, found {shape}")
        affine = np.array(self.affine, dtype=np.float64)
        if affine.shape != (4, 4):
            raise GeometryError(f"an affine is 4 x 4, found {affine.shape}")
        if not np.isfinite(affine).all():
            raise GeometryError("the affine holds values that are not finite")
        columns = np.linalg.norm(affine[:3, :3], axis=0)
        if columns.min() <= 0 or abs(np.linalg.det(affine[:3, :3] / np.where(columns > 0, columns, 1))) < 1e-6:
            raise GeometryError("the affine is singular: its axes do not span space")
        affine[3] = (0.0, 0.0, 0.0, 1.0)
        affine.setflags(write=False)
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "affine", affine)

    @classmethod
    def from_spacing(
        cls, shape: Sequence[int], spacing: Sequence[float] = (1.0, 1.0, 1.0), origin: Sequence[float] = (0.0, 0.0, 0.0)
    ) -> Geometry:
        """Return an axis-aligned RAS+ grid with ``spacing`` and ``origin`` in mm."""
        affine = np.diag([*map(float, spacing), 1.0])
        affine[:3, 3] = origin
        return cls((int(shape[0]), int(shape[1]), int(shape[2])), affine)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance between voxel centres along each axis, mm."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)

    @property
    def origin(self) -> tuple[float, float, float]:
        """World position of the centre of voxel (0, 0, 0), mm."""
        x, y, z = self.affine[:3, 3]
        return float(x), float(y), float(z)

    @property
    def orientation(self) -> str:
        """Where each voxel axis points, as letters: 'RAS', 'LPS', 'PSR' ..."""
        return axis_codes(self.affine)

    @property
    def extent(self) -> tuple[float, float, float]:
        """Physical size of the grid along its own axes, mm (voxel edges included)."""
        x, y, z = (n * s for n, s in zip(self.shape, self.spacing, strict=True))
        return x, y, z

    @property
    def diagonal(self) -> float:
        """Length of the grid's diagonal, mm: the worst distance any surface metric can give."""
        return float(np.linalg.norm(self.extent))

    @property
    def voxel_volume(self) -> float:
        """Volume of one voxel, mm^3."""
        return float(abs(np.linalg.det(self.affine[:3, :3])))

    @property
    def bounding_box(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lowest and highest world coordinates of the grid's voxel centres, mm: two arrays of (3,)."""
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape], indexing="ij")).reshape(3, -1).T
        world = self.to_world(corners)
        return world.min(axis=0), world.max(axis=0)

    def to_world(self, voxels: ArrayLike) -> NDArray[np.float64]:
        """Return world positions (n, 3) in mm of voxel indices (n, 3)."""
        return np.asarray(voxels, dtype=np.float64) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def to_voxels(self, world: ArrayLike) -> NDArray[np.float64]:
        """Return fractional voxel indices (n, 3) of world positions (n, 3) in mm."""
        return (np.asarray(world, dtype=np.float64) - self.affine[:3, 3]) @ np.linalg.inv(self.affine[:3, :3]).T

    def mapping_to(self, other: Geometry) -> Affine:
        """Return the (4, 4) matrix from this grid's voxel indices to those of ``other``."""
        return np.linalg.inv(other.affine) @ self.affine

    def shifted(self, start: Sequence[int], shape: Sequence[int]) -> Geometry:
        """Return the grid of ``shape`` whose voxel (0, 0, 0) is this grid's voxel ``start`` (crop, or pad if negative).

        >>> Geometry.from_spacing((10, 10, 10), (2, 2, 2)).shifted((1, 0, -1), (4, 10, 12)).origin
        (2.0, 0.0, -2.0)
        """
        affine = self.affine.copy()
        affine[:3, 3] = self.to_world([start])[0]
        return Geometry((int(shape[0]), int(shape[1]), int(shape[2])), affine)

    def reoriented(self, codes: str) -> Geometry:
        """Return the same voxels seen with axes that point to ``codes`` (a permutation and flips, no interpolation)."""
        change = orientation_change(self.orientation, codes)
        shape = [0, 0, 0]
        for axis, (target, _) in enumerate(change.astype(int)):
            shape[target] = self.shape[axis]
        affine = self.affine @ nib.orientations.inv_ornt_aff(change, self.shape)
        return Geometry((shape[0], shape[1], shape[2]), affine)

    def resampled(self, spacing: Sequence[float]) -> Geometry:
        """Return a grid over the same box with voxels of ``spacing`` mm; the box's centre is kept exactly."""
        shape = tuple(
            max(1, round(e / s)) if n > 1 else 1 for e, s, n in zip(self.extent, spacing, self.shape, strict=True)
        )
        wanted = [s if n > 1 else own for s, n, own in zip(spacing, self.shape, self.spacing, strict=True)]
        return self._regridded(shape, np.asarray(wanted) / np.asarray(self.spacing))

    def resized(self, shape: Sequence[int]) -> Geometry:
        """Return a grid of ``shape`` voxels over exactly the same box (spacing follows)."""
        return self._regridded(tuple(shape), np.asarray(self.shape, dtype=np.float64) / np.asarray(shape))

    def _regridded(self, shape: Sequence[int], zoom: NDArray[np.float64]) -> Geometry:
        affine = self.affine.copy()
        affine[:3, :3] = affine[:3, :3] * zoom
        centre = (np.asarray(self.shape, dtype=np.float64) - 1) / 2
        new_centre = (np.asarray(shape, dtype=np.float64) - 1) / 2
        affine[:3, 3] = self.to_world([centre])[0] - affine[:3, :3] @ new_centre
        return Geometry((int(shape[0]), int(shape[1]), int(shape[2])), affine)

    def matches(self, other: Geometry, tolerance: float = 1e-3) -> bool:
        """Return whether both grids have one shape and every corner lies within ``tolerance`` mm."""
        if self.shape != other.shape:
            return False
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape], indexing="ij")).reshape(3, -1).T
        return bool(np.abs(self.to_world(corners) - other.to_world(corners)).max() <= tolerance)

    def as_json(self) -> dict[str, list[int] | list[list[float]]]:
        """Return plain lists for a JSON file."""
        return {"shape": list(self.shape), "affine": self.affine.tolist()}

    @classmethod
    def from_json(cls, record: dict[str, list[int] | list[list[float]]]) -> Geometry:
        """Return the geometry that ``as_json`` wrote."""
        return cls(tuple(record["shape"]), np.array(record["affine"]))  # type: ignore[arg-type]
