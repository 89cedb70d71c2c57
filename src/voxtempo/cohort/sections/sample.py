"""The part of a study file that says what one training example is."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from voxtempo.cohort.sections.base import Section
from voxtempo.cohort.sections.window import Window

Kind = Literal["volume", "patch", "slices", "window", "dimensions"]
KINDS: tuple[Kind, ...] = ("volume", "patch", "slices", "window", "dimensions")
DIMENSIONS = ("2d", "2.5d", "3d")


class Slices(Section):
    """Samples are whole slices across one axis."""

    axis: Literal["x", "y", "z"] = Field(default="z", description="axis of the prepared scan the slices are across")
    neighbours: int = Field(
        default=0,
        ge=0,
        description="slices on each side that the network sees beside the one it answers for, as channels (2.5D); beyond the "
        "scan its first or last slice again",
    )


class Sample(Section):
    """What one training example is; exactly one kind. Planned from the data when left out."""

    volume: Literal["whole"] | None = Field(default=None, description="the whole volume, one shape for all")
    patch: tuple[int, int, int] | None = Field(
        default=None, description="voxels along x, y, z; exactly one 1 among them makes it a part of a slice (2D)"
    )
    neighbours: int | None = Field(
        default=None, ge=0, description="beside a patch of one slice: what it means in 'slices'"
    )
    slices: Slices | None = None
    window: Window | None = None
    dimensions: Literal["2d", "2.5d", "3d"] | None = Field(
        default=None, description="planned as such: the plan replaces it by a patch, slices or the whole volume"
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Sample:
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(KINDS)} (found {', '.join(given) or 'none'})")
        if self.patch is not None and min(self.patch) < 1:
            raise ValueError("a patch has positive sizes")
        if self.slices is not None and self.neighbours is not None:
            raise ValueError("the neighbours of slices are given inside 'slices'")
        if self.neighbours is not None and (self.patch is None or self.across is None):
            raise ValueError("'neighbours' goes with a patch of one slice, such as [160, 192, 1], or with 'slices'")
        return self

    @property
    def kind(self) -> Kind:
        """Which of the kinds this is."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def across(self) -> int | None:
        """The axis of the scan that a sample is one slice across (0, 1, 2), or None where it is none.

        >>> Sample(patch=(160, 1, 192)).across, Sample(slices=Slices(axis="x")).across, Sample(patch=(9, 1, 1)).across
        (1, 0, None)
        """
        if self.slices is not None:
            return "xyz".index(self.slices.axis)
        if self.patch is not None and self.patch.count(1) == 1:
            return self.patch.index(1)
        return None

    @property
    def beside(self) -> int:
        """How many slices on each side of its own a sample shows."""
        return self.slices.neighbours if self.slices is not None else self.neighbours or 0


def _sample(value: Any) -> Any:
    if value == "volume":
        return {"volume": "whole"}
    return {"dimensions": value} if value in DIMENSIONS else value


SampleItem = Annotated[Sample, BeforeValidator(_sample)]
