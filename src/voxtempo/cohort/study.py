"""The study file's schema: everything a study can say, with units, defaults and what is planned when it is left out.

A field that may be ``None`` and says "planned" is filled in by ``voxtempo.planning`` from the data.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from voxtempo.cohort.regions import written_labels

Task = Literal["classify", "regress", "segment"]


class Section(BaseModel):
    """A part of a study file: unknown keys are errors, values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Named(Section):
    """A registered thing and its options, written ``name``, ``{name: value}`` or ``{name: {option: value}}``."""

    name: str
    options: Any = Field(default=None, description="None, one value for the main option, or a mapping of options")


def _named(value: Any) -> Any:
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, dict) and len(value) == 1 and not isinstance(value.get("name"), str):
        name, options = next(iter(value.items()))
        return {"name": name, "options": options}
    return value


NamedItem = Annotated[Named, BeforeValidator(_named)]


def _text(value: Any) -> Any:
    """YAML reads ``run: 1`` as a number, but tables hold text; booleans stay refused (yes and on are both True)."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Text = Annotated[str, BeforeValidator(_text), WithJsonSchema({"type": ["string", "number"]})]


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


class CohortSection(Section):
    """Who is in the study and where their files are."""

    table: Path | None = Field(default=None, description="CSV or TSV with a header line, one row a case")
    bids: Path | None = Field(default=None, description="folder of a BIDS dataset, instead of a table")
    root: Path | None = Field(default=None, description="folder the templates are under (default: the table's folder)")
    id: str = Field(default="id", description="column that names each row")
    subject: str | None = Field(default=None, description="column whose rows never cross a split (default: the id)")
    site: str | None = Field(default=None, description="column of the scanner or hospital")
    scans: dict[str, str | dict[str, Text]] = Field(
        min_length=1, description="channel name -> file template with {columns}; in BIDS, entities such as suffix: bold"
    )
    target: Target
    where: dict[str, Text | list[Text]] | None = Field(
        default=None, description="keep rows whose column has these values"
    )
    missing: Literal["refuse", "skip"] = Field(
        default="refuse", description="what to do with cases whose files are missing"
    )
    series: Text | None = Field(default=None, description="which DICOM series of a folder: its number or UID")
    confounds: str | None = Field(
        default=None,
        description="template of a table with a row a volume (motion, physiology, ...), as fMRIPrep writes it, for the "
        "preparation step 'confounds'",
    )

    @model_validator(mode="after")
    def _one_source(self) -> CohortSection:
        if (self.table is None) == (self.bids is None):
            raise ValueError("give either 'table' or 'bids'")
        return self


class Slices(Section):
    """Samples are slices across one axis."""

    axis: Literal["x", "y", "z"] = Field(default="z", description="axis of the prepared scan the slices are across")


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


class Sample(Section):
    """What one training example is; exactly one kind. Planned from the data when left out."""

    volume: Literal["whole"] | None = Field(default=None, description="the whole volume, one shape for all")
    patch: tuple[int, int, int] | None = Field(default=None, description="voxels along x, y, z")
    slices: Slices | None = None
    window: Window | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Sample:
        given = [k for k in ("volume", "patch", "slices", "window") if getattr(self, k) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of volume, patch, slices, window (found {', '.join(given) or 'none'})")
        if self.patch is not None and min(self.patch) < 1:
            raise ValueError("a patch has positive sizes")
        return self

    @property
    def kind(self) -> Literal["volume", "patch", "slices", "window"]:
        """Which of the four kinds this is."""
        for kind in ("volume", "patch", "slices"):
            if getattr(self, kind) is not None:
                return kind
        return "window"


class Split(Section):
    """Who trains, who selects, who judges. Always by subject.

    With ``test`` (a fraction of subjects), that set is the test and fold K is the validation.
    Without it, fold K (or value K of ``column``) is the test, and ``validation`` of the rest selects the model.
    """

    test: float | None = Field(default=None, gt=0, lt=1, description="share of the cases (in whole subjects) held out")
    folds: int | None = Field(default=None, ge=2, description="number of folds")
    column: str | None = Field(default=None, description="leave one value of this column out at a time")
    stratify: list[str] = Field(
        default_factory=list, description="columns balanced over the sides, continuous ones too"
    )
    validation: float = Field(
        default=0.15,
        ge=0,
        lt=1,
        description="fraction of the training cases, in whole subjects, that selects the model; 0: all train, and the "
        "last weights are kept",
    )
    seed: int = Field(default=0, ge=0, description="of the division into sides and folds, and of the bootstrap")

    @model_validator(mode="after")
    def _consistent(self) -> Split:
        if self.column is not None and (self.folds is not None or self.test is not None):
            raise ValueError("'column' leaves one value out at a time: do not give 'folds' or 'test' with it")
        return self


class NetworkSection(Section):
    """Which network: a registered name, or a function in the user's own file; any further key is an option of it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str | None = Field(default=None, description="a registered network (planned when left out)")
    python: str | None = Field(default=None, description="'path/to/file.py:function' that builds a keras.Model")

    @model_validator(mode="after")
    def _one_source(self) -> NetworkSection:
        if self.name is not None and self.python is not None:
            raise ValueError("give either 'name' or 'python'")
        return self

    @property
    def options(self) -> dict[str, Any]:
        """The options meant for the network function."""
        return dict(self.model_extra or {})


