"""A transformer encoder over a sequence of vectors, and what tells it when each of them was measured."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from voxtempo.networks.keras_seam import Tensor, keras

SLOWEST, FASTEST = 0.005, 0.5
"""Hz; what the blood's answer to anything can show lies between."""


def drop_paths(highest: float, depth: int) -> tuple[float, ...]:
    """Return each block's share of dropped branches, rising from nothing to ``highest`` at the last.

    >>> drop_paths(0.2, 3)
    (0.0, 0.1, 0.2)
    """
    return tuple(float(share) for share in np.linspace(0, highest, depth)) if depth > 1 else (highest,) * depth


def encode(
    series: Tensor,
    *,
    depth: int,
    heads: int,
    mlp: float = 2.0,
    dropout: float = 0.0,
    drop_path: float = 0.0,
    normalise: bool = True,
) -> Tensor:
    """Let the vectors of a sequence inform each other, block after block.

    Parameters
    ----------
    series : (batch, t, features); it does not know its order, see ``time_positions``.
    depth : blocks.
    heads : of every attention; they need not divide the features.
    mlp : width of the inner layer of each block's perceptron, in features.
    dropout : share of each branch's numbers that is dropped in training.
    drop_path : share of samples in which a whole branch of the last block is dropped in training; fewer in earlier ones.
    normalise : normalise each vector at the end, as is usual. That takes away how large a vector is, and with it how
        strong a change is where vectors stand for patches of a series that holds nothing but changes.

    Returns
    -------
    (batch, t, features).

    References
    ----------
    Vaswani et al. 2017, "Attention is all you need", NeurIPS, arXiv:1706.03762; normalisation before each branch: Xiong
    et al. 2020, "On layer normalization in the transformer architecture", ICML, arXiv:2002.04745; stochastic depth:
    Huang et al. 2016, "Deep networks with stochastic depth", ECCV, arXiv:1603.09382.
    """
    from voxtempo.networks.attention import SelfAttention

    x = series
    for share in drop_paths(drop_path, depth):
        x = encoder_block(x, SelfAttention(heads), mlp=mlp, dropout=dropout, drop_path=share)
    return keras.layers.LayerNormalization(epsilon=1e-5)(x) if normalise else x


def encoder_block(
    x: Tensor, attention: Callable[[Tensor], Tensor], *, mlp: float = 2.0, dropout: float = 0.0, drop_path: float = 0.0
) -> Tensor:
    """Attention, then a perceptron on every token, each on the normalised input and added to it.

    The last layer of each branch starts at zero: a new block changes nothing, so deep stacks learn at a rate of 1e-3
    without a long warm-up (Zhang, Dauphin, Ma 2019, "Fixup initialization", ICLR, arXiv:1901.09321).

    Parameters
    ----------
    x : (batch, ..., features); the shape is kept.
    attention : a layer from tokens to tokens.
    mlp, dropout, drop_path : as for ``encode``.
    """

    def add(x: Tensor, branch: Tensor) -> Tensor:
        if dropout > 0:
            branch = keras.layers.Dropout(dropout)(branch)
        if drop_path > 0:
            branch = keras.layers.Dropout(drop_path, noise_shape=(None, *[1] * (len(x.shape) - 1)))(branch)
        return keras.layers.Add()([x, branch])

    features = x.shape[-1]
    x = add(x, attention(keras.layers.LayerNormalization(epsilon=1e-5)(x)))
    hidden = keras.layers.LayerNormalization(epsilon=1e-5)(x)
    hidden = keras.layers.Dense(max(1, round(mlp * features)), activation="gelu")(hidden)
    return add(x, keras.layers.Dense(features, kernel_initializer="zeros")(hidden))


def time_waves(volumes: int, features: int, repetition_time: float | None) -> NDArray[np.float32]:
    """Return sines (first half of the features) and cosines of time, (volumes, features).

    The frequencies lie between 0.005 and 0.5 Hz, evenly on a logarithmic scale. ``repetition_time`` is in seconds;
    without one a frame counts as a second, so the waves have 0.005 to 0.5 cycles a frame.

    >>> time_waves(3, 2, repetition_time=50.0).round(3).tolist()
    [[0.0, 1.0], [1.0, 0.0], [0.0, -1.0]]
    """
    seconds = np.arange(volumes) * (1.0 if repetition_time is None else repetition_time)
    sines = -(-features // 2)
    frequencies = np.geomspace(SLOWEST, FASTEST, sines) if sines > 1 else np.full(1, SLOWEST)
    angles = 2 * np.pi * seconds[:, None] * frequencies
    return np.concatenate([np.sin(angles), np.cos(angles)[:, : features - sines]], axis=1).astype(np.float32)


def time_positions(series: Tensor, repetition_time: float | None) -> Tensor:
    """Add to every vector of a series the waves that say when it was measured, see ``time_waves``.

    Parameters
    ----------
    series : (batch, t, ..., features), t known.
    repetition_time : seconds between the vectors; None: a frame counts as a second.
    """
    volumes, features = series.shape[1], series.shape[-1]
    waves = time_waves(volumes, features, repetition_time)
    waves = waves.reshape(1, volumes, *[1] * (len(series.shape) - 3), features)
    return series + keras.ops.cast(waves, series.dtype)
