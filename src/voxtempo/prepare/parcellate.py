"""From voxels to regions: one time series for each region of an atlas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from voxtempo.cohort.problem import few
from voxtempo.errors import GeometryError, StudyError
from voxtempo.prepare.options import Positive
from voxtempo.prepare.parcellation import TABLES, Members, Parcellation, label_map, spheres
from voxtempo.prepare.step import Decision, Step, step
from voxtempo.prepare.step_files import file_hash
from voxtempo.scans import Geometry, Scan

BLOCK = 8_000_000  # values (64 MB in double precision) looked at together


@step("parcellate")
@dataclass(frozen=True)
class Parcellate(Step):
    """Turn a series of volumes into the series of regions: the mean of each region's voxels, volume by volume.

    The result is (t, regions, 1, 1, channels): the regions, in the atlas's order, stand along x. That grid is not space:
    its millimetres mean nothing, neighbours along x need not be neighbours in the brain, and nothing leads back from it,
    so label maps cannot follow (no segmentation after this step). Networks for it are 'st_gcn' and 'brainnet_cnn'.

    Regions come from a label map (``atlas``) or are balls about points (``coordinates``), in the world of the scan: scan
    and atlas must be in one space (most atlases are in MNI space, so the scan must be normalised to it). A region of the
    atlas without a voxel in the scan is refused, which finds what does not overlap, not what is merely misaligned.

    Parameters
    ----------
    atlas : file of a label map whose values above 0 are the regions, on any grid. A voxel belongs to the region of the
        atlas's voxel in which its centre lies.
    names : table with the columns 'index' and 'name', which names the label map's values.
    coordinates : 'power_2011' (264 points), 'dosenbach_2010' (160) or 'seitzman_2018' (300), all in MNI space, or a table
        (.csv, .tsv) with the columns x, y, z in mm (RAS+) and perhaps 'name'.
    radius : of the balls about the coordinates, mm; a ball always has the voxel that holds its centre, and balls may share
        voxels.
    summary : 'mean' of a region's voxels, or their 'median', which a few bright vessels do not move.
    missing : 'refuse' a scan in which a region has no voxel, or give such a region the value 'zero'.

    References
    ----------
    Power et al. 2011, "Functional network organization of the human brain", Neuron 72(4); Dosenbach et al. 2010,
    "Prediction of individual brain maturity using fMRI", Science 329(5997); Seitzman et al. 2020, "A set of
    functionally-defined brain regions with improved representation of the subcortex and cerebellum", NeuroImage 206.
    """

    main = "atlas"
    geometric = True
    costly = True

    atlas: str | None = None
    names: str | None = None
    coordinates: str | None = None
    radius: Positive = 5.0
    summary: Literal["mean", "median"] = "mean"
    missing: Literal["refuse", "zero"] = "refuse"

    def __post_init__(self) -> None:
        if (self.atlas is None) == (self.coordinates is None):
            raise ValueError("either 'atlas' (file of a label map) or 'coordinates' (balls about points)")
        if self.names is not None and self.atlas is None:
            raise ValueError("'atlas' beside 'names'; the names of points are a column of their own table")

    @property
    def regions(self) -> Parcellation:
        """The atlas, read when it is first asked for."""
        if self.atlas is not None:
            return label_map(self.atlas, self.names)
        assert self.coordinates is not None
        return spheres(self.coordinates, self.radius)

    def files(self) -> tuple[str, ...]:
        """Return the atlas, the table of names or the table of points."""
        return tuple(getattr(self, option) for option in self._named())

    def identity(self) -> dict[str, Any]:
        """Return the options with the content of files in the place of their paths."""
        return {**vars(self), **{option: file_hash(getattr(self, option)) for option in self._named()}}

    def _named(self) -> list[str]:
        """Return which options name files."""
        table = (self.coordinates or "").lower().endswith(TABLES)
        named = {"atlas": self.atlas, "names": self.names, "coordinates": self.coordinates if table else None}
        return [option for option, path in named.items() if path is not None]

    def foresee(self, geometry: Geometry) -> Geometry:
        """Return the grid of regions, which does not depend on the scan's."""
        return Geometry.from_spacing((len(self.regions.names), 1, 1))

    def decide(self, scan: Scan) -> Decision:
        """Return the regions' names, their numbers of voxels in this scan and their centres (mm, in the atlas)."""
        regions = self.regions
        voxels = [len(inside) for inside in regions.members(scan.geometry)]
        lost = [name for name, count in zip(regions.names, voxels, strict=True) if not count]
        if lost and self.missing == "refuse":
            raise GeometryError(_no_overlap(scan, regions, lost))
        return {"regions": list(regions.names), "voxels": voxels, "centres": regions.centres.round(3).tolist()}

    def apply(self, scan: Scan, decision: Decision) -> Scan:
        """Return the regions' series (float32), in the order of the decision."""
        if scan.kind == "label":
            raise StudyError(
                f"{scan.source or 'a label map'}: a label map of voxels cannot follow into regions. Remove 'parcellate' "
                "from 'prepare' to segment, or classify or regress instead."
            )
        data = summarise(scan.data, self.regions.members(scan.geometry), self.summary)
        return scan.with_data(data, self.foresee(scan.geometry))


