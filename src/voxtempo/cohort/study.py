"""The study file's schema: everything a study can say, with units, defaults and what is planned when it is left out.

A field that may be ``None`` and says "planned" is filled in by ``voxtempo.planning`` from the data.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from voxtempo.cohort.sections.base import Named, NamedItem, Section, Text
from voxtempo.cohort.sections.budget import Budget
from voxtempo.cohort.sections.cohort import CohortSection
from voxtempo.cohort.sections.evaluate import Evaluate
from voxtempo.cohort.sections.network import NetworkItem, NetworkSection
from voxtempo.cohort.sections.sample import Sample, SampleItem, Slices
from voxtempo.cohort.sections.split import Split
from voxtempo.cohort.sections.target import Target
from voxtempo.cohort.sections.train import Train
from voxtempo.cohort.sections.tune import Tune
from voxtempo.cohort.sections.window import Window
from voxtempo.metrics import used

__all__ = [
    "Budget",
    "CohortSection",
    "Evaluate",
    "Named",
    "NamedItem",
    "NetworkSection",
    "Sample",
    "Section",
    "Slices",
    "Split",
    "Study",
    "Target",
    "Task",
    "Text",
    "Train",
    "Tune",
    "Window",
]

Task = Literal["classify", "regress", "segment"]


class Study(Section):
    """One study, as its YAML file says it."""

    name: str = Field(
        min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="of the study and its run folder"
    )
    task: Task = Field(description="what is learned")
    cohort: CohortSection
    prepare: list[NamedItem] | None = Field(default=None, description="steps in order (planned when left out)")
    harmonise: list[NamedItem] = Field(
        default_factory=list,
        description="what makes the scans of several sites alike, in order, learned from the training cases of each fold",
    )
    sample: SampleItem | None = None
    split: Split = Field(default_factory=lambda: Split(folds=5))
    augment: Literal["default", "none"] | list[NamedItem] = Field(
        default="default", description="random changes of training samples, in order"
    )
    network: NetworkItem = Field(default_factory=NetworkSection)
    train: Train = Field(default_factory=Train)
    evaluate: Evaluate = Field(default_factory=Evaluate)
    tune: Tune | None = Field(default=None, description="values chosen on inner folds of each fold's training cases")
    budget: Budget = Field(default_factory=Budget)

    @model_validator(mode="after")
    def _task_fits_target(self) -> Study:
        if (self.task == "segment") != (self.cohort.target.mask is not None):
            need = "'mask'" if self.task == "segment" else "'column'"
            raise ValueError(f"task '{self.task}' needs a target with {need}")
        known = used("tune", self.task)
        if self.tune is not None and self.tune.metric not in (None, *known):
            raise ValueError(f"'tune.metric' of task '{self.task}' is one of {', '.join(known)}")
        window = self.sample.window if self.sample else None
        if window is not None and (window.align or window.labels) and self.cohort.target.events is None:
            raise ValueError(f"'{'align: events' if window.align else 'labels'}' needs a target with 'events'")
        if self.train.select_voxels and (self.task == "segment" or (self.sample and self.sample.patch)):
            raise ValueError(
                "'train.select_voxels' needs one truth a sample and samples on one grid: no labels, no patches"
            )
        if self.train.select_voxels and self.network.python is not None:
            raise ValueError("'train.select_voxels' works with registered networks, not with 'network.python'")
        if self.evaluate.windows != "mean" and self.task == "segment":
            raise ValueError("'evaluate.windows' joins the answers of windows; label maps are stitched")
        if self.evaluate.mirror == "auto" and self.task != "segment":
            raise ValueError("'evaluate.mirror: auto' chooses by the Dice of label maps; say 'always' or 'none'")
        if self.evaluate.mirror not in (None, "none") and window is not None:
            raise ValueError("'evaluate.mirror' is for slices and volumes: function has a side")
        if self.evaluate.tolerance is not None and self.task != "segment":
            raise ValueError("'evaluate.tolerance' is for surfaces of label maps ('task: segment')")
        for key, default in (("threshold", "none"), ("prevalence", None)):
            if getattr(self.evaluate, key) != default and self.task != "classify":
                raise ValueError(f"'evaluate.{key}' is for two classes ('task: classify')")
        if self.evaluate.lesion_overlap and self.task != "segment":
            raise ValueError("'evaluate.lesion_overlap' is for label maps ('task: segment')")
        if self.evaluate.postprocess not in (None, "none") and self.task != "segment":
            raise ValueError("'evaluate.postprocess' is for label maps ('task: segment')")
        if self.evaluate.windows == "vote" and self.task != "classify":
            raise ValueError("'evaluate.windows: vote' is for 'task: classify'; values are averaged ('mean')")
        if self.evaluate.by == "subject" and (self.task == "segment" or self.cohort.target.events is not None):
            raise ValueError(
                "'evaluate.by: subject' averages answers that share one truth, and here every event or label map has its "
                "own; intervals are over subjects in any case"
            )
        return self
