"""Windows that begin a little earlier or later (temporal jitter)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from voxtempo.augment.transform import Image, Label, Params, Transform, transform


@transform("time_shift")
@dataclass(frozen=True, kw_only=True)
class TimeShift(Transform):
    """Move the window by some volumes to either side; what comes in is what was truly there in the series.

    Beyond the ends of the series the first or last volume is repeated.

    Parameters
    ----------
    volumes : largest shift.
    """

    volumes: int = 2

    main: ClassVar[str | None] = "volumes"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.volumes < 0:
            raise ValueError(f"'volumes' is the largest shift and not negative, found {self.volumes}")

    def draw(self, rng: np.random.Generator, shape: Sequence[int], spacing: Sequence[float]) -> Params:
        """Return the shift in volumes; positive shows later ones."""
        return {"shift": int(rng.integers(-self.volumes, self.volumes + 1))}

    def apply(self, image: Image, label: Label | None, params: Params) -> tuple[Image, Label | None]:
        """Return the shifted window."""
        frames = np.clip(np.arange(len(image)) + params["shift"], 0, len(image) - 1)
        return image[frames], label

    def reach_in_time(self, length: int) -> int:
        """Return the largest shift."""
        return self.volumes
