"""What is learned and added to tokens: their place in a grid, and a token that reads the others out.

Imported by the functions that build them, because they derive from a Keras class (see ``keras_seam``).
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from voxtempo.networks.keras_seam import Tensor


@keras.saving.register_keras_serializable("voxtempo")
class Positions(keras.layers.Layer):
    """Add a learned vector to every place along some axes; input and output: (batch, ..., features).

    Parameters
    ----------
    axes : along which places differ; the batch is axis 0.

    Notes
    -----
    Dosovitskiy et al. 2021, "An image is worth 16x16 words", ICLR, arXiv:2010.11929.
    """

    def __init__(self, axes: tuple[int, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axes = tuple(axes)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the vectors, normal with a standard deviation of 0.02."""
        last = len(input_shape) - 1
        self.vectors = self.add_weight(
            shape=tuple(n if axis in (*self.axes, last) else 1 for axis, n in enumerate(input_shape)),
            initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            name="vectors",
        )
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Add the vectors."""
        return inputs + self.vectors

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "axes": self.axes}


@keras.saving.register_keras_serializable("voxtempo")
class ClassToken(keras.layers.Layer):
    """Put one learned vector before a sequence: (batch, tokens, features) to (batch, 1 + tokens, features)."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the vector, normal with a standard deviation of 0.02."""
        self.token = self.add_weight(
            shape=(1, 1, input_shape[-1]), initializer=keras.initializers.TruncatedNormal(stddev=0.02), name="token"
        )
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Concatenate."""
        token = ops.broadcast_to(self.token, (ops.shape(inputs)[0], 1, inputs.shape[-1]))
        return ops.concatenate([ops.cast(token, inputs.dtype), inputs], axis=1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape with one token more."""
        batch, tokens, features = input_shape
        return batch, (tokens or 0) + 1, features
