"""Courses at other times than they were sampled at, each slice by a part of a repetition time of its own."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from voxtempo.prepare.blocks import VALUES, courses_of
from voxtempo.prepare.time_spline import FURTHER, spline_coefficients, spline_weights
from voxtempo.scans.room import room

Interpolation = Literal["spline", "sinc"]
REACH = {"spline": 2, "sinc": 8}
"""Volumes on each side that a value is made of; of the spline, coefficients."""


def shift_in_time(
    data: NDArray[Any], shift: NDArray[np.float64], interpolation: Interpolation, values: int = VALUES
) -> NDArray[np.float32]:
    """Return the series (t, x, y, z, c) with slice z at volume n as it was at volume n + shift[z]; float32, in ``room``.

    Before the first volume and after the last, courses stay as they are there.

    Parameters
    ----------
    data : (t, x, y, z, c), t > 1.
    shift : (z,) in volumes, each between -1 and 1.
    interpolation : "spline", cubic B-splines through the samples; "sinc", windowed by Hann over 8 volumes on each side.
    values : how many are worked on together.
    """
    volumes, channels = data.shape[0], data.shape[4]
    reach, further = REACH[interpolation], FURTHER if interpolation == "spline" else 0
    columns = courses_of(data).reshape(volumes, -1, data.shape[3] * channels)
    weights = np.repeat(_weights(shift, interpolation), channels, axis=1).astype(np.float32)
    result = room(columns.shape, np.float32)
    width = max(1, values // (volumes * columns.shape[2]))
    for begin in range(0, columns.shape[1], width):
        block = columns[:, begin : begin + width].astype(np.float32)
        padded = np.pad(block, ((reach + further,) * 2, (0, 0), (0, 0)), mode="edge")
        if interpolation == "spline":
            spline_coefficients(padded)
        total = np.zeros_like(block)
        for offset, weight in enumerate(weights, start=further):
            np.multiply(padded[offset : offset + volumes], weight, out=block)
            total += block
        result[:, begin : begin + width] = total
    return result.reshape(data.shape)


def _weights(shift: NDArray[np.float64], interpolation: Interpolation) -> NDArray[np.float64]:
    """Return what the neighbours at -reach .. reach volumes count for each slice, (2 * reach + 1, z); sums are 1.

    >>> _weights(np.array([0.0, 0.5]), "spline").round(4).T.tolist()
    [[0.0, 0.1667, 0.6667, 0.1667, 0.0], [0.0, 0.0208, 0.4792, 0.4792, 0.0208]]
    """
    reach = REACH[interpolation]
    distance = np.abs(np.arange(-reach, reach + 1)[:, None] - shift)
    if interpolation == "spline":
        weights = spline_weights(distance)
    else:
        window = np.where(distance < reach, np.cos(np.pi * distance / (2 * reach)) ** 2, 0)
        weights = np.sinc(distance) * window
    return np.asarray(weights / weights.sum(axis=0), dtype=np.float64)
