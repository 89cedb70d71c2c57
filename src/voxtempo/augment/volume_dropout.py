"""Volumes that are lost, as by scrubbing or a failed trigger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from voxtempo.augment.transform import Image, Label, Params, Transform, transform


@transform("volume_dropout")
@dataclass(frozen=True, kw_only=True)
class VolumeDropout(Transform):
    """Lose random volumes of the window; at least one is always left.

    Parameters
    ----------
    share : largest share of the volumes that is lost, 0 to below 1.
    fill : what takes their place: "previous" holds the last volume that is left (the first one left where there is none
        before), "mean" is the mean of those that are left.
    """

    share: float = 0.2
    fill: Literal["previous", "mean"] = "previous"

    main: ClassVar[str | None] = "share"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.share < 1:
            raise ValueError(f"'share' of lost volumes lies between 0 and below 1, found {self.share}")

    def draw(self, rng: np.random.Generator, shape: Sequence[int], spacing: Sequence[float]) -> Params:
        """Return the share and the seed that chooses the volumes (their number is not known here)."""
        return {"share": float(rng.uniform(0, self.share)), "fill": self.fill, "seed": int(rng.integers(2**32))}

    def apply(self, image: Image, label: Label | None, params: Params) -> tuple[Image, Label | None]:
        """Return the window without those volumes."""
        count = min(round(params["share"] * len(image)), len(image) - 1)
        if count == 0:
            return image, label
        lost = np.random.default_rng(params["seed"]).choice(len(image), count, replace=False)
        left = np.setdiff1d(np.arange(len(image)), lost)
        if params["fill"] == "mean":
            out = image.copy()
            out[lost] = image[left].mean(axis=0, dtype=np.float32)
            return out, label
        held = left[np.maximum(np.searchsorted(left, np.arange(len(image)), side="right") - 1, 0)]
        return image[held], label
