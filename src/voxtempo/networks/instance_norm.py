"""Instance normalisation, by hand: Keras's GroupNormalization exports to a graph many times slower on processors.

Imported by the functions that build it, because it derives from a Keras class (see ``keras_seam``).
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from voxtempo.networks.keras_seam import Tensor


@keras.saving.register_keras_serializable("voxtempo")
class InstanceNorm(keras.layers.Layer):
    """Zero mean and unit variance over space, for each sample and channel, then a learned scale and shift.

    Statistics, scale and shift are float32 whatever the compute precision; the result has the compute precision.
    Input and output: (batch, *space, channels), one to three axes of space.

    Parameters
    ----------
    epsilon : added to the variance.

    Notes
    -----
    Ulyanov, Vedaldi, Lempitsky 2016, "Instance normalization: the missing ingredient for fast stylization",
    arXiv:1607.08022.
    """

    def __init__(self, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the scale gamma (ones) and the shift beta (zeros), one a channel."""
        channels = (input_shape[-1],)
        self.gamma = self.add_weight(shape=channels, initializer="ones", name="gamma", dtype="float32", autocast=False)
        self.beta = self.add_weight(shape=channels, initializer="zeros", name="beta", dtype="float32", autocast=False)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Normalise."""
        x = ops.cast(inputs, "float32")
        axes = list(range(1, len(x.shape) - 1))
        # Not ops.moments: it centres once more, and on PyTorch its variance, a difference of large numbers, can be negative.
        centred = x - ops.mean(x, axis=axes, keepdims=True)
        variance = ops.mean(ops.square(centred), axis=axes, keepdims=True)
        gain = ops.rsqrt(variance + self.epsilon) * self.gamma
        return ops.cast(centred * gain + self.beta, self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "epsilon": self.epsilon}
