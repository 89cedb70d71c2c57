"""Losses that shrink the Hausdorff distance: large, deep errors count by a power of how far they reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from voxtempo.learning.losses.base import Loss, Reduction, loss
from voxtempo.learning.losses.dice import Dice
from voxtempo.learning.losses.distances import shifted, signed_distance
from voxtempo.learning.losses.labels import compare, mean_over_space
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.options import Count, Ratio


@loss("hausdorff", tasks=("segment",))
@dataclass(frozen=True)
class Hausdorff(Loss):
    """A surrogate of the Hausdorff distance, and Dice loss.

    Karimi, Salcudean 2019, "Reducing the Hausdorff distance in medical image segmentation with convolutional neural
    networks", IEEE TMI 39, arXiv:1904.10030. Distances are in units of ``reach``, so 1 is the largest loss of either kind.

    Parameters
    ----------
    by : "distance": (p - t)^2 times the distances, to the power of alpha, from the true border and from the predicted one
        (p = 0.5), averaged. "erosion": (p - t)^2 worn away layer by layer, what is left of the k-th layer times k^alpha;
        errors of one layer cost nothing there.
    alpha : power of the distance.
    weight, dice_weight : of the surrogate and of the Dice loss.
    reach : distance up to which errors are told apart by their size, in the shortest side of a voxel; layers of the erosion,
        which knows voxels alone.
    over : of the Dice loss.
    sides : of a voxel along each axis of a sample, in the shortest one, such as [1, 1, 6]; by default those of the median
        training case.
    ignore : label whose voxels count nowhere.
    """

    by: Literal["distance", "erosion"] = "distance"
    alpha: Annotated[float, Field(gt=0)] = 2.0
    weight: Annotated[float, Field(ge=0)] = 1.0
    dice_weight: Annotated[float, Field(ge=0)] = 1.0
    reach: Count = 10
    over: Reduction = "batch"
    sides: tuple[Ratio, ...] = ()
    ignore: int | None = None
    main: ClassVar[str | None] = "by"

    def per_sample(self, truth: Tensor, logits: Tensor) -> Tensor:
        """Truth (batch, *space[, k]) and logits (batch, *space, k) to (batch,)."""
        compared = compare(truth, logits, self.ignore)
        p, t = compared.structures()
        wrong = keras.ops.square(p - t)
        if self.by == "erosion":
            far = self._eroded(wrong)
        else:
            borders = (signed_distance(side > 0.5, compared.mask, self.reach, self.sides) for side in (t, p))
            true, said = (keras.ops.power(keras.ops.abs(border), self.alpha) for border in borders)
            far = wrong * (true + said) / 2
        value = self.weight * mean_over_space(keras.ops.mean(far, axis=-1), compared.mask)
        if self.dice_weight > 0:
            value = value + self.dice_weight * Dice(self.over, ignore=self.ignore).per_sample(truth, logits)
        return value

    def _eroded(self, wrong: Tensor) -> Tensor:
        """Return the sum over layers of what erosion leaves, weighted; each is a mean over neighbours, cut at a half.

        What passes the cut is stretched to 1 again, so that the inside of an error keeps its value.
        """
        ops = keras.ops
        axes = range(1, len(wrong.shape) - 1)
        total, scale = ops.zeros_like(wrong), sum(k**self.alpha for k in range(1, self.reach + 1))
        for k in range(1, self.reach + 1):
            around = wrong
            for axis in axes:
                around = around + shifted(wrong, axis, 1, 0.0) + shifted(wrong, axis, -1, 0.0)
            wrong = 2 * ops.relu(around / (1 + 2 * len(axes)) - 0.5)
            total = total + wrong * (k**self.alpha / scale)
        return total
