"""A head that moves during the window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from voxtempo.augment.spatial import Spatial, free_axes, identity
from voxtempo.augment.transform import Image, Label, Params, Transform, transform


@transform("motion")
@dataclass(frozen=True, kw_only=True)
class Motion(Transform):
    """Move every volume rigidly by itself, along a random walk: what realignment leaves behind, or its absence.

    The walk is centred, so the window's mean position stays. For one transform that all volumes share there is ``spatial``.

    Parameters
    ----------
    translation : largest distance from the mean position along each axis, mm.
    rotation : largest angle from the mean position about each axis, degrees.
    """

    translation: float = 0.5
    rotation: float = 0.5

    main: ClassVar[str | None] = "translation"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.translation < 0 or not 0 <= self.rotation <= 45:
            raise ValueError(
                f"'translation' is not negative and 'rotation' at most 45 degrees, found {self.translation} and {self.rotation}"
            )

    def draw(self, rng: np.random.Generator, shape: Sequence[int], spacing: Sequence[float]) -> Params:
        """Return the sizes of the walk and its seed (the number of volumes is not known here)."""
        return {
            "translation": float(rng.uniform(0, self.translation)),
            "rotation": float(rng.uniform(0, self.rotation)),
            "spacing": [float(s) for s in spacing],
            "seed": int(rng.integers(2**32)),
        }

    def apply(self, image: Image, label: Label | None, params: Params) -> tuple[Image, Label | None]:
        """Return the moving window; the label stays where the head is on average."""
        walk = random_walk(len(image), params["seed"])
        free = free_axes(image.shape[1:4], params["spacing"])
        pairs = np.array([free[1] and free[2], free[0] and free[2], free[0] and free[1]])
        mover, out = Spatial(), np.empty_like(image)
        for time, place in enumerate(walk):
            moved = identity(params["spacing"]) | {
                "translation": (place[:3] * params["translation"] * free).tolist(),
                "rotation": (place[3:] * params["rotation"] * pairs).tolist(),
            }
            out[time : time + 1] = mover.apply(image[time : time + 1], None, moved)[0]
        return out, label


def random_walk(steps: int, seed: int) -> np.ndarray:
    """Return a centred random walk (steps, 6) whose largest size in each column is 1 (0 for a single step)."""
    walk = np.cumsum(np.random.default_rng(seed).normal(size=(steps, 6)), axis=0)
    walk -= walk.mean(axis=0)
    return np.asarray(walk / np.maximum(np.abs(walk).max(axis=0), 1e-9))
