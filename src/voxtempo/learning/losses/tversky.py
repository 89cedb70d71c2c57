"""Tversky and focal Tversky loss: Dice whose two kinds of error have prices of their own.

Written by hand: the Tversky loss of Keras 3.15.1 has the two prices exchanged, and pools batch and classes into one index.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from voxtempo.learning.losses.base import Loss, Reduction, loss
from voxtempo.learning.losses.labels import compare, sum_over_space
from voxtempo.networks.keras_seam import Tensor, keras

Price = Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class _Tversky(Loss):
    """The options of both, and the index."""

    alpha: Price = 0.3
    beta: Price = 0.7
    over: Reduction = "batch"
    background: bool = False
    smooth: Annotated[float, Field(gt=0)] = 1.0
    ignore: int | None = None

    def _missing(self, truth: Tensor, logits: Tensor) -> Tensor:
        """Return one minus the index of every label: (batch, labels)."""
        p, t = compare(truth, logits, self.ignore).structures(self.background)
        both, said, true = (sum_over_space(values, self.over) for values in (p * t, p, t))
        errors = self.alpha * (said - both) + self.beta * (true - both)
        return errors / (both + errors + self.smooth)


@loss("tversky", tasks=("segment",))
@dataclass(frozen=True)
class Tversky(_Tversky):
    """One minus the mean over labels of (TP + s) / (TP + alpha FP + beta FN + s), with soft counts of voxels.

    Salehi, Erdogmus, Gholipour 2017, "Tversky loss function for image segmentation using 3D fully convolutional deep
    networks", MLMI, arXiv:1706.05721.

    Parameters
    ----------
    alpha : price of false positives.
    beta : price of false negatives; larger than alpha finds more of small structures. Both 0.5 is the Dice loss (with
        half its smoothing).
    over : "batch" counts over the whole batch before dividing, "sample" over each sample.
    background : whether label 0 counts too.
    smooth : s, in voxels.
    ignore : label whose voxels count nowhere.
    """

    def per_sample(self, truth: Tensor, logits: Tensor) -> Tensor:
        """Truth (batch, *space[, k]) and logits (batch, *space, k) to (batch,)."""
        return keras.ops.mean(self._missing(truth, logits), axis=-1)


@loss("focal_tversky", tasks=("segment",))
@dataclass(frozen=True)
class FocalTversky(_Tversky):
    """The mean over labels of (1 - Tversky index)^(1 / gamma): labels that are nearly right keep a steep slope.

    Abraham, Khan 2019, "A novel focal Tversky loss function with improved attention U-Net for lesion segmentation", ISBI,
    arXiv:1810.07842 (where alpha and beta are exchanged; here alpha is the price of false positives as in Tversky loss).

    Parameters
    ----------
    alpha : price of false positives.
    beta : price of false negatives.
    over : "batch" counts over the whole batch before dividing, "sample" over each sample.
    background : whether label 0 counts too.
    smooth : in voxels, in numerator and denominator.
    ignore : label whose voxels count nowhere.
    gamma : 1 is the Tversky loss.
    """

    gamma: Annotated[float, Field(ge=1, le=3)] = 4 / 3
    main: ClassVar[str | None] = "gamma"

    def per_sample(self, truth: Tensor, logits: Tensor) -> Tensor:
        """Truth (batch, *space[, k]) and logits (batch, *space, k) to (batch,)."""
        # The base is kept off 0, where a fractional power has no finite slope.
        missing = keras.ops.maximum(self._missing(truth, logits), 1e-7)
        return keras.ops.mean(keras.ops.power(missing, 1 / self.gamma), axis=-1)
