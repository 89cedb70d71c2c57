"""Smooth random fields over a grid, for coil shading and the spatial pattern of drift."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def smooth_field(rng: np.random.Generator, shape: Sequence[int], order: int = 2) -> NDArray[np.float32]:
    """Return a random polynomial (x, y, z) of degree ``order``, with values within -1 and 1 and both signs likely."""
    lines = [np.polynomial.legendre.legvander(np.linspace(-1, 1, n), order) for n in shape]
    tensor = np.zeros((order + 1,) * 3)
    for degrees in np.ndindex(tensor.shape):
        if 0 < sum(degrees) <= order:
            tensor[degrees] = rng.uniform(-1, 1)
    field = np.einsum("ia,jb,kc,abc->ijk", *lines, tensor, optimize=True)
    return (field / np.abs(tensor).sum()).astype(np.float32)
