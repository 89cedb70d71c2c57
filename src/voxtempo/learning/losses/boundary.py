"""Boundary loss: what is wrong counts by its distance from the true border."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from voxtempo.learning.losses.base import Loss, Reduction, loss
from voxtempo.learning.losses.distances import signed_distance
from voxtempo.learning.losses.generalised_dice import GeneralisedDice
from voxtempo.learning.losses.labels import compare, mean_over_space
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.options import Count, Ratio


@loss("boundary", tasks=("segment",))
@dataclass(frozen=True)
class Boundary(Loss):
    """The mean over voxels and labels of phi (p - t), with phi the signed distance from the true border, and overlap.

    Kervadec et al. 2019, "Boundary loss for highly unbalanced segmentation", MIDL, arXiv:1812.07032, whose constant term is
    kept, so that a perfect answer costs nothing. phi is in units of ``reach``, so 1 is the largest loss. Alone it is
    content with predicting nothing where structures are small; as in the paper generalised Dice loss stands beside it.

    Parameters
    ----------
    weight : of the distances.
    dice_weight : of the generalised Dice loss.
    reach : distance from the border beyond which all is equally far, in the shortest side of a voxel.
    over : of the generalised Dice loss.
    sides : of a voxel along each axis of a sample, in the shortest one, such as [1, 1, 6]; by default those of the median
        training case.
    ignore : label whose voxels count nowhere.
    """

    weight: Annotated[float, Field(ge=0)] = 1.0
    dice_weight: Annotated[float, Field(ge=0)] = 1.0
    reach: Count = 10
    over: Reduction = "batch"
    sides: tuple[Ratio, ...] = ()
    ignore: int | None = None
    main: ClassVar[str | None] = "weight"

    def per_sample(self, truth: Tensor, logits: Tensor) -> Tensor:
        """Truth (batch, *space[, k]) and logits (batch, *space, k) to (batch,)."""
        compared = compare(truth, logits, self.ignore)
        p, t = compared.structures()
        wrong = keras.ops.mean(signed_distance(t > 0.5, compared.mask, self.reach, self.sides) * (p - t), axis=-1)
        value = self.weight * mean_over_space(wrong, compared.mask)
        if self.dice_weight > 0:
            dice = GeneralisedDice(over=self.over, ignore=self.ignore)
            value = value + self.dice_weight * dice.per_sample(truth, logits)
        return value
