"""A mask at a network's front, fitted on training samples: voxels that are not chosen are 0 for the network.

Imported by the functions that build it, because it derives from a Keras class (see ``keras_seam``).
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from voxtempo.networks.keras_seam import Tensor

NAME = "voxel_selection"


@keras.saving.register_keras_serializable("voxtempo")
class VoxelSelection(keras.layers.Layer):
    """Multiply every sample by one mask that is never learned: 1 where a voxel was chosen, 0 elsewhere.

    Input and output: (batch, *space, channels), or (batch, time, *space, channels), whose mask is the same at all times.

    Parameters
    ----------
    series : whether the first axis after the batch is time.
    """

    def __init__(self, series: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.series = series

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the mask (ones)."""
        shape = input_shape[2:] if self.series else input_shape[1:]
        self.mask = self.add_weight(shape=shape, initializer="ones", trainable=False, name="mask")
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Return the samples with 0 where no voxel was chosen."""
        return inputs * ops.cast(self.mask, inputs.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "series": self.series}
