"""Generalised Dice loss: one overlap of all labels, in which each label counts by the inverse square of its volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from voxtempo.learning.losses.base import Loss, Reduction, loss
from voxtempo.learning.losses.labels import compare, sum_over_space
from voxtempo.networks.keras_seam import Tensor, keras


@loss("generalised_dice", tasks=("segment",))
@dataclass(frozen=True)
class GeneralisedDice(Loss):
    """1 - (2 sum_k w_k |p_k t_k| + s) / (sum_k w_k (|p_k| + |t_k|) + s), with w_k the inverse square of label k's volume.

    Sudre et al. 2017, "Generalised Dice overlap as a deep learning loss function for highly unbalanced segmentations",
    DLMIA, arXiv:1707.03237. Weights are divided by the largest, so that s is in voxels of the smallest label. A label that
    is not there, whose inverse volume would be infinite, has the weight of the smallest one that is.

    Parameters
    ----------
    over : "batch" counts over the whole batch before dividing, "sample" over each sample.
    background : whether label 0 counts too.
    smooth : s, in voxels.
    ignore : label whose voxels count nowhere.
    """

    over: Reduction = "batch"
    background: bool = True
    smooth: Annotated[float, Field(gt=0)] = 1.0
    ignore: int | None = None
    main: ClassVar[str | None] = "over"

    def per_sample(self, truth: Tensor, logits: Tensor) -> Tensor:
        """Truth (batch, *space[, k]) and logits (batch, *space, k) to (batch,)."""
        ops = keras.ops
        p, t = compare(truth, logits, self.ignore).structures(self.background)
        overlap, said, true = (sum_over_space(values, self.over) for values in (p * t, p, t))
        there = true > 0
        smallest = ops.min(ops.where(there, true, 1e9), axis=-1, keepdims=True)
        weights = ops.where(there, ops.square(smallest / ops.maximum(true, 1.0)), 1.0)
        shared, size = ops.sum(weights * overlap, axis=-1), ops.sum(weights * (said + true), axis=-1)
        return 1 - (2 * shared + self.smooth) / (size + self.smooth)
