"""The part of a study file that says which values are chosen inside the training cases of each fold."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from voxtempo.cohort.sections.base import Section
from voxtempo.metrics import TASKS, criterion_of

TUNABLE = ("network", "train", "augment")
_CRITERIA = [criterion_of(task) for task in TASKS]


class Tune(Section):
    """Values that are chosen by inner folds, which divide the training and validation cases of an outer fold.

    The test cases of the outer fold are on no side of an inner one, so their figures are those of the whole procedure,
    choosing included (nested cross-validation).
    """

    values: dict[str, list[Any]] = Field(
        min_length=1, description="key of 'network', 'train' or 'augment', such as train.rate -> the values to try"
    )
    folds: int = Field(
        default=3,
        ge=2,
        description="inner folds (with 'split.column' but no 'split.only', each of its remaining values is left out "
        "instead)",
    )
    trials: int | None = Field(
        default=None, ge=1, description="try only so many of all combinations, drawn at random (default: all)"
    )
    metric: str | None = Field(
        default=None,
        description=f"figure of the inner test cases that decides (default: {', '.join(_CRITERIA[:-1])} or {_CRITERIA[-1]})",
    )

    @model_validator(mode="after")
    def _possible(self) -> Tune:
        for key, values in self.values.items():
            if key.split(".")[0] not in TUNABLE:
                raise ValueError(f"'{key}' cannot be tuned: keys of {', '.join(TUNABLE)} can")
            if key in ("train.seed", "train.networks", "train.keep"):
                raise ValueError(
                    f"'{key}' cannot be tuned: it is no property of the network that a choice could improve"
                )
            if not values:
                raise ValueError(f"'{key}' has no values to try")
        if all(len(values) == 1 for values in self.values.values()):
            raise ValueError("there is nothing to choose: give at least one key two values")
        return self
