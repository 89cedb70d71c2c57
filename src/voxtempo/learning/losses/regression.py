"""Losses of values: squared, absolute, and Huber's between the two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from voxtempo.learning.losses.base import Loss, loss
from voxtempo.learning.losses.labels import mean_over_space
from voxtempo.networks.keras_seam import Tensor, keras


def _error(truth: Tensor, prediction: Tensor) -> Tensor:
    # (batch,) against (batch, 1) would broadcast to (batch, batch) without a word.
    return keras.ops.reshape(keras.ops.cast(truth, "float32"), keras.ops.shape(prediction)) - prediction


@loss("mse", tasks=("regress",))
@dataclass(frozen=True)
class SquaredError(Loss):
    """(truth - prediction)^2, in squared units of the target."""

    def per_sample(self, truth: Tensor, logits: Tensor) -> Tensor:
        """Truth (batch,) or (batch, 1) and predictions (batch, 1) to (batch,)."""
        return mean_over_space(keras.ops.square(_error(truth, logits)), None)


@loss("mae", tasks=("regress",))
@dataclass(frozen=True)
class AbsoluteError(Loss):
    """|truth - prediction|, in units of the target."""

    def per_sample(self, truth: Tensor, logits: Tensor) -> Tensor:
        """Truth (batch,) or (batch, 1) and predictions (batch, 1) to (batch,)."""
        return mean_over_space(keras.ops.abs(_error(truth, logits)), None)


@loss("huber", tasks=("regress",))
@dataclass(frozen=True)
class Huber(Loss):
    """e^2 / 2 for errors up to ``delta``, delta (|e| - delta / 2) beyond: steady steps whatever the outliers.

    Huber 1964, "Robust estimation of a location parameter", Annals of Mathematical Statistics 35(1).

    Parameters
    ----------
    delta : in units of the target (training standardises it, so 1 is one standard deviation).
    """

    delta: Annotated[float, Field(gt=0)] = 1.0
    main: ClassVar[str | None] = "delta"

    def per_sample(self, truth: Tensor, logits: Tensor) -> Tensor:
        """Truth (batch,) or (batch, 1) and predictions (batch, 1) to (batch,)."""
        error = keras.ops.abs(_error(truth, logits))
        inside = keras.ops.minimum(error, self.delta)
        return mean_over_space(inside * (error - 0.5 * inside), None)