def summarise(data: NDArray[Any], members: Members, summary: Literal["mean", "median"]) -> NDArray[np.float32]:
    """Return (t, regions, 1, 1, c) from (t, x, y, z, c): the mean or the median of each region, 0 for empty ones.

    Volumes are looked at in blocks, in double precision.

    >>> volume = np.arange(8.0).reshape(1, 2, 2, 2, 1)
    >>> summarise(volume, [np.array([0, 1, 5]), np.array([], int)], "mean").ravel().tolist()
    [2.0, 0.0]
    """
    volumes, channels = data.shape[0], data.shape[4]
    result = np.zeros((volumes, len(members), channels), np.float32)
    filled = [place for place, inside in enumerate(members) if len(inside)]
    if filled:
        taken = np.concatenate([members[place] for place in filled])
        counts = np.array([len(members[place]) for place in filled])
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        length = max(1, BLOCK // max(taken.size * channels, data[0].size))
        for begin in range(0, volumes, length):
            block = data[begin : begin + length]
            values = block.reshape(len(block), -1, channels)[:, taken].astype(np.float64)
            result[begin : begin + length, filled] = _reduced(values, starts, counts, summary)
    return result[:, :, None, None]


def _reduced(
    values: NDArray[np.float64], starts: NDArray[Any], counts: NDArray[Any], summary: Literal["mean", "median"]
) -> NDArray[np.float64]:
    """Return (t, regions, c) from the voxels of all regions one after another, (t, voxels, c)."""
    if summary == "mean":
        sums: NDArray[np.float64] = np.add.reduceat(values, starts, axis=1)
        return sums / counts[:, None]
    return np.stack([np.median(part, axis=1) for part in np.split(values, starts[1:], axis=1)], axis=1)


def _no_overlap(scan: Scan, regions: Parcellation, lost: Sequence[str]) -> str:
    """Return in words which regions have no voxel, where scan and atlas lie, and the ways out."""
    corner, opposite = scan.geometry.bounding_box
    low, high = regions.centres.min(axis=0), regions.centres.max(axis=0)
    return (
        f"{len(lost)} of {len(regions.names)} regions of {regions.source} have no voxel in {scan.source or 'the scan'} "
        f"({few(list(lost))}). The scan's voxels lie between {_mm(corner)} and {_mm(opposite)} mm, the regions' centres "
        f"between {_mm(low)} and {_mm(high)} mm. Bring scan and atlas into one space, use larger regions than the scan's "
        f"voxels, or give regions that the scan does not cover the value 0 with 'missing: zero'."
    )


def _mm(point: NDArray[np.float64]) -> str:
    return "(" + ", ".join(f"{value:.0f}" for value in point) + ")"
