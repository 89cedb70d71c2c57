"""Whether scans can be compared voxel with voxel."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from voxtempo.errors import CohortError
from voxtempo.scans import Geometry
from voxtempo.wording import by


def refuse_several_grids(geometries: Mapping[str, Geometry]) -> None:
    """Raise a ``CohortError`` unless all scans have one shape, one voxel size and one orientation.

    Parameters
    ----------
    geometries : by case. Where the grids begin may differ: unregistered heads do.
    """
    first_id, first = next(iter(geometries.items()))
    for case_id, geometry in geometries.items():
        same = geometry.shape == first.shape and geometry.orientation == first.orientation
        if not same or not np.allclose(geometry.spacing, first.spacing, rtol=1e-3):
            raise CohortError(
                f"harmonise.combat compares voxel with voxel, so all prepared scans need one grid, but {case_id} has "
                f"{_grid(geometry)} and {first_id} {_grid(first)}. End 'prepare' with 'resample' and 'crop_pad' (scans "
                "registered to one space are best), or use 'histogram', which needs no common grid."
            )


def _grid(geometry: Geometry) -> str:
    return f"{by(geometry.shape)} voxels of {by([round(n, 3) for n in geometry.spacing])} mm ({geometry.orientation})"
