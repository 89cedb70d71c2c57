"""Bend the grey scale: another contrast between tissues with the same darkest and brightest values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from voxtempo.augment.transform import Image, Label, Params, Transform, channel_floor, check_range, transform


@transform("gamma")
@dataclass(frozen=True, kw_only=True)
class Gamma(Transform):
    """Raise each channel, scaled to 0 .. 1 over space and time, to a random power; then scale back.

    Parameters
    ----------
    power : lowest and highest exponent, drawn evenly on a logarithmic scale; above 1 darkens.
    """

    power: tuple[float, float] = (0.7, 1.5)

    main: ClassVar[str | None] = "power"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("power", self.power, 1e-3)

    def draw(self, rng: np.random.Generator, shape: Sequence[int], spacing: Sequence[float]) -> Params:
        """Return the exponent."""
        low, high = np.log(self.power)
        return {"power": float(np.exp(rng.uniform(low, high)))}

    def apply(self, image: Image, label: Label | None, params: Params) -> tuple[Image, Label | None]:
        """Return the bent image; a constant channel stays as it is."""
        low = channel_floor(image)
        width = image.max(axis=(0, 1, 2, 3), keepdims=True) - low
        bent = (image - low) / np.maximum(width, np.finfo(np.float32).tiny)
        np.power(bent, np.float32(params["power"]), out=bent)
        bent *= width
        bent += low
        return bent, label
