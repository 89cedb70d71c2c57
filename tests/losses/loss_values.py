"""Losses and their gradients as numpy arrays, on whatever backend Keras has."""

from __future__ import annotations

import numpy as np

from voxtempo.learning.losses import choose_loss
from voxtempo.networks.keras_seam import keras


def per_sample(name: str, task: str, truth: np.ndarray, logits: np.ndarray, **options: object) -> np.ndarray:
    values = choose_loss(task, name, options).per_sample(truth, keras.ops.convert_to_tensor(logits))
    return keras.ops.convert_to_numpy(values)


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def gradient(name: str, task: str, truth: np.ndarray, x: object) -> np.ndarray:
    """Return the gradient of the mean loss, by the one Keras way that is the same on all backends: a step of SGD."""
    values = keras.ops.convert_to_numpy(x.value)
    layer = keras.layers.Embedding(1, values.size, weights=[values.reshape(1, -1)])
    inputs = keras.Input((1,), batch_size=1, dtype="int32")
    flat = keras.ops.reshape(layer(inputs), values.shape)
    model = keras.Model(inputs, flat)
    chosen = choose_loss(task, name)
    model.compile(
        keras.optimizers.SGD(1.0), lambda _, y: keras.ops.mean(chosen.per_sample(truth, y)), jit_compile=False
    )
    model.train_on_batch(np.zeros((1, 1), np.int32), np.zeros((1, 1), np.float32))
    return (values.reshape(-1) - layer.get_weights()[0].reshape(-1)).reshape(values.shape)
