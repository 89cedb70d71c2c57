"""Batch statistics for prediction, gathered anew with the weights held still.

Batch normalisation predicts with running means of what it saw in training. In 3D batches are small and weights change fast,
so those means lag behind: a network that trains well can be wildly wrong in prediction, and the epoch that looks best is
the one that was lucky. Before each validation some training samples, unaugmented, are therefore shown once more without
learning (Wu, Johnson 2021, "Rethinking 'Batch' in BatchNorm", arXiv:2105.07576: precise statistics).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from voxtempo.feed import Batches
from voxtempo.learning.backend import training_pass

PASSES = 24
"""Batches shown; with a running mean of momentum 0.9 what was known before then weighs 8 %."""


def keeps_batch_statistics(model: Any) -> bool:
    """Return whether any layer of the model normalises over the batch."""
    import keras

    return any(isinstance(layer, keras.layers.BatchNormalization) for layer in _layers(model))


def _layers(model: Any) -> Iterator[Any]:
    for layer in getattr(model, "layers", ()):
        yield layer
        yield from _layers(layer)


def refresher(model: Any, batches: Batches) -> Callable[[int], None]:
    """Return a function of the epoch that gathers the model's batch statistics anew; it does nothing without any.

    Parameters
    ----------
    model : gives logits.
    batches : training samples without augmentation.
    """
    if not keeps_batch_statistics(model):
        return lambda epoch: None
    show = training_pass(model)

    def refresh(epoch: int) -> None:
        for batch in batches.epoch(epoch, steps=PASSES):
            show(np.ascontiguousarray(batch.image))

    return refresh
