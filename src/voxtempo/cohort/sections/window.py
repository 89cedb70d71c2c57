"""The part of a study file that says which volumes of a series make a sample."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from voxtempo.cohort.sections.base import Section, Text


class Window(Section):
    """Samples are windows of time: some volumes of a series, in order."""

    length: int | None = Field(default=None, ge=1, description="volumes of a window (or give 'frames')")
    stride: int | None = Field(
        default=None, ge=1, description="volumes between neighbouring windows (default: those a window spans)"
    )
    dilation: int = Field(default=1, ge=1, description="volumes from one frame of a window to the next")
    draw: Literal["random", "tiled"] = Field(
        default="random", description="where training windows lie: anywhere, or where those of a prediction do"
    )
    align: Literal["events"] | None = Field(default=None, description="one window an event, starting at its onset")
    delay: float = Field(default=0.0, ge=0, description="seconds added to the onset (haemodynamic delay)")
    jitter: int = Field(
        default=0, ge=0, description="volumes by which training windows of events are moved at random, to either side"
    )
    labels: Literal["majority", "pure"] | None = Field(
        default=None,
        description="with events that windows are not aligned to: a window has the label of most of its volumes, or only "
        "windows inside one event are used",
    )
    rest: Text | None = Field(
        default=None, description="label of the time between events (default: that time belongs to no window)"
    )
    frames: list[int | str] | None = Field(
        default=None,
        min_length=1,
        description="instead of a length: which volumes make the one window of a case, counted from 0, or the names of "
        "columns that hold their numbers (end-diastole and end-systole of a cine series)",
    )
    derivatives: list[Literal["difference", "second_difference", "from_mean", "motion_energy"]] = Field(
        default_factory=list, description="channels computed from the window's own volumes, added after the scans"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Window:
        if (self.length is None) == (self.frames is None):
            raise ValueError("give either 'length' (volumes of a window) or 'frames' (which volumes)")
        if self.frames is not None and (self.align or self.labels or self.stride or self.dilation > 1):
            raise ValueError(
                "'frames' says which volumes make the window: 'align', 'labels', 'stride', 'dilation' do not go with it"
            )
        if self.jitter and self.align is None:
            raise ValueError("'jitter' moves the windows of 'align: events'; others lie anywhere with 'draw: random'")
        if self.align is not None and self.labels is not None:
            raise ValueError("'align: events' takes one window an event; 'labels' is for windows that are not aligned")
        if self.rest is not None and self.labels is None:
            raise ValueError(
                "'rest' names the time between events for windows with 'labels: majority' or 'labels: pure'"
            )
        return self

    @property
    def volumes(self) -> int:
        """How many volumes the network gets."""
        return self.length if self.length is not None else len(self.frames or ())

    @property
    def span(self) -> int:
        """How many volumes of the series lie from the first of a window to its last."""
        return (self.volumes - 1) * self.dilation + 1
