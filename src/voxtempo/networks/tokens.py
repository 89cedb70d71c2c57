"""Slices and volumes as tokens on a grid (t, x, y, z), which attention works on, and back."""

from __future__ import annotations

from voxtempo.networks.blocks import space
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.patches import cut_patches


def embed_patches(x: Tensor, patch: int, features: int) -> Tensor:
    """Return one vector a patch, (batch, 1, x, y, z, features), from (batch, x, y[, z], channels).

    Parameters
    ----------
    x : slices (z becomes 1) or volumes.
    patch : voxels along each side of a patch, at most: every axis is cut evenly.
    features : size of the vectors, a linear projection of the patch's voxels.
    """
    sizes = (*space(x), 1)[:3]
    series = keras.ops.reshape(x, (-1, 1, *sizes, x.shape[-1]))
    return keras.layers.Dense(features)(cut_patches(series, (1, patch, patch, patch)))


def as_map(tokens: Tensor, axes: int) -> Tensor:
    """Return (batch, x, y[, z], features) from (batch, 1, x, y, z, features); with two ``axes`` z is 1."""
    return keras.ops.reshape(tokens, (-1, *tokens.shape[2 : 2 + axes], tokens.shape[-1]))
