"""The contract of a random transform: one file, one frozen dataclass, chance in ``draw`` and none in ``apply``.

``draw`` takes everything random from the generator it is handed and returns it as plain JSON; ``apply`` is a pure
function of image, label and those parameters. So every augmented sample can be stored, replayed, drawn and tested.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from voxtempo.registry import Registry

Params = dict[str, Any]
Image = NDArray[np.float32]
Label = NDArray[np.integer[Any]]


@dataclass(frozen=True, kw_only=True)
class Transform(ABC):
    """One random change of a training sample. Subclasses are frozen dataclasses whose fields are the options.

    Parameters
    ----------
    probability : share of the samples that are changed at all, 0 to 1.

    Class attributes
    ----------------
    name : as in the study file (set by the ``transform`` decorator).
    main : the option that a bare value stands for (``- noise: 0.1``), or None.
    """

    probability: float = 1.0

    name: ClassVar[str] = ""
    main: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.probability <= 1.0:
            raise ValueError(f"'probability' lies between 0 and 1, found {self.probability}")

    @abstractmethod
    def draw(self, rng: np.random.Generator, shape: Sequence[int], spacing: Sequence[float]) -> Params:
        """Return random parameters, as JSON values, for a sample of ``shape`` (x, y, z) voxels of ``spacing`` mm."""

    @abstractmethod
    def apply(self, image: Image, label: Label | None, params: Params) -> tuple[Image, Label | None]:
        """Return the changed ``image`` (t, x, y, z, c) float32 and ``label`` (x, y, z); modifies no argument."""

    def reach_in_time(self, length: int) -> int:
        """Return how many frames beyond each end of a window of ``length`` frames the change may look at."""
        return 0


transforms: Registry[type[Transform]] = Registry("augmentation", "voxtempo.augment")
transform = transforms.named
"""Registers a transform under the name that study files use."""


def check_range(option: str, bounds: tuple[float, float], lowest: float) -> None:
    """Raise ``ValueError`` unless ``bounds`` is (low, high) with lowest <= low <= high."""
    low, high = bounds
    if not lowest <= low <= high:
        raise ValueError(f"'{option}' is [low, high] with {lowest:g} <= low <= high, found [{low:g}, {high:g}]")


def channel_floor(image: Image) -> Image:
    """Return each channel's smallest value, shaped (1, 1, 1, 1, c): zero signal, whatever normalisation made of it."""
    return image.min(axis=(0, 1, 2, 3), keepdims=True)


def channel_spread(image: Image) -> Image:
    """Return each channel's standard deviation over space and time, shaped (1, 1, 1, 1, c)."""
    return image.std(axis=(0, 1, 2, 3), keepdims=True, dtype=np.float64).astype(np.float32)
