"""One vector from the vectors of a sequence, volumes in time or slices in space: a recurrent layer or a transformer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.recurrent import recurrent
from voxtempo.networks.transformer import encode, time_positions

Order = Literal["lstm", "gru", "transformer"]


@dataclass(frozen=True)
class Reader:
    """How a sequence is read; calling it takes (batch, t, features) to one vector a sequence.

    Parameters
    ----------
    kind : "lstm" and "gru" give their last state, the "transformer" the mean of its encoded vectors.
    features : each vector is first brought to this size, and normalised over the batch: what backbones give differs in
        size and scale.
    units, bidirectional : of lstm and gru.
    depth, heads : of the transformer.
    dropout : share of features dropped in training.
    repetition_time : seconds between the vectors, for the transformer; None: they count as a second apart.
    """

    kind: Order
    features: int
    units: int
    bidirectional: bool
    depth: int
    heads: int
    dropout: float
    repetition_time: float | None = None

    def __call__(self, series: Tensor) -> Tensor:
        """Return (batch, units), twice the units when bidirectional, or (batch, features)."""
        series = keras.layers.Dense(self.features, use_bias=False, kernel_initializer="he_normal")(series)
        series = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(series)
        series = keras.layers.LeakyReLU(negative_slope=0.01)(series)
        if self.kind != "transformer":
            return recurrent(series, self.kind, self.units, self.bidirectional, self.dropout)
        series = time_positions(series, self.repetition_time)
        series = encode(series, depth=self.depth, heads=self.heads, dropout=self.dropout)
        return keras.ops.mean(series, axis=1)
