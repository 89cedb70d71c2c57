"""Thermal noise: Gaussian, or Rician as in magnitude images (Gudbjartsson and Patz, MRM 34:910, 1995)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from voxtempo.augment.transform import Image, Label, Params, Transform, channel_floor, channel_spread, transform


@transform("noise")
@dataclass(frozen=True, kw_only=True)
class Noise(Transform):
    """Add noise, independent in every voxel, channel and volume.

    Parameters
    ----------
    amount : largest standard deviation of the noise, in units of the channel's own.
    kind : "gaussian", or "rician": the length of the signal with noise in its real and imaginary part, where zero
        signal is the channel's smallest value (so that z-scored images work too).
    """

    amount: float = 0.1
    kind: Literal["gaussian", "rician"] = "gaussian"

    main: ClassVar[str | None] = "amount"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.amount < 0:
            raise ValueError(f"'amount' is the largest standard deviation and not negative, found {self.amount}")

    def draw(self, rng: np.random.Generator, shape: Sequence[int], spacing: Sequence[float]) -> Params:
        """Return the standard deviation (in units of the channel's) and the seed of the noise."""
        return {"amount": float(rng.uniform(0, self.amount)), "kind": self.kind, "seed": int(rng.integers(2**32))}

    def apply(self, image: Image, label: Label | None, params: Params) -> tuple[Image, Label | None]:
        """Return the noisy image; a constant channel stays as it is."""
        rng = np.random.default_rng(params["seed"])
        sigma = channel_spread(image) * np.float32(params["amount"])
        noisy = rng.standard_normal(image.shape, dtype=np.float32)
        noisy *= sigma
        noisy += image
        if params["kind"] == "gaussian":
            return noisy, label
        floor = channel_floor(image)
        noisy -= floor
        imaginary = rng.standard_normal(image.shape, dtype=np.float32)
        imaginary *= sigma
        np.hypot(noisy, imaginary, out=noisy)
        noisy += floor
        return noisy, label
