"""Which voxels belong to which region of the brain: a label map of regions, or spheres about points."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxtempo.cohort.table import number_in, read_table
from voxtempo.errors import StudyError, did_you_mean
from voxtempo.prepare.regrid import regrid
from voxtempo.prepare.step_files import file_stamp
from voxtempo.scans import Geometry, Scan, read_scan

BUILT_IN = {
    "power_2011": "fetch_coords_power_2011",
    "dosenbach_2010": "fetch_coords_dosenbach_2010",
    "seitzman_2018": "fetch_coords_seitzman_2018",
}
TABLES = (".csv", ".tsv")
ON_THE_EDGE = 1e-6  # mm; a voxel this close to a sphere's surface is inside, however its position was rounded

Members = list[NDArray[np.intp]]
"""For each region, the flat indices of its voxels in an array (x, y, z)."""


@dataclass(frozen=True, eq=False)
class Parcellation(ABC):
    """Regions in the world.

    Parameters
    ----------
    names : of the regions, in order.
    centres : (regions, 3), RAS+ mm.
    source : what it was made from, for messages.
    """

    names: tuple[str, ...]
    centres: NDArray[np.float64]
    source: str

    @abstractmethod
    def members(self, geometry: Geometry) -> Members:
        """Return which voxels of a grid belong to each region; a region may have none."""


@dataclass(frozen=True, eq=False)
class LabelMap(Parcellation):
    """Regions that are the values above 0 of a label map, ``values`` in ascending order."""

    labels: Scan
    values: NDArray[np.int64]

    def members(self, geometry: Geometry) -> Members:
        """Return the voxels whose centre lies in a voxel of the label map with the region's value."""
        seen = regrid(self.labels, geometry).volume().ravel()
        inside = np.flatnonzero(seen > 0)
        inside = inside[np.argsort(seen[inside], kind="stable")]
        return np.split(inside, np.searchsorted(seen[inside], self.values[1:]))


@dataclass(frozen=True, eq=False)
class Spheres(Parcellation):
    """Regions that are balls of ``radius`` mm about their centres. Balls may share voxels."""

    radius: float

    def members(self, geometry: Geometry) -> Members:
        """Return the voxels whose centre lies in the ball, and the one that holds the ball's centre."""
        reach = np.linalg.norm(np.linalg.inv(geometry.affine[:3, :3]), axis=1) * self.radius
        shape = np.asarray(geometry.shape)
        found = []
        for centre, place in zip(self.centres, geometry.to_voxels(self.centres), strict=True):
            low = np.maximum(np.floor(place - reach).astype(int), 0)
            high = np.minimum(np.ceil(place + reach).astype(int) + 1, shape)
            voxels = np.indices(np.maximum(high - low, 0)).reshape(3, -1).T + low
            distance = np.linalg.norm(geometry.to_world(voxels) - centre, axis=1)
            inside = voxels[distance <= self.radius + ON_THE_EDGE]
            nearest = np.rint(place).astype(int)
            if ((nearest >= 0) & (nearest < shape)).all():
                inside = np.concatenate([inside, nearest[None]])
            found.append(np.unique(np.ravel_multi_index(tuple(inside.T), geometry.shape)))
        return found


def label_map(atlas: str, names: str | None = None) -> LabelMap:
    """Return the regions of a label map's file, read once for as long as it does not change.

    Parameters
    ----------
    atlas : file of one volume of whole numbers; 0 is no region.
    names : table with the columns 'index' (value) and 'name', as BIDS writes beside a label map; None calls regions by
        their value.

    Raises
    ------
    ScanError : no such file, or no label map.
    StudyError : it has no regions or several volumes, or the table does not name them all.
    """
    path, table = Path(atlas).resolve(), None if names is None else Path(names).resolve()
    return _label_map(path, file_stamp(path), table, "" if table is None else file_stamp(table))


def spheres(coordinates: str, radius: float) -> Spheres:
    """Return balls about the points of a published set, or of a table with the columns x, y, z (mm) and perhaps 'name'.

    Raises
    ------
    StudyError : the set is unknown, or the table lacks a column or a number.
    """
    if coordinates.lower().endswith(TABLES):
        path = Path(coordinates).resolve()
        names, centres = _points_in_table(path)
        return Spheres(names, centres, str(path), radius)
    if coordinates not in BUILT_IN:
        raise StudyError(
            f"option 'coordinates' is '{coordinates}', expected a published set or a table (.csv, .tsv) with the columns x, y, "
            f"z in mm. {did_you_mean(coordinates, BUILT_IN)}"
        )
    names, centres = _points_built_in(coordinates)
    return Spheres(names, centres, coordinates, radius)


@lru_cache(maxsize=4)
def _label_map(path: Path, _: str, names: Path | None, __: str) -> LabelMap:
    labels = read_scan(path, kind="label")
    if labels.volumes != 1 or len(labels.channels) != 1:
        raise StudyError(
            f"{path}: a label map of regions is one volume with one value a voxel, found {labels.volumes} volumes and "
            f"{len(labels.channels)} channels. Take the most probable region of each voxel of a probabilistic atlas."
        )
    volume = labels.volume()
    values, counts = np.unique(volume[volume != 0], return_counts=True)
    if not values.size or values[0] < 0:
        found = "only zeros" if not values.size else f"the value {values[0]}"
        raise StudyError(f"{path}: regions are values above 0 of a label map and 0 is no region, found {found}.")
    voxels = np.nonzero(volume)
    place = np.searchsorted(values, volume[voxels])
    middle = np.stack([np.bincount(place, axis, len(values)) / counts for axis in voxels], axis=1)
    called = _names_in_table(names, values) if names is not None else tuple(map(str, values))
    return LabelMap(called, labels.geometry.to_world(middle), str(path), labels, values.astype(np.int64))


def _names_in_table(path: Path, values: NDArray[Any]) -> tuple[str, ...]:
    table = read_table(path)
    for column in ("index", "name"):
        table.require(column, "names")
    known = {number_in(row.values["index"]): row.values["name"] for row in table.rows}
    lost = [int(value) for value in values if float(value) not in known]
    if lost:
        raise StudyError(f"{path}: names no region of value {lost[0]} (and {len(lost) - 1} more that the atlas has).")
    return tuple(known[float(value)] for value in values)


def _points_in_table(path: Path) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    table = read_table(path)
    for column in "xyz":
        table.require(column, "coordinates")
    points = []
    for row in table.rows:
        point = [number_in(row.values[axis]) for axis in "xyz"]
        if None in point:
            raise StudyError(f"{path}, line {row.line}: x, y and z are numbers in mm, found {row.values}.")
        points.append(point)
    named = "name" in table.columns
    names = tuple(row.values["name"] if named else str(i) for i, row in enumerate(table.rows, start=1))
    return names, np.array(points, np.float64)


@lru_cache
def _points_built_in(name: str) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Return a set of points that lies in nilearn's package, so nothing is downloaded."""
    atlas = importlib.import_module("nilearn.datasets")  # takes a second, and few studies need it
    bunch = getattr(atlas, BUILT_IN[name])()
    centres = np.stack([np.asarray(bunch["rois"][axis], np.float64) for axis in "xyz"], axis=1)
    if "regions" in bunch:
        texts = [f"{network} {region}" for network, region in zip(bunch["networks"], bunch["regions"], strict=True)]
    else:
        texts = [str(label) for label in bunch.get("labels", [""] * len(centres))]
    return tuple(f"{number} {text}".strip() for number, text in enumerate(texts, start=1)), centres
