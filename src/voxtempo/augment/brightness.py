"""Shift the grey scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from voxtempo.augment.transform import Image, Label, Params, Transform, channel_spread, transform


@transform("brightness")
@dataclass(frozen=True, kw_only=True)
class Brightness(Transform):
    """Add a random constant to each channel, in units of its standard deviation.

    Parameters
    ----------
    shift : largest shift up or down, standard deviations.
    """

    shift: float = 0.2

    main: ClassVar[str | None] = "shift"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shift < 0:
            raise ValueError(f"'shift' is the largest shift and not negative, found {self.shift}")

    def draw(self, rng: np.random.Generator, shape: Sequence[int], spacing: Sequence[float]) -> Params:
        """Return the shift, in standard deviations."""
        return {"shift": float(rng.uniform(-self.shift, self.shift))}

    def apply(self, image: Image, label: Label | None, params: Params) -> tuple[Image, Label | None]:
        """Return the shifted image; a constant channel has no standard deviation and stays as it is."""
        return image + channel_spread(image) * np.float32(params["shift"]), label
