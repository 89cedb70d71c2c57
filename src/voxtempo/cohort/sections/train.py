"""The part of a study file that says how the network is fitted."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from voxtempo.cohort.sections.base import NamedItem, Section


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
    foreground: float | None = Field(
        default=None, ge=0, le=1, description="share of training patches centred on a label (planned)"
    )
    seed: int = Field(default=0, ge=0, description="of weights, batches, augmentation and dropout")
    networks: int = Field(
        default=1,
        ge=1,
        description="networks trained one after another from the seeds that follow, whose answers are averaged (a deep "
        "ensemble); each takes the whole time",
    )
    checkpoint_minutes: float = Field(default=5.0, gt=0, description="longest time between checkpoints inside an epoch")
    tensorboard: bool = Field(default=False, description="write TensorBoard logs into the run folder")
