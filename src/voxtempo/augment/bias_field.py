"""A smooth shading, as receiver coils leave it: the exponential of a low-order polynomial, times the signal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from voxtempo.augment.transform import Image, Label, Params, Transform, channel_floor, transform


@transform("bias_field")
@dataclass(frozen=True, kw_only=True)
class BiasField(Transform):
    """Multiply the signal (what lies above the channel's smallest value) by a random smooth field.

    Parameters
    ----------
    strength : largest absolute logarithm of the field in the sample (0.3 is about 0.74 to 1.35).
    order : highest degree of the polynomial in space.
    """

    strength: float = 0.3
    order: int = 3

    main: ClassVar[str | None] = "strength"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.strength < 0:
            raise ValueError(f"'strength' is not negative, found {self.strength}")
        if not 1 <= self.order <= 6:
            raise ValueError(f"'order' lies between 1 and 6 (a smooth field), found {self.order}")

    def draw(self, rng: np.random.Generator, shape: Sequence[int], spacing: Sequence[float]) -> Params:
        """Return the Legendre coefficients [[i, j, k, value], ...] of the field's logarithm, degrees 1 to ``order``."""
        degrees = [
            (i, j, k)
            for i in range(self.order + 1)
            for j in range(self.order + 1 - i)
            for k in range(self.order + 1 - i - j)
            if i + j + k > 0 and all(n > 1 or d == 0 for n, d in zip(shape, (i, j, k), strict=True))
        ]
        values = rng.uniform(-1.0, 1.0, len(degrees))
        largest = max(float(np.abs(values).sum()), 1e-12)
        values *= rng.uniform(0, self.strength) / largest
        return {"coefficients": [[i, j, k, float(v)] for (i, j, k), v in zip(degrees, values, strict=True)]}

    def apply(self, image: Image, label: Label | None, params: Params) -> tuple[Image, Label | None]:
        """Return the shaded image, every volume and channel by the same field."""
        floor = channel_floor(image)
        return floor + (image - floor) * smooth_field(params["coefficients"], image.shape[1:4])[None, ..., None], label


def smooth_field(coefficients: Sequence[Sequence[float]], shape: Sequence[int]) -> NDArray[np.float32]:
    """Return exp(sum of value * P_i(x) P_j(y) P_k(z)) on ``shape`` voxels spanning -1 to 1 along each axis.

    >>> smooth_field([[1, 0, 0, 0.5]], (3, 1, 1)).ravel().astype(float).round(3).tolist()
    [0.607, 1.0, 1.649]
    """
    order = 1 + max((int(max(c[:3])) for c in coefficients), default=0)
    tensor = np.zeros((order, order, order))
    for i, j, k, value in coefficients:
        tensor[int(i), int(j), int(k)] = value
    lines = [np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in shape]
    bases = [np.polynomial.legendre.legvander(line, order - 1) for line in lines]
    log_field = np.einsum("ia,jb,kc,abc->ijk", *bases, tensor, optimize=True).astype(np.float32)
    return np.exp(log_field, out=log_field)
