"""Cut a grid of time and space into windows, with or without a shift, and put it together again.

Liu et al. 2021, "Swin transformer: hierarchical vision transformer using shifted windows", ICCV, arXiv:2103.14030, here
for four axes and for grids that windows do not fill.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxtempo.networks.keras_seam import Tensor, keras

Grid = tuple[int, int, int, int]
"""Sizes along (t, x, y, z)."""


@dataclass(frozen=True)
class Windows:
    """Windows over a grid.

    Parameters
    ----------
    grid : tokens along (t, x, y, z).
    size : tokens of a window along the same axes.
    shift : how far the grid is rolled towards its start before it is cut; what falls off there comes back at the end.
    """

    grid: Grid
    size: Grid
    shift: Grid = (0, 0, 0, 0)

    @classmethod
    def fit(cls, grid: Grid, size: Grid, shifted: bool = False) -> Windows:
        """Return windows of at most ``size`` that cut every axis evenly; ``shifted`` moves them by half a window.

        Six tokens in windows of at most four are cut into three and three, not into four and a half-empty one. An axis
        that one window holds is not shifted.

        >>> Windows.fit((20, 6, 5, 1), (4, 4, 4, 4), shifted=True)
        Windows(grid=(20, 6, 5, 1), size=(4, 3, 3, 1), shift=(2, 1, 1, 0))
        """
        even = [math.ceil(n / math.ceil(n / wanted)) for n, wanted in zip(grid, size, strict=True)]
        shift = [s // 2 if shifted and n > s else 0 for n, s in zip(grid, even, strict=True)]
        return cls(grid, _grid(even), _grid(shift))

    @property
    def counts(self) -> Grid:
        """Windows along every axis; the last may reach beyond the grid."""
        return _grid([math.ceil(n / s) for n, s in zip(self.grid, self.size, strict=True)])

    @property
    def tokens(self) -> int:
        """Tokens of one window."""
        return math.prod(self.size)

    @property
    def _filled(self) -> Grid:
        return _grid([c * s for c, s in zip(self.counts, self.size, strict=True)])

    def cut(self, x: Tensor) -> Tensor:
        """Return (batch, windows, tokens, features) from (batch, t, x, y, z, features); zeros fill up the last windows."""
        excess = [(0, full - n) for full, n in zip(self._filled, self.grid, strict=True)]
        if any(after for _, after in excess):
            x = keras.ops.pad(x, [(0, 0), *excess, (0, 0)])
        if any(self.shift):
            x = keras.ops.roll(x, [-s for s in self.shift], axis=(1, 2, 3, 4))
        features = x.shape[-1]
        x = _exchange(x, [part for pair in zip(self.counts, self.size, strict=True) for part in pair], features, _APART)
        return keras.ops.reshape(x, (-1, math.prod(self.counts), self.tokens, features))

    def join(self, windows: Tensor) -> Tensor:
        """Return (batch, t, x, y, z, features) from (batch, windows, tokens, features): undo ``cut``."""
        features = windows.shape[-1]
        x = _exchange(windows, [*self.counts, *self.size], features, _TOGETHER)
        x = keras.ops.reshape(x, (-1, *self._filled, features))
        if any(self.shift):
            x = keras.ops.roll(x, list(self.shift), axis=(1, 2, 3, 4))
        if self._filled != self.grid:
            x = x[(slice(None), *(slice(0, n) for n in self.grid))]
        return x

    def regions(self) -> NDArray[np.int32] | None:
        """Return the number of the region of every token, (windows, tokens); None when each window is one region.

        Tokens of a window may attend to each other if they are of one region. Where the grid was rolled, the last
        window of an axis holds its end and its beginning: two regions. Tokens beyond the grid are a region of their own.
        """
        if not any(self.shift) and self._filled == self.grid:
            return None
        regions = np.zeros(self._filled, np.int32)
        outside = np.zeros(self._filled, bool)
        for axis, (n, full, shift) in enumerate(zip(self.grid, self._filled, self.shift, strict=True)):
            along = [-1 if i == axis else 1 for i in range(4)]
            place = np.arange(full) + shift
            regions += ((place >= full) * 2**axis).reshape(along).astype(np.int32)
            outside |= (place % full >= n).reshape(along)
        regions[outside] = -1
        apart = regions.reshape([part for pair in zip(self.counts, self.size, strict=True) for part in pair])
        return apart.transpose(_APART).reshape(-1, self.tokens)

    def offsets(self) -> NDArray[np.int32]:
        """Return a number, (tokens, tokens), for the offset between two tokens of a window, from 0 to ``offset_count``."""
        place = np.stack(np.meshgrid(*map(np.arange, self.size), indexing="ij"), axis=-1).reshape(-1, 4)
        difference = place[:, None] - place[None] + np.array(self.size) - 1
        widths = [2 * s - 1 for s in self.size]
        return np.ravel_multi_index(tuple(np.moveaxis(difference, -1, 0)), widths).astype(np.int32)

    @property
    def offset_count(self) -> int:
        """How many offsets there are between the tokens of a window."""
        return math.prod(2 * s - 1 for s in self.size)


_APART = (0, 2, 4, 6, 1, 3, 5, 7)
_TOGETHER = (0, 4, 1, 5, 2, 6, 3, 7)


def _grid(sizes: list[int]) -> Grid:
    t, x, y, z = sizes
    return t, x, y, z


def _exchange(x: Tensor, parts: list[int], features: int, order: tuple[int, ...]) -> Tensor:
    """Read (batch, ...) as (batch, *parts, features) and bring the parts into another order.

    The features travel with the last part and parts of one are left out, because fewer axes are exchanged faster.
    """
    kept = [i for i in range(len(parts)) if parts[i] > 1]
    place = {part: i + 1 for i, part in enumerate(kept)}
    x = keras.ops.reshape(x, (-1, *(parts[i] for i in kept), features))
    return keras.ops.transpose(x, (0, *(place[i] for i in order if i in place), len(kept) + 1))
