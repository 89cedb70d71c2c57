"""Derivatives over time as further channels of a window: what changes, without an optical flow.

They are computed from the window's own frames, after it was changed at random, so that training and prediction see the
same thing: "the frame before" is ``dilation`` volumes earlier. Channels are ordered derivative by derivative, each with
all channels of the scans.

The speed along the gradient, ``motion_energy``, is the least-squares solution of the brightness constancy equation for
the normal flow, kept finite by a constant where there is no gradient (Horn, Schunck 1981, "Determining optical flow",
Artificial Intelligence 17; Simoncelli, Adelson, Heeger 1991, "Probability distributions of optical flow", CVPR).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from voxtempo.compiled import compiled

Image = NDArray[np.float32]


def with_derivatives(image: Image, names: Sequence[str]) -> Image:
    """Return a window (t, x, y, z, c) with the named derivatives as further channels, (t, x, y, z, c * (1 + n)).

    >>> pulse = np.array([0.0, 3.0, 3.0, 1.0], np.float32).reshape(4, 1, 1, 1, 1)
    >>> with_derivatives(pulse, ["difference", "from_mean"])[:, 0, 0, 0].tolist()
    [[0.0, 0.0, -1.75], [3.0, 3.0, 1.25], [3.0, 0.0, 1.25], [1.0, -2.0, -0.75]]
    """
    if not names:
        return image
    channels = image.shape[4]
    joined = np.empty((*image.shape[:4], channels * (1 + len(names))), np.float32)
    joined[..., :channels] = image
    for place, name in enumerate(names, start=1):
        DERIVATIVES[name](image, joined[..., place * channels : (place + 1) * channels])
    return joined


def difference(image: Image, out: Image) -> None:
    """Fill ``out`` with each frame minus the one before it; the first has none and is 0."""
    out[:1] = 0
    np.subtract(image[1:], image[:-1], out=out[1:])


def second_difference(image: Image, out: Image) -> None:
    """Fill ``out`` with x[t] - 2 x[t - 1] + x[t - 2]; the first two frames are 0."""
    out[:2] = 0
    if len(image) > 2:
        np.subtract(image[2:], image[1:-1], out=out[2:])
        out[2:] -= image[1:-1]
        out[2:] += image[:-2]


def from_mean(image: Image, out: Image) -> None:
    """Fill ``out`` with each frame minus the mean of the window."""
    np.subtract(image, image.mean(axis=0, keepdims=True, dtype=np.float64).astype(np.float32), out=out)


def motion_energy(image: Image, out: Image) -> None:
    """Fill ``out`` with the speed of edges, in voxels a frame: |I_t| |grad I| / (|grad I|^2 + m); the first frame is 0.

    I_t is the difference to the frame before, grad I the central differences of the two frames' mean (one-sided at the
    border, along axes with more than one voxel), m the mean of |grad I|^2 over the window, a channel at a time. It is near
    the true speed where the gradient is far above its root mean square, half of it where they are equal, and falls to 0
    where there is no edge to move.
    """
    _normal_speed(np.ascontiguousarray(image), out)


DERIVATIVES: dict[str, Callable[[Image, Image], None]] = {
    "difference": difference,
    "second_difference": second_difference,
    "from_mean": from_mean,
    "motion_energy": motion_energy,
}


@compiled(error_model="numpy")
def _normal_speed(image: Image, out: Image) -> None:
    frames, nx, ny, nz, channels = image.shape
    out[0] = 0.0
    for c in range(channels):
        total = 0.0
        for t in range(1, frames):
            for x in range(nx):
                x0, x1 = max(x - 1, 0), min(x + 1, nx - 1)
                for y in range(ny):
                    y0, y1 = max(y - 1, 0), min(y + 1, ny - 1)
                    for z in range(nz):
                        z0, z1 = max(z - 1, 0), min(z + 1, nz - 1)
                        square = 0.0
                        if x1 > x0:
                            across = image[t, x1, y, z, c] + image[t - 1, x1, y, z, c]
                            across -= image[t, x0, y, z, c] + image[t - 1, x0, y, z, c]
                            square += (across / (2 * (x1 - x0))) ** 2
                        if y1 > y0:
                            across = image[t, x, y1, z, c] + image[t - 1, x, y1, z, c]
                            across -= image[t, x, y0, z, c] + image[t - 1, x, y0, z, c]
                            square += (across / (2 * (y1 - y0))) ** 2
                        if z1 > z0:
                            across = image[t, x, y, z1, c] + image[t - 1, x, y, z1, c]
                            across -= image[t, x, y, z0, c] + image[t - 1, x, y, z0, c]
                            square += (across / (2 * (z1 - z0))) ** 2
                        out[t, x, y, z, c] = square
                        total += square
        mean = total / max(1, (frames - 1) * nx * ny * nz)
        for t in range(1, frames):
            for x in range(nx):
                for y in range(ny):
                    for z in range(nz):
                        square = out[t, x, y, z, c]
                        change = abs(image[t, x, y, z, c] - image[t - 1, x, y, z, c])
                        out[t, x, y, z, c] = change * math.sqrt(square) / (square + mean) if mean > 0 else 0.0
