"""Cut a series into patches, each one vector of its voxels: the tokens of vision transformers.

A convolution with a stride as large as its kernel does the same with a matrix product; cut first, every patch size costs
the same, and the patches can fit the grid.
"""

from __future__ import annotations

from voxtempo.networks.attention_windows import Grid, Windows
from voxtempo.networks.keras_seam import Tensor, keras


def cut_patches(x: Tensor, size: Grid) -> Tensor:
    """Return (batch, t, x, y, z, numbers of a patch), with one token a patch, from (batch, t, x, y, z, channels).

    Parameters
    ----------
    x : the series, or tokens that are to be merged.
    size : of a patch along (t, x, y, z), at most: every axis is cut evenly, and zeros fill up its last patch.
    """
    patches = Windows.fit(tuple(x.shape[1:5]), size)
    return keras.ops.reshape(patches.cut(x), (-1, *patches.counts, patches.tokens * x.shape[-1]))


def merge_patches(x: Tensor, features: int) -> Tensor:
    """Describe every 2 x 2 x 2 neighbouring tokens of (batch, t, x, y, z, f) by one vector of ``features``; time stays."""
    joined = keras.layers.LayerNormalization(epsilon=1e-5)(cut_patches(x, (1, 2, 2, 2)))
    return keras.layers.Dense(features, use_bias=False)(joined)