class Train(Section):
    """How the network is fitted."""

    epochs: int | None = Field(default=None, ge=1, description="passes over the training samples (planned)")
    steps: int | None = Field(default=None, ge=1, description="updates an epoch (planned: every sample once)")
    batch: int | None = Field(default=None, ge=1, description="samples an update (planned)")
    optimiser: Literal["adamw", "sgd"] = Field(default="adamw", description="AdamW, or SGD with Nesterov momentum")
    rate: float | None = Field(default=None, gt=0, description="peak learning rate (planned)")
    weight_decay: float | None = Field(default=None, ge=0, description="decoupled weight decay (planned)")
    momentum: float = Field(default=0.99, ge=0, lt=1, description="Nesterov momentum of sgd")
    schedule: Literal["cosine", "polynomial", "plateau", "constant"] = Field(
        default="cosine", description="how the learning rate falls after the warm-up"
    )
    warmup: float = Field(default=0.02, ge=0, lt=1, description="share of all updates with a rising rate")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="auto: bfloat16 on an accelerator, float32 on a processor"
    )
    patience: int | None = Field(default=None, ge=1, description="epochs without improvement before stopping (planned)")
    keep: Literal["best", "last"] | None = Field(
        default=None,
        description="which weights are kept: of the epoch with the best validation, or of the last epoch (planned: the "
        "last where few validation subjects would make the choice a lottery)",
    )
    clip: float | None = Field(default=1.0, gt=0, description="largest global norm of the gradient")
    loss: NamedItem | None = Field(default=None, description="a registered loss (planned by the task)")
    label_smoothing: float = Field(default=0.0, ge=0, lt=1, description="share of each label spread over all classes")
    class_weights: Literal["balanced", "none"] | dict[str, float] = Field(
        default="none",
        description="weight of each class (label, region) in the loss; balanced: every class, or every label with the "
        "background, weighs the same in sum over the training samples or voxels",
    )
    dropout: float | None = Field(default=None, ge=0, lt=1, description="before the head's last layer (planned)")
    select_voxels: int | None = Field(
        default=None,
        ge=1,
        description="show the network only so many voxels, those that tell the truth of the training samples apart best "
        "(F test); for scans that lie on one grid",
    )
    foreground: float = Field(default=0.5, ge=0, le=1, description="share of patches centred on a label")
    seed: int = Field(default=0, ge=0, description="of weights, batches, augmentation and dropout")
    checkpoint_minutes: float = Field(default=5.0, gt=0, description="longest time between checkpoints inside an epoch")
    tensorboard: bool = Field(default=False, description="write TensorBoard logs into the run folder")


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
    postprocess: Literal["none", "auto"] | list[NamedItem] = Field(
        default="none",
        description="what is done to predicted label maps: operations in order, or auto: those that prove themselves on the "
        "validation cases",
    )


def _sample(value: Any) -> Any:
    return {"volume": "whole"} if value == "volume" else value


def _network(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class Study(Section):
    """One study, as its YAML file says it."""

    name: str = Field(
        min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="of the study and its run folder"
    )
    task: Task = Field(description="what is learned")
    cohort: CohortSection
    prepare: list[NamedItem] | None = Field(default=None, description="steps in order (planned when left out)")
    sample: Annotated[Sample, BeforeValidator(_sample)] | None = None
    split: Split = Field(default_factory=lambda: Split(folds=5))
    augment: Literal["default", "none"] | list[NamedItem] = Field(
        default="default", description="random changes of training samples, in order"
    )
    network: Annotated[NetworkSection, BeforeValidator(_network)] = Field(default_factory=NetworkSection)
    train: Train = Field(default_factory=Train)
    evaluate: Evaluate = Field(default_factory=Evaluate)

    @model_validator(mode="after")
    def _task_fits_target(self) -> Study:
        if (self.task == "segment") != (self.cohort.target.mask is not None):
            need = "'mask'" if self.task == "segment" else "'column'"
            raise ValueError(f"task '{self.task}' needs a target with {need}")
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
        if self.evaluate.postprocess != "none" and self.task != "segment":
            raise ValueError("'evaluate.postprocess' is for label maps ('task: segment')")
        if self.evaluate.windows == "vote" and self.task != "classify":
            raise ValueError("'evaluate.windows: vote' is for 'task: classify'; values are averaged ('mean')")
        if self.evaluate.by == "subject" and (self.task == "segment" or self.cohort.target.events is not None):
            raise ValueError(
                "'evaluate.by: subject' averages answers that share one truth, and here every event or label map has its "
                "own; intervals are over subjects in any case"
            )
        return self
