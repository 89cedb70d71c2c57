"""Probabilities of logits, without a deep-learning framework."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxtempo.compiled import compiled

Logits = NDArray[np.floating[Any]]


def softmax(logits: Logits) -> NDArray[np.float32]:
    """Return the softmax over the last axis, computed in float32.

    >>> softmax(np.array([[0.0, 0.0]], dtype=np.float32)).tolist()
    [[0.5, 0.5]]
    """
    given = np.ascontiguousarray(logits, dtype=np.float32)
    found = np.empty_like(given)
    _softmax_of_rows(given.reshape(-1, given.shape[-1]), found.reshape(-1, given.shape[-1]))
    return found


def sigmoid(logits: Logits) -> NDArray[np.float32]:
    """Return the logistic function.

    >>> sigmoid(np.array([0.0, -1000.0], dtype=np.float32)).tolist()
    [0.5, 0.0]
    """
    return (0.5 * (1 + np.tanh(0.5 * logits))).astype(np.float32)


@compiled(error_model="numpy")
def _softmax_of_rows(logits: Any, found: Any) -> None:
    """Fill ``found`` (n, k) row by row: reductions along short rows take numpy several times as long."""
    for row in range(logits.shape[0]):
        largest = logits[row, 0]
        for place in range(1, logits.shape[1]):
            largest = max(largest, logits[row, place])
        total = np.float32(0.0)
        for place in range(logits.shape[1]):
            each = math.exp(logits[row, place] - largest)
            found[row, place] = each
            total += each
        for place in range(logits.shape[1]):
            found[row, place] /= total
