"""Slow drifts of the scanner over a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.polynomial import legendre

from voxtempo.augment.transform import Image, Label, Params, Transform, channel_spread, transform


@transform("drift")
@dataclass(frozen=True, kw_only=True)
class Drift(Transform):
    """Add a slow course that differs linearly over space, as a warming scanner makes it.

    The course is a random polynomial over the window; its strength at a voxel is a random plane through the image.

    Parameters
    ----------
    amount : largest size of the drift, in units of the channel's standard deviation.
    order : highest order of the polynomial; the mean stays as it is.
    """

    amount: float = 0.3
    order: int = 2

    main: ClassVar[str | None] = "amount"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.amount < 0 or self.order < 1:
            raise ValueError(f"'amount' is not negative and 'order' at least 1, found {self.amount} and {self.order}")

    def draw(self, rng: np.random.Generator, shape: Sequence[int], spacing: Sequence[float]) -> Params:
        """Return the polynomial's coefficients and the plane's slopes."""
        return {
            "amount": float(rng.uniform(0, self.amount)),
            "course": rng.normal(size=self.order).tolist(),
            "plane": rng.uniform(-1, 1, 4).tolist(),
        }

    def apply(self, image: Image, label: Label | None, params: Params) -> tuple[Image, Label | None]:
        """Return the drifting window."""
        course = legendre.legval(
            np.linspace(-1, 1, len(image)) if len(image) > 1 else np.zeros(1), [0, *params["course"]]
        )
        course = course - course.mean()
        largest = np.abs(course).max()
        if largest == 0:
            return image, label
        constant, *slopes = params["plane"]
        plane = np.full(image.shape[1:4], constant, np.float32)
        for axis, slope in enumerate(slopes):
            steps = np.linspace(-slope, slope, image.shape[1 + axis], dtype=np.float32)
            plane += steps.reshape([-1 if a == axis else 1 for a in range(3)])
        plane /= max(float(np.abs(plane).max()), 1e-6)
        strength = (params["amount"] * course / largest).astype(np.float32)[:, None, None, None, None]
        return image + strength * plane[None, ..., None] * channel_spread(image), label
