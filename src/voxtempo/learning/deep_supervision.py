"""Deep supervision: in training, coarser maps of the network are compared with the truth on their own grids too.

Lee et al. 2015, "Deeply-supervised nets", AISTATS, arXiv:1409.5185. The extra answers exist in training alone: a run
stores, and a prediction builds, the network without them. Imported by the function that trains, because it derives from
a Keras class (see ``networks.keras_seam``).
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from voxtempo.networks.keras_seam import Tensor


def weights_of(answers: int) -> tuple[float, ...]:
    """Return the share of each answer in the loss, the full resolution first: each has half the one before, their sum is 1.

    Isensee et al. 2021, "nnU-Net", Nature Methods 18, arXiv:1904.08128.

    >>> [round(share, 3) for share in weights_of(3)]
    [0.571, 0.286, 0.143]
    """
    halves = [0.5**place for place in range(answers)]
    return tuple(half / sum(halves) for half in halves)


def nearest_voxels(size: int, target: int) -> NDArray[np.int32]:
    """Return for each of ``target`` cells that cover an axis of ``size`` voxels the voxel that holds its centre.

    >>> nearest_voxels(9, 3).tolist(), nearest_voxels(4, 4).tolist()
    ([1, 4, 7], [0, 1, 2, 3])
    """
    return ((np.arange(target) + 0.5) * size / target).astype(np.int32)


def on_grid(labels: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """Return a label map (batch, x, y[, z]) on a coarser grid of the same field of view: labels are picked, never mixed."""
    for axis, target in enumerate(sizes, start=1):
        if labels.shape[axis] != target:
            labels = keras.ops.take(labels, nearest_voxels(labels.shape[axis], target), axis=axis)
    return labels


class DeeplySupervised(keras.Model):
    """A network of several answers: training compares all of them with the truth, and prediction gives the first.

    Parameters
    ----------
    network : gives a list of logits, each (batch, x, y[, z], labels), the full resolution first.

    Notes
    -----
    The compiled loss is a mean over samples from one label map and one map of logits; its weights are ``weights_of``.
    """

    def __init__(self, network: Any) -> None:
        # With the network's own policy Keras scales the loss where that is float16.
        super().__init__(name=network.name, dtype=network.dtype_policy)
        self.network = network
        self.built = True

    def call(self, inputs: Tensor, training: bool | None = None) -> Any:
        """Return all answers in training, else the full resolution's."""
        answers = self.network(inputs, training=training)
        return answers if training else answers[0]

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Tensor:
        """Return the weighted sum of the compiled loss over all answers."""
        answers = y_pred if isinstance(y_pred, list | tuple) else [y_pred]
        shares = weights_of(len(answers))
        parts = [
            share * self.loss(on_grid(y, tuple(logits.shape[1:-1])), logits, sample_weight)
            for share, logits in zip(shares, answers, strict=True)
        ]
        return sum(parts[1:], parts[0])


def to_train(network: Any) -> Any:
    """Return the model to compile and fit: the network itself unless it gives several answers."""
    return DeeplySupervised(network) if len(network.outputs) > 1 else network


def to_predict(model: Any) -> Any:
    """Return the network of one answer, with the weights of the model that ``to_train`` returned."""
    if not isinstance(model, DeeplySupervised):
        return model
    return keras.Model(model.network.input, model.network.outputs[0], name=model.name)
