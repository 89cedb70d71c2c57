"""The part of a study file that says what is to be learned."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from voxtempo.cohort.regions import written_labels
from voxtempo.cohort.sections.base import Section, Text


class Target(Section):
    """What is to be learned: a column of the table, a label map, or events in time."""

    column: str | None = Field(default=None, description="column of the table (or of the events file) with the truth")
    mask: str | None = Field(default=None, description="template of the label map's file")
    labels: dict[int, str] | None = Field(default=None, description="label value -> name; 0 is the background")
    others: Literal["refuse", "background"] = Field(
        default="refuse", description="what label values that 'labels' does not name are: an error, or background"
    )
    ignore: int | None = Field(
        default=None, ge=1, description="label value of voxels that count neither in the loss nor in the figures"
    )
    regions: dict[str, list[int]] | None = Field(
        default=None,
        min_length=1,
        description="name -> label values: what is learned instead of the labels, one yes or no a voxel and region, so that "
        "regions may overlap; the label map is written in this order, later regions over earlier ones",
    )
    events: str | None = Field(
        default=None, description="template of the events table (onset, duration, ...), or 'auto' in a BIDS cohort"
    )
    classes: list[Text] | None = Field(default=None, description="class names in order (default: sorted from the data)")
    shuffle: int | None = Field(
        default=None, description="seed: permute the truth over subjects, to see what chance looks like"
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Target:
        if self.mask is not None and (self.column is not None or self.events is not None):
            raise ValueError("give either 'mask' (segment) or 'column' (classify, regress), not both")
        if self.mask is None and self.column is None:
            raise ValueError("give 'column' (classify, regress) or 'mask' (segment)")
        if self.labels is not None and (0 in self.labels or min(self.labels, default=1) < 0):
            raise ValueError("'labels' names positive values; 0 is always the background")
        if self.labels is not None and len(set(self.labels.values())) != len(self.labels):
            raise ValueError("two labels share one name")
        if self.labels is not None and "mean" in self.labels.values():
            raise ValueError("no label can be called 'mean': results use that name for the average over labels")
        if self.mask is None and (self.ignore is not None or self.regions is not None):
            raise ValueError("'ignore' and 'regions' are about the values of a label map: they need 'mask'")
        if self.labels is not None and self.ignore in self.labels:
            raise ValueError(f"'ignore: {self.ignore}' is a value that 'labels' names ({self.labels[self.ignore]})")
        if self.regions is not None:
            self._check_regions(self.regions)
        return self

    def _check_regions(self, regions: dict[str, list[int]]) -> None:
        if self.labels is None:
            raise ValueError("'regions' are made of labels: name those with 'labels'")
        if "mean" in regions:
            raise ValueError("no region can be called 'mean': results use that name for the average over regions")
        held = {value for values in regions.values() for value in values}
        if unknown := sorted(held - set(self.labels)):
            raise ValueError(f"'regions' holds {unknown}, which 'labels' does not name")
        if left := sorted(set(self.labels) - held):
            raise ValueError(
                f"no region holds {left}, so the network could never find it: leave it out of 'labels' too"
            )
        for value, name in self.labels.items():
            if name in regions and set(regions[name]) != {value}:
                raise ValueError(f"'{name}' is a label and a region that holds others too: give one another name")
        written_labels(regions)
