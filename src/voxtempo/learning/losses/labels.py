"""What the losses of labels share: which voxels count, what is compared with what, and sums over the axes of space.

A truth has one of two forms. A label map (batch, *space) holds one label a voxel; logits then pass a softmax, and label 0
is the background. Region maps (batch, *space, regions) hold 0 or 1 for regions that may overlap; logits then pass a
sigmoid each, and there is no background. What is ignored has the value ``ignore`` in either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voxtempo.errors import StudyError
from voxtempo.learning.losses.base import Reduction
from voxtempo.networks.keras_seam import Tensor, keras

IGNORED = -1
"""The value of voxels that the study ignores, in the label maps that the feed gives."""


def counted(truth: Tensor, ignore: int | None) -> tuple[Tensor, Tensor | None]:
    """Return integer labels that are safe to look up, and a float mask of those that count (None: all do).

    Ignored labels become 0 and have mask 0.
    """
    labels = keras.ops.cast(truth, "int32")
    if ignore is None:
        return labels, None
    kept = keras.ops.not_equal(labels, ignore)
    return keras.ops.where(kept, labels, 0), keras.ops.cast(kept, "float32")


def mean_over_space(values: Tensor, mask: Tensor | None) -> Tensor:
    """Return the mean of each sample over all its voxels that count: (batch, ...) -> (batch,); 0 where none counts."""
    axes = list(range(1, len(values.shape)))
    if mask is None:
        return keras.ops.mean(values, axis=axes) if axes else values
    if not axes:
        return values * mask
    return keras.ops.sum(values * mask, axis=axes) / keras.ops.maximum(keras.ops.sum(mask, axis=axes), 1.0)


def are_regions(truth: Tensor, logits: Tensor) -> bool:
    """Return whether a truth is region maps, (batch, *space, regions), and not a label map."""
    return len(truth.shape) == len(logits.shape)


def region_maps(labels: Tensor, regions: Sequence[Sequence[int]], ignore: int | None) -> Tensor:
    """Return a label map (batch, *space) as region maps (batch, *space, regions).

    Parameters
    ----------
    labels : label map.
    regions : the labels of each region.
    ignore : label that counts nowhere; it is kept in every map.
    """
    table = np.zeros((max(max(region) for region in regions) + 1, len(regions)), dtype="int32")
    for column, region in enumerate(regions):
        table[list(region), column] = 1
    plain, mask = counted(labels, ignore)
    maps = keras.ops.take(keras.ops.convert_to_tensor(table), plain, axis=0)
    return maps if mask is None else keras.ops.where(mask[..., None] > 0, maps, ignore)


@dataclass(frozen=True)
class Compared:
    """Probabilities ``p`` and truth ``t``, (batch, *space, k), 0 where a voxel does not count; ``mask`` (batch, *space)."""

    p: Tensor
    t: Tensor
    mask: Tensor | None
    overlapping: bool

    def structures(self, background: bool = False) -> tuple[Tensor, Tensor]:
        """Return p and t of every region, or of every label without the background (unless it is asked for)."""
        return (self.p, self.t) if background or self.overlapping else (self.p[..., 1:], self.t[..., 1:])


def compare(truth: Tensor, logits: Tensor, ignore: int | None) -> Compared:
    """Return what a loss of overlaps or distances compares, for label maps or region maps."""
    ops = keras.ops
    labels, mask = counted(truth, ignore)
    if are_regions(truth, logits):
        p, t = ops.sigmoid(logits), ops.cast(labels, "float32")
        mask = None if mask is None else mask[..., 0]
    else:
        p, t = ops.softmax(logits, axis=-1), ops.one_hot(labels, logits.shape[-1], dtype="float32")
    if mask is not None:
        p, t = p * mask[..., None], t * mask[..., None]
    return Compared(p, t, mask, are_regions(truth, logits))


def sum_over_space(values: Tensor, over: Reduction) -> Tensor:
    """Return sums (batch, k) of (batch, *space, k): of each sample, or the whole batch's sum for every sample."""
    sums = keras.ops.sum(values, axis=list(range(1, len(values.shape) - 1)))
    if over == "sample":
        return sums
    return keras.ops.broadcast_to(keras.ops.sum(sums, axis=0, keepdims=True), keras.ops.shape(sums))


def weights_tensor(weights: Sequence[float], classes: int) -> Tensor:
    """Return weights as a tensor; there must be one a class.

    Raises
    ------
    StudyError : there are more or fewer.
    """
    if len(weights) != classes:
        raise StudyError(
            f"The loss got {len(weights)} class weights for {classes} classes (labels: with the background)."
        )
    return keras.ops.convert_to_tensor(weights, dtype="float32")
