"""Group normalisation from each channel's own moments: as cheap as instance normalisation, and it keeps what that erases.

Instance normalisation followed by global pooling forgets how strong a channel was anywhere in the volume; within a group,
channels stay comparable. Unlike batch normalisation it does not depend on the batch, which in 3D is always small.

Imported by the functions that build it, because it derives from a Keras class (see ``keras_seam``).
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from voxtempo.networks.instance_norm import InstanceNorm
from voxtempo.networks.keras_seam import Tensor


@keras.saving.register_keras_serializable("voxtempo")
class GroupNorm(InstanceNorm):
    """Zero mean and unit variance over space and a group of channels, for each sample; then a learned scale and shift.

    Input and output: (batch, *space, channels), one to three axes of space.

    Parameters
    ----------
    groups : into which the channels fall; where they cannot, the largest number that divides both.
    epsilon : added to the variance.

    Notes
    -----
    Wu, He 2018, "Group normalization", ECCV, arXiv:1803.08494.
    """

    def __init__(self, groups: int = 8, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(epsilon, **kwargs)
        self.groups = groups

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance of each channel's group, each (batch, 1, ..., channels)."""
        mean, variance = super().moments(x)
        channels = x.shape[-1]
        groups = math.gcd(self.groups, channels)
        shape = (-1, *(1,) * (len(x.shape) - 2), groups, channels // groups)

        def over_group(values: Tensor) -> Tensor:
            means = ops.mean(ops.reshape(values, shape), axis=-1, keepdims=True)
            spread = ops.broadcast_to(means, (*ops.shape(means)[:-1], channels // groups))
            return ops.reshape(spread, (-1, *shape[1:-2], channels))

        centre = over_group(mean)
        return centre, over_group(variance + ops.square(mean - centre))

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "groups": self.groups}
