"""Active contour loss: the regions must fit, and their contour is to be short."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from voxtempo.learning.losses.base import Loss, loss
from voxtempo.learning.losses.labels import Compared, compare, mean_over_space
from voxtempo.networks.keras_seam import Tensor, keras

FLAT = 1e-6
"""Added to squared slopes, whose root has no derivative at 0."""


@loss("active_contour", tasks=("segment",))
@dataclass(frozen=True)
class ActiveContour(Loss):
    """The length of the predicted contour (mean slope of p) and p (1 - t)^2 + (1 - p) t^2, means over voxels and labels.

    Chen et al. 2019, "Learning active contour models for medical image segmentation", CVPR, after Chan, Vese 2001. A
    perfect answer costs the length of the true contour.

    Parameters
    ----------
    length_weight : of the length; 0 leaves the regions alone.
    region_weight : of the regions.
    ignore : label whose voxels count nowhere.
    """

    length_weight: Annotated[float, Field(ge=0)] = 0.1
    region_weight: Annotated[float, Field(ge=0)] = 1.0
    ignore: int | None = None
    main: ClassVar[str | None] = "length_weight"

    def per_sample(self, truth: Tensor, logits: Tensor) -> Tensor:
        """Truth (batch, *space[, k]) and logits (batch, *space, k) to (batch,)."""
        compared = compare(truth, logits, self.ignore)
        p, t = compared.structures()
        region = keras.ops.mean(p * keras.ops.square(1 - t) + (1 - p) * keras.ops.square(t), axis=-1)
        length = keras.ops.mean(_slope(p, compared), axis=-1)
        return mean_over_space(self.region_weight * region + self.length_weight * length, compared.mask)


def _slope(p: Tensor, compared: Compared) -> Tensor:
    """Return the length of the forward differences at each voxel; towards what does not count there is no slope."""
    ops = keras.ops
    squared = ops.zeros_like(p)
    for axis in range(1, len(p.shape) - 1):
        change = _ahead(p, axis) - _here(p, axis)
        if compared.mask is not None:
            mask = compared.mask[..., None]
            change = change * _ahead(mask, axis) * _here(mask, axis)
        padding = [[0, int(each == axis)] for each in range(len(p.shape))]
        squared = squared + ops.square(ops.pad(change, padding))
    return ops.sqrt(squared + FLAT) - FLAT**0.5


def _here(values: Tensor, axis: int) -> Tensor:
    return values[(slice(None),) * axis + (slice(None, -1),)]


def _ahead(values: Tensor, axis: int) -> Tensor:
    return values[(slice(None),) * axis + (slice(1, None),)]
