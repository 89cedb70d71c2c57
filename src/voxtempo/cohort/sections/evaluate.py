"""The part of a study file that says how the result is judged."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from voxtempo.cohort.sections.base import NamedItem, Section


class Evaluate(Section):
    """How the result is judged."""

    by: Literal["case", "subject"] = Field(default="case", description="unit of the headline figures")
    windows: Literal["mean", "vote", "attention"] = Field(
        default="mean",
        description="how the answers of a series' (or event's) windows become one: the mean probability or value, the vote "
        "of most windows (classify), or weights that a small network learns on the training cases",
    )
    intervals: int = Field(default=2000, ge=100, description="bootstrap resamples of subjects")
    subgroups: list[str] = Field(default_factory=list, description="columns to report separately")
    overlap: float = Field(default=0.5, ge=0, lt=1, description="overlap of patches when a whole scan is predicted")
    tolerance: Annotated[float, Field(gt=0)] | dict[str, Annotated[float, Field(gt=0)]] | None = Field(
        default=None,
        description="mm by which a surface may be off for the surface Dice, one for all labels and regions or by name "
        "(default: 1 mm, or the shortest side of a larger voxel)",
    )
    mirror: Literal["none", "auto", "always"] | None = Field(
        default=None,
        description="whether the network also sees each sample in the mirror (left and right exchanged) and the answers are "
        "averaged; auto: if that proves itself on the validation cases (planned: auto for label maps, else none)",
    )
    postprocess: Literal["none", "auto"] | list[NamedItem] = Field(
        default="none",
        description="what is done to predicted label maps: operations in order, or auto: those that prove themselves on the "
        "validation cases",
    )
