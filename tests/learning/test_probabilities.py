from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from scipy.special import softmax as reference_softmax

from voxtempo.learning.probabilities import sigmoid, softmax


@pytest.mark.parametrize("shape", [(5, 4), (3,), (2, 6, 5, 4, 3), (0, 3), (7, 1), (2, 100)])
def test_softmax_equals_scipy(shape):
    logits = np.random.default_rng(0).normal(scale=5, size=shape).astype(np.float32)
    found = softmax(logits)
    assert found.dtype == np.float32
    assert found.shape == shape
    assert np.allclose(found, reference_softmax(logits.astype(np.float64), axis=-1), rtol=1e-5, atol=1e-7)


def test_softmax_reads_any_memory_order_and_changes_nothing():
    logits = np.random.default_rng(1).normal(size=(4, 6, 3)).astype(np.float32)
    before = logits.copy()
    assert np.array_equal(softmax(logits.transpose(1, 0, 2)), softmax(logits).transpose(1, 0, 2))
    assert np.array_equal(softmax(logits.astype(np.float64)), softmax(logits))
    assert np.array_equal(logits, before)


def test_softmax_survives_large_logits_and_does_not_hide_broken_ones():
    assert softmax(np.array([[1e4, 0.0], [-1e30, 1e30]], np.float32)).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert np.isnan(softmax(np.array([[0.0, np.nan, 1.0], [np.nan, 0.0, 1.0]], np.float32))).all()


def test_sigmoid_equals_scipy():
    logits = np.linspace(-200, 200, 101, dtype=np.float32)
    assert np.allclose(sigmoid(logits), expit(logits.astype(np.float64)), atol=1e-7)
