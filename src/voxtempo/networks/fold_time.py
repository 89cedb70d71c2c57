"""Run a network of volumes on every volume of a series at once, by folding time into the batch.

Keras's ``TimeDistributed`` unrolls a Python loop over the time axis, which makes long graphs and slow starts; two
reshapes do the same in one call of the inner graph.
"""

from __future__ import annotations

from collections.abc import Callable

from voxtempo.networks.keras_seam import Tensor, keras


def fold_time(series: Tensor) -> Tensor:
    """Return (batch x time, ...) from (batch, time, ...)."""
    return keras.ops.reshape(series, (-1, *series.shape[2:]))


def unfold_time(folded: Tensor, time: int) -> Tensor:
    """Return (batch, time, ...) from (batch x time, ...): the inverse of ``fold_time``."""
    return keras.ops.reshape(folded, (-1, time, *folded.shape[1:]))


def over_time(function: Callable[[Tensor], Tensor], series: Tensor) -> Tensor:
    """Apply a function of (batch, ...) to every time point of (batch, time, ...) and put time back.

    Time and space must have known sizes; the batch may vary. The function must treat the rows of a batch alike.
    """
    return unfold_time(function(fold_time(series)), series.shape[1])
