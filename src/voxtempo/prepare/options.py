"""The kinds of options that steps share, as pydantic checks them when a study file is read."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from voxtempo.errors import GeometryError
from voxtempo.scans.orientation import orientation_change


def _three(value: Any) -> Any:
    return (value, value, value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _codes(value: str) -> str:
    try:
        orientation_change("RAS", value)
    except GeometryError as error:
        raise ValueError("one letter each of L/R, P/A and I/S, such as 'RAS'") from error
    return value.upper()


def _rising(value: tuple[float, float]) -> tuple[float, float]:
    if not value[0] < value[1]:
        raise ValueError("a first value below the second")
    return value


Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Voxels = Annotated[int, Field(ge=1)]

Spacing = Annotated[tuple[Positive, Positive, Positive], BeforeValidator(_three)]
"""mm along x, y, z; one number stands for all three."""

Shape = Annotated[tuple[Voxels, ...], Field(min_length=2, max_length=3)]
"""Voxels along x, y, z, or along x and y where z stays as it is."""

Orientation = Annotated[str, AfterValidator(_codes)]
"""One letter each of L/R, P/A and I/S: where the voxel axes point."""

Percent = Annotated[float, Field(ge=0, le=100)]
Percentiles = Annotated[tuple[Percent, Percent], AfterValidator(_rising)]
"""Two percentiles, 0 to 100, the first below the second."""
