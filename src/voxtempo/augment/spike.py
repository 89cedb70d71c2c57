"""Single volumes, or slices of them, that are too bright or too dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from voxtempo.augment.transform import Image, Label, Params, Transform, channel_spread, transform


@transform("spike")
@dataclass(frozen=True, kw_only=True)
class Spike(Transform):
    """Shift the intensity of a few volumes, or of one slice (along z) in each of them.

    Parameters
    ----------
    amount : largest shift to either side, in units of the channel's standard deviation.
    volumes : largest number of volumes that are hit.
    slices : share of the hit volumes in which only one slice is.
    """

    amount: float = 1.0
    volumes: int = 2
    slices: float = 0.5

    main: ClassVar[str | None] = "amount"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.amount < 0 or self.volumes < 1 or not 0 <= self.slices <= 1:
            raise ValueError(
                f"'amount' is not negative, 'volumes' at least 1 and 'slices' between 0 and 1, found {self.amount}, "
                f"{self.volumes} and {self.slices}"
            )

    def draw(self, rng: np.random.Generator, shape: Sequence[int], spacing: Sequence[float]) -> Params:
        """Return for each hit: where in time (as a share of the window), how much, and which slice (None: all)."""
        hits = []
        for _ in range(int(rng.integers(1, self.volumes + 1))):
            one = bool(rng.random() < self.slices) and shape[2] > 1
            hits.append(
                {
                    "time": float(rng.uniform(0, 1)),
                    "shift": float(rng.uniform(-self.amount, self.amount)),
                    "slice": int(rng.integers(shape[2])) if one else None,
                }
            )
        return {"hits": hits}

    def apply(self, image: Image, label: Label | None, params: Params) -> tuple[Image, Label | None]:
        """Return the window with spikes."""
        out = image.copy()
        spread = channel_spread(image)[0]
        for hit in params["hits"]:
            place = min(int(hit["time"] * len(image)), len(image) - 1)
            part = slice(None) if hit["slice"] is None else slice(hit["slice"], hit["slice"] + 1)
            out[place, :, :, part] += np.float32(hit["shift"]) * spread
        return out, label
