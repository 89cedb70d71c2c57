"""A Gaussian blur in millimetres: another resolution of the scanner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import ndimage

from voxtempo.augment.transform import Image, Label, Params, Transform, check_range, transform


@transform("blur")
@dataclass(frozen=True, kw_only=True)
class Blur(Transform):
    """Convolve space (never time) with a Gaussian; a slice is blurred in its plane only.

    Parameters
    ----------
    sigma : lowest and highest standard deviation, mm.
    """

    sigma: tuple[float, float] = (0.3, 1.0)

    main: ClassVar[str | None] = "sigma"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("sigma", self.sigma, 0.0)

    def draw(self, rng: np.random.Generator, shape: Sequence[int], spacing: Sequence[float]) -> Params:
        """Return the standard deviation along each axis, in voxels."""
        sigma = rng.uniform(*self.sigma)
        return {"voxels": [float(sigma / s) if n > 1 else 0.0 for n, s in zip(shape, spacing, strict=True)]}

    def apply(self, image: Image, label: Label | None, params: Params) -> tuple[Image, Label | None]:
        """Return the blurred image; beyond the edge the edge's value continues."""
        sigma = (0.0, *params["voxels"], 0.0)
        blurred = ndimage.gaussian_filter(image, sigma, mode="nearest", truncate=3.0, output=np.float32)
        return blurred, label
