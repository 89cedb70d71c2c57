"""Soft Dice loss, alone and with cross-entropy.

Written by hand: the Dice loss of Keras 3.15 pools the batch and the classes into one overlap, so that a large structure
hides a small one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from voxtempo.learning.losses.base import Loss, Reduction, loss
from voxtempo.learning.losses.cross_entropy import CrossEntropy
from voxtempo.learning.losses.labels import compare, sum_over_space, weights_tensor
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.options import Share


@loss("dice", tasks=("segment",))
@dataclass(frozen=True)
class Dice(Loss):
    """One minus the mean over labels of (2 |p t| + s) / (|p| + |t| + s), with probabilities p and one-hot truth t.

    Milletari, Navab, Ahmadi 2016, "V-Net", 3DV, arXiv:1606.04797; per label as in Drozdzal et al. 2016,
    arXiv:1608.04117.

    Parameters
    ----------
    over : "batch" sums the voxels of the whole batch before dividing, which is steadier when a patch lacks a label;
        "sample" divides for each sample.
    background : whether label 0 counts too.
    smooth : s, in voxels. A label that is neither there nor predicted has a loss of 0.
    class_weights : one weight a label (the background first) or region, for the mean over them.
    ignore : label whose voxels count nowhere.
    """

    over: Reduction = "batch"
    background: bool = False
    smooth: Annotated[float, Field(gt=0)] = 1.0
    class_weights: tuple[float, ...] | None = None
    ignore: int | None = None
    main: ClassVar[str | None] = "over"

    def per_sample(self, truth: Tensor, logits: Tensor) -> Tensor:
        """Truth (batch, *space[, k]) and logits (batch, *space, k) to (batch,), one value for all if over the batch."""
        compared = compare(truth, logits, self.ignore)
        p, t = compared.structures(self.background)
        overlap, size = sum_over_space(p * t, self.over), sum_over_space(p + t, self.over)
        score = (2 * overlap + self.smooth) / (size + self.smooth)
        if self.class_weights is None:
            return 1 - keras.ops.mean(score, axis=-1)
        weights = weights_tensor(self.class_weights, logits.shape[-1])[logits.shape[-1] - p.shape[-1] :]
        return keras.ops.sum((1 - score) * weights, axis=-1) / keras.ops.sum(weights)


@loss("dice_ce", tasks=("segment",))
@dataclass(frozen=True)
class DiceCrossEntropy(Loss):
    """The sum of Dice loss and cross-entropy: the first sees the overlap, the second every voxel.

    Isensee et al. 2021, "nnU-Net", Nature Methods 18, arXiv:1904.08128.

    Parameters
    ----------
    dice_weight, ce_weight : factors of the two terms.
    over, background, smooth : of the Dice loss.
    label_smoothing, class_weights : of the cross-entropy.
    ignore : label whose voxels count in neither.
    """

    dice_weight: Annotated[float, Field(ge=0)] = 1.0
    ce_weight: Annotated[float, Field(ge=0)] = 1.0
    over: Reduction = "batch"
    background: bool = False
    smooth: Annotated[float, Field(gt=0)] = 1.0
    label_smoothing: Share = 0.0
    class_weights: tuple[float, ...] | None = None
    ignore: int | None = None

    def per_sample(self, truth: Tensor, logits: Tensor) -> Tensor:
        """Truth (batch, *space[, k]) and logits (batch, *space, k) to (batch,)."""
        dice = Dice(self.over, self.background, self.smooth, ignore=self.ignore)
        entropy = CrossEntropy(self.label_smoothing, self.class_weights, self.ignore)
        return self.dice_weight * dice.per_sample(truth, logits) + self.ce_weight * entropy.per_sample(truth, logits)
