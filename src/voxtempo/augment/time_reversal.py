"""Windows that run backwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voxtempo.augment.transform import Image, Label, Params, Transform, transform


@transform("time_reversal")
@dataclass(frozen=True, kw_only=True)
class TimeReversal(Transform):
    """Turn time around. Never part of a default: the haemodynamic response has a direction, and so has the heart.

    Parameters
    ----------
    probability : share of the samples that run backwards.
    """

    probability: float = 0.5

    def draw(self, rng: np.random.Generator, shape: Sequence[int], spacing: Sequence[float]) -> Params:
        """Return nothing: there is nothing to choose."""
        return {}

    def apply(self, image: Image, label: Label | None, params: Params) -> tuple[Image, Label | None]:
        """Return the window backwards."""
        return np.ascontiguousarray(image[::-1]), label
