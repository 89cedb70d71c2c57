"""Depthwise convolution: every channel has a kernel of its own and sees no other channel.

In three axes it is a sum over the planes of the kernel, each a convolution in two axes of the map moved along the first
axis. Keras's Conv3D with as many groups as channels does the same, but TensorFlow has no such kernel on processors:
measured on two cores, (2, 24, 32, 24, 32), forward and backward: groups 1131 ms, planes 9 ms (3 x 3 x 3); 4879 ms and
37 ms (5 x 5 x 5). On JAX planes take 127 ms instead of 603 ms, on PyTorch 39 ms instead of 47 ms.

Imported by the functions that build it, because it derives from a Keras class (see ``keras_seam``).
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from voxtempo.levels import kernel_along
from voxtempo.networks.keras_seam import Tensor


@keras.saving.register_keras_serializable("voxtempo")
class DepthwiseConv(keras.layers.Layer):
    """Convolve every channel by itself, with "same" padding; input and output: (batch, *space, channels), 2 or 3 axes.

    Parameters
    ----------
    size : voxels along each side of the kernels, odd; 1 along axes of one voxel.
    """

    def __init__(self, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the kernels (*space, channels), He-normal, and the biases (zeros)."""
        channels = input_shape[-1]
        sides = kernel_along(tuple(input_shape[1:-1]), self.size)  # type: ignore[arg-type]
        self.kernel = self.add_weight(
            shape=(*sides, channels),
            initializer=keras.initializers.RandomNormal(stddev=math.sqrt(2 / math.prod(sides))),
            name="kernel",
        )
        self.bias = self.add_weight(shape=(channels,), initializer="zeros", name="bias")
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Convolve."""
        if len(inputs.shape) == 4:
            return _in_plane(inputs, self.kernel) + self.bias
        _, x, y, z, channels = inputs.shape
        planes = self.kernel.shape[0]
        half = planes // 2
        moved = ops.pad(inputs, [(0, 0), (half, half), (0, 0), (0, 0), (0, 0)]) if half else inputs
        total = self.bias
        for plane in range(planes):
            slab = ops.reshape(moved[:, plane : plane + x], (-1, y, z, channels))
            total = total + ops.reshape(_in_plane(slab, self.kernel[plane]), (-1, x, y, z, channels))
        return total

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "size": self.size}


def _in_plane(x: Tensor, kernel: Tensor) -> Tensor:
    return ops.depthwise_conv(x, ops.expand_dims(kernel, -1), padding="same")


@keras.saving.register_keras_serializable("voxtempo")
class ResponseNorm(keras.layers.Layer):
    """Global response normalisation: channels compete by how much they say over all of space.

    Input and output: (batch, *space, channels). A channel is multiplied by its root sum of squares, relative to the
    channels' mean of it, with a learned gain and shift a channel (both start at zero: nothing changes), and added.

    Notes
    -----
    Woo et al. 2023, "ConvNeXt V2", CVPR, arXiv:2301.00808. Statistics are float32 whatever the compute precision.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create gamma and beta, one a channel."""
        channels = (input_shape[-1],)
        self.gamma = self.add_weight(shape=channels, initializer="zeros", name="gamma", dtype="float32", autocast=False)
        self.beta = self.add_weight(shape=channels, initializer="zeros", name="beta", dtype="float32", autocast=False)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Normalise."""
        x = ops.cast(inputs, "float32")
        axes = list(range(1, len(x.shape) - 1))
        energy = ops.sqrt(ops.sum(ops.square(x), axis=axes, keepdims=True) + 1e-6)
        share = energy / (ops.mean(energy, axis=-1, keepdims=True) + 1e-6)
        return ops.cast(x + self.gamma * x * share + self.beta, self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input's shape."""
        return input_shape
