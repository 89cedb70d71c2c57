"""Ask more, or less, of a probability before it becomes a label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from voxtempo.inference.postprocess.operation import Operation, operation


@operation("threshold")
@dataclass(frozen=True)
class Threshold(Operation):
    """The probability above which a label or region is there; thresholds come before all other operations.

    Where labels exclude each other, the one with the largest p (1 - t) / t is taken; with one label that is p above t. 0.5
    changes nothing.

    Parameters
    ----------
    of : what is learned: a label or a region, or "foreground" for each that has no threshold of its own.
    probability : the threshold t.
    """

    probability: Annotated[float, Field(gt=0, lt=1)] = 0.5
    main: ClassVar[str] = "probability"

    def thresholds(self) -> Mapping[str, float]:
        """Return the threshold under its name."""
        return {self.of: self.probability}
