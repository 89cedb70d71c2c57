"""Windows in which time runs a little faster or slower (speed)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from voxtempo.augment.transform import Image, Label, Params, Transform, check_range, transform


@transform("time_stretch")
@dataclass(frozen=True, kw_only=True)
class TimeStretch(Transform):
    """Let time run faster or slower about the window's middle, by linear interpolation between volumes.

    Not for targets that are a speed themselves, such as a frequency.

    Parameters
    ----------
    factor : lowest and highest speed; above 1 more of the series passes by in one window.
    """

    factor: tuple[float, float] = (0.9, 1.1)

    main: ClassVar[str | None] = "factor"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("factor", self.factor, 0.1)

    def draw(self, rng: np.random.Generator, shape: Sequence[int], spacing: Sequence[float]) -> Params:
        """Return the speed, drawn evenly on a logarithmic scale."""
        low, high = np.log(self.factor)
        return {"factor": float(np.exp(rng.uniform(low, high)))}

    def apply(self, image: Image, label: Label | None, params: Params) -> tuple[Image, Label | None]:
        """Return the window at another speed; beyond its ends the first or last volume is repeated."""
        middle = (len(image) - 1) / 2
        places = np.clip(middle + (np.arange(len(image)) - middle) * params["factor"], 0, len(image) - 1)
        before = np.minimum(places.astype(int), max(len(image) - 2, 0))
        after = np.minimum(before + 1, len(image) - 1)
        share = (places - before).astype(np.float32)[:, None, None, None, None]
        return image[before] * (1 - share) + image[after] * share, label

    def reach_in_time(self, length: int) -> int:
        """Return how far the fastest window looks beyond each end."""
        return math.ceil((length - 1) / 2 * max(0.0, self.factor[1] - 1))
