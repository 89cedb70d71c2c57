"""Thermal noise of magnitude images (Gudbjartsson and Patz, MRM 34:910, 1995)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def rician(rng: np.random.Generator, signal: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Return |signal + complex Gaussian noise|; ``sigma`` is each part's standard deviation, in units of the signal."""
    real = rng.standard_normal(signal.shape, dtype=np.float32)
    imaginary = rng.standard_normal(signal.shape, dtype=np.float32)
    real *= np.float32(sigma)
    real += signal
    imaginary *= np.float32(sigma)
    return np.hypot(real, imaginary, out=real)
