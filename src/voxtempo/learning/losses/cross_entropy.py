"""Cross-entropy and focal loss, for classes, for label maps and (as binary ones, averaged) for overlapping regions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from voxtempo.learning.losses.base import Loss, loss
from voxtempo.learning.losses.labels import are_regions, counted, mean_over_space, weights_tensor
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.options import Share

ClassWeights = tuple[float, ...] | None


@loss("cross_entropy", tasks=("classify", "segment"))
@dataclass(frozen=True)
class CrossEntropy(Loss):
    """-log p(truth), with the truth smoothed towards uniform and each sample or voxel weighted by its class.

    Parameters
    ----------
    label_smoothing : s; the truth becomes 1 - s + s / k for the true class and s / k for the others (k = 2 for a region).
    class_weights : one factor a class (for label maps, the background first) or region. The mean is over samples or
        voxels, not over the sum of weights, so weights whose average over the data is 1 leave the scale unchanged.
    ignore : label that counts nowhere.

    Examples
    --------
    Logits (0, 0) with truth 1 give log 2 = 0.693.
    """

    label_smoothing: Share = 0.0
    class_weights: ClassWeights = None
    ignore: int | None = None
    main: ClassVar[str | None] = "label_smoothing"

    def per_sample(self, truth: Tensor, logits: Tensor) -> Tensor:
        """Truth (batch, [space]) or (batch, space, k) and logits (batch, [space,] k) to (batch,)."""
        labels, mask = counted(truth, self.ignore)
        if are_regions(truth, logits):
            target = (1 - self.label_smoothing) * keras.ops.cast(labels, "float32") + self.label_smoothing / 2
            values = keras.ops.maximum(logits, 0.0) - logits * target + keras.ops.softplus(-keras.ops.abs(logits))
        else:
            values = keras.ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
            if self.label_smoothing > 0:
                uniform = keras.ops.logsumexp(logits, axis=-1) - keras.ops.mean(logits, axis=-1)
                values = (1 - self.label_smoothing) * values + self.label_smoothing * uniform
        return mean_over_space(_weighted(values, labels, logits, self.class_weights), mask)


@loss("focal", tasks=("classify", "segment"))
@dataclass(frozen=True)
class Focal(Loss):
    """Cross-entropy times (1 - p(truth))^gamma: what is already right hardly counts.

    Lin et al. 2017, "Focal loss for dense object detection", ICCV, arXiv:1708.02002.

    Parameters
    ----------
    gamma : 0 is cross-entropy.
    class_weights : one factor a class (for label maps, the background first) or region.
    ignore : label that counts nowhere.
    """

    gamma: Annotated[float, Field(ge=0)] = 2.0
    class_weights: ClassWeights = None
    ignore: int | None = None
    main: ClassVar[str | None] = "gamma"

    def per_sample(self, truth: Tensor, logits: Tensor) -> Tensor:
        """Truth (batch, [space]) or (batch, space, k) and logits (batch, [space,] k) to (batch,)."""
        labels, mask = counted(truth, self.ignore)
        if are_regions(truth, logits):
            entropy = keras.ops.softplus(keras.ops.where(labels > 0, -logits, logits))
        else:
            entropy = keras.ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        # The base is kept off 0, where a fractional power has no finite slope.
        wrong = keras.ops.maximum(1 - keras.ops.exp(-entropy), 1e-7)
        values = entropy * keras.ops.power(wrong, self.gamma)
        return mean_over_space(_weighted(values, labels, logits, self.class_weights), mask)


def _weighted(values: Tensor, labels: Tensor, logits: Tensor, weights: ClassWeights) -> Tensor:
    """Return values times the weight of each one's class (of regions: of each one's region)."""
    if weights is None:
        return values
    tensor = weights_tensor(weights, logits.shape[-1])
    return values * (tensor if are_regions(labels, logits) else keras.ops.take(tensor, labels))
