"""Cross-entropy and focal loss, for classes and for label maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from voxtempo.errors import StudyError
from voxtempo.learning.losses.base import Loss, loss
from voxtempo.learning.losses.labels import counted, mean_over_space
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.options import Share


def weight_of(labels: Tensor, weights: tuple[float, ...], classes: int) -> Tensor:
    """Return the weight of each label; there must be one weight a class."""
    if len(weights) != classes:
        raise StudyError(
            f"The loss got {len(weights)} class weights for {classes} classes (labels: with the background)."
        )
    return keras.ops.take(keras.ops.convert_to_tensor(weights, dtype="float32"), labels)


@loss("cross_entropy", tasks=("classify", "segment"))
@dataclass(frozen=True)
class CrossEntropy(Loss):
    """-log p(truth), with the truth smoothed towards uniform and each sample or voxel weighted by its class.

    Parameters
    ----------
    label_smoothing : s; the truth becomes 1 - s + s / k for the true class and s / k for the others.
    class_weights : one factor a class (for label maps, the background first). The mean is over samples or voxels,
        not over the sum of weights, so weights whose average over the data is 1 leave the scale unchanged.
    ignore : label that counts nowhere.

    Examples
    --------
    Logits (0, 0) with truth 1 give log 2 = 0.693.
    """

    label_smoothing: Share = 0.0
    class_weights: tuple[float, ...] | None = None
    ignore: int | None = None
    main: ClassVar[str | None] = "label_smoothing"

    def per_sample(self, truth: Tensor, logits: Tensor) -> Tensor:
        """Truth (batch, [space]) and logits (batch, [space,] k) to (batch,)."""
        labels, mask = counted(truth, self.ignore)
        values = keras.ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        if self.label_smoothing > 0:
            uniform = keras.ops.logsumexp(logits, axis=-1) - keras.ops.mean(logits, axis=-1)
            values = (1 - self.label_smoothing) * values + self.label_smoothing * uniform
        if self.class_weights is not None:
            values = values * weight_of(labels, self.class_weights, logits.shape[-1])
        return mean_over_space(values, mask)


@loss("focal", tasks=("classify", "segment"))
@dataclass(frozen=True)
class Focal(Loss):
    """Cross-entropy times (1 - p(truth))^gamma: what is already right hardly counts.

    Lin et al. 2017, "Focal loss for dense object detection", ICCV, arXiv:1708.02002.

    Parameters
    ----------
    gamma : 0 is cross-entropy.
    class_weights : one factor a class (for label maps, the background first).
    ignore : label that counts nowhere.
    """

    gamma: Annotated[float, Field(ge=0)] = 2.0
    class_weights: tuple[float, ...] | None = None
    ignore: int | None = None
    main: ClassVar[str | None] = "gamma"

    def per_sample(self, truth: Tensor, logits: Tensor) -> Tensor:
        """Truth (batch, [space]) and logits (batch, [space,] k) to (batch,)."""
        labels, mask = counted(truth, self.ignore)
        entropy = keras.ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        # The base is kept off 0, where a fractional power has no finite slope.
        wrong = keras.ops.maximum(1 - keras.ops.exp(-entropy), 1e-7)
        values = entropy * keras.ops.power(wrong, self.gamma)
        if self.class_weights is not None:
            values = values * weight_of(labels, self.class_weights, logits.shape[-1])
        return mean_over_space(values, mask)
