"""Windows of which only a part is shown (temporal crop)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from voxtempo.augment.transform import Image, Label, Params, Transform, transform


@transform("time_crop")
@dataclass(frozen=True, kw_only=True)
class TimeCrop(Transform):
    """Show one unbroken part of the window; every other volume becomes the mean of that part.

    Parameters
    ----------
    share : smallest part that is shown, above 0, at most 1.
    """

    share: float = 0.7

    main: ClassVar[str | None] = "share"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.share <= 1:
            raise ValueError(f"'share' is the smallest part shown, above 0 and at most 1, found {self.share}")

    def draw(self, rng: np.random.Generator, shape: Sequence[int], spacing: Sequence[float]) -> Params:
        """Return the shown part's length and start, as shares of the window and of what is left of it."""
        return {"share": float(rng.uniform(self.share, 1)), "start": float(rng.uniform(0, 1))}

    def apply(self, image: Image, label: Label | None, params: Params) -> tuple[Image, Label | None]:
        """Return the window with one part shown."""
        shown = max(1, round(params["share"] * len(image)))
        start = round(params["start"] * (len(image) - shown))
        out = np.repeat(image[start : start + shown].mean(axis=0, keepdims=True, dtype=np.float32), len(image), axis=0)
        out[start : start + shown] = image[start : start + shown]
        return out, label
