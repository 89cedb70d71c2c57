"""A convolutional LSTM for volumes, by hand: Keras's ConvLSTM3D convolves eight times a time step where one will do.

Imported by the functions that build it, because it derives from a Keras class (see ``keras_seam``).
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from voxtempo.networks.keras_seam import Tensor


@keras.saving.register_keras_serializable("voxtempo")
class ConvLSTM(keras.layers.Layer):
    """Read maps in order with an LSTM whose products are convolutions, and return the last state.

    What the gates take from the input does not depend on the state, so all frames pass one convolution before the first
    step; a step then convolves the state once, for the four gates together. Input (batch, time, x, y, z, channels),
    output (batch, x, y, z, filters).

    Parameters
    ----------
    filters : channels of the state.
    kernel : voxels along each axis of the kernels, of input and state alike.

    Notes
    -----
    Shi et al. 2015, "Convolutional LSTM network: a machine learning approach for precipitation nowcasting", NeurIPS,
    arXiv:1506.04214, without the peepholes. The forget gate's bias starts at one (Jozefowicz, Zaremba, Sutskever 2015,
    ICML); gates stand in the order input, forget, cell, output.
    """

    def __init__(self, filters: int, kernel: tuple[int, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters, self.kernel_size = filters, tuple(kernel)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the kernels of input and state, each for the four gates, and the bias."""
        gates = 4 * self.filters
        self.kernel = self.add_weight(
            shape=(*self.kernel_size, input_shape[-1], gates), initializer="glorot_uniform", name="kernel"
        )
        self.recurrent_kernel = self.add_weight(
            shape=(*self.kernel_size, self.filters, gates), initializer="orthogonal", name="recurrent_kernel"
        )
        self.bias = self.add_weight(shape=(gates,), initializer="zeros", name="bias")
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Return the last state."""
        time, sizes = inputs.shape[1], inputs.shape[2:-1]
        folded = ops.reshape(inputs, (-1, *inputs.shape[2:]))
        driven = ops.conv(folded, self.kernel, padding="same") + self.bias
        driven = ops.moveaxis(ops.reshape(driven, (-1, time, *sizes, 4 * self.filters)), 1, 0)
        start = ops.zeros_like(driven[0][..., : self.filters])
        (state, _), _ = ops.scan(self._step, (start, start), driven)
        return state

    def _step(self, carry: tuple[Tensor, Tensor], driven: Tensor) -> tuple[tuple[Tensor, Tensor], None]:
        state, cell = carry
        gates = driven + ops.conv(state, self.recurrent_kernel, padding="same")
        enter, forget, candidate, leave = ops.split(gates, 4, axis=-1)
        # The bias of the forget gate starts at one, which is easier to say here than to initialise.
        cell = ops.sigmoid(forget + 1) * cell + ops.sigmoid(enter) * ops.tanh(candidate)
        return (ops.sigmoid(leave) * ops.tanh(cell), cell), None

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (batch, x, y, z, filters)."""
        return (input_shape[0], *input_shape[2:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "filters": self.filters, "kernel": self.kernel_size}
