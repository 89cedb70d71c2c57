"""Stretch or squeeze the grey scale about its mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from voxtempo.augment.transform import Image, Label, Params, Transform, check_range, transform


@transform("contrast")
@dataclass(frozen=True, kw_only=True)
class Contrast(Transform):
    """Multiply each channel's distance from its mean (over space and time) by a random factor.

    Parameters
    ----------
    factor : lowest and highest factor; 1 changes nothing.
    """

    factor: tuple[float, float] = (0.75, 1.25)

    main: ClassVar[str | None] = "factor"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("factor", self.factor, 0.0)

    def draw(self, rng: np.random.Generator, shape: Sequence[int], spacing: Sequence[float]) -> Params:
        """Return the factor."""
        return {"factor": float(rng.uniform(*self.factor))}

    def apply(self, image: Image, label: Label | None, params: Params) -> tuple[Image, Label | None]:
        """Return the stretched image."""
        mean = image.mean(axis=(0, 1, 2, 3), keepdims=True, dtype=np.float64).astype(np.float32)
        return mean + (image - mean) * np.float32(params["factor"]), label
