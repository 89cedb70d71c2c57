"""What both sides of a training step are given: a network's task, shapes and settings, and one batch of random numbers."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

RATE, WEIGHT_DECAY, CLIP, EPSILON = 1e-3, 1e-2, 1.0, 1e-7


@dataclass(frozen=True)
class Problem:
    """A network and its batch.

    Parameters
    ----------
    network : "unet3d" (segments) or "cnn_lstm" (classifies).
    shape : of a sample, (x, y, z, channels) or (t, x, y, z, channels).
    batch : samples.
    outputs : labels with the background, or classes.
    precision : "float32", or "bfloat16" with float32 weights.
    options : of the network.
    """

    network: Literal["unet3d", "cnn_lstm"]
    shape: tuple[int, ...]
    batch: int
    outputs: int
    precision: Literal["float32", "bfloat16"] = "float32"
    options: dict[str, Any] = field(default_factory=dict)

    def make_batch(self) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Return images (batch, *shape) and their truth, label maps (batch, x, y, z) or classes (batch,)."""
        rng = np.random.default_rng(0)
        images = rng.standard_normal((self.batch, *self.shape), dtype=np.float32)
        size = (self.batch, *self.shape[:-1]) if self.network == "unet3d" else (self.batch,)
        return images, rng.integers(0, self.outputs, size).astype(np.int32)

    def dumps(self) -> str:
        """Return JSON text."""
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str) -> Problem:
        """Return the problem that ``dumps`` wrote."""
        record = json.loads(text)
        return cls(**{**record, "shape": tuple(record["shape"])})
