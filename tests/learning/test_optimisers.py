"""Optimisers beside their definitions, written out in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from voxtempo.cohort.sections.train import Train
from voxtempo.learning.optimisers import make_optimiser
from voxtempo.networks.keras_seam import keras

RATES = (0.1, 0.07, 0.02)


def steps_of(train: Train, gradients: list[np.ndarray], start: np.ndarray, name: str = "kernel") -> list[np.ndarray]:
    """Return a weight after each update, the rate being set before each as in training."""
    optimiser, weight = make_optimiser(train), keras.Variable(start, name=name)
    optimiser.build([weight])
    found = []
    for rate, gradient in zip(RATES, gradients, strict=True):
        optimiser.learning_rate.assign(rate)
        optimiser.apply([keras.ops.convert_to_tensor(gradient)], [weight])
        found.append(np.asarray(keras.ops.convert_to_numpy(weight)))
    return found


def some(seed: int = 0) -> tuple[list[np.ndarray], np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=4).astype(np.float32) for _ in RATES], rng.normal(size=4).astype(np.float32)


def test_sgd_looks_ahead_by_nesterovs_momentum() -> None:
    gradients, start = some()
    train = Train(optimiser="sgd", rate=0.1, momentum=0.9, weight_decay=0.0, clip=None)
    weight, velocity = start.astype(np.float64), np.zeros(4)
    for rate, gradient, found in zip(RATES, gradients, steps_of(train, gradients, start), strict=True):
        velocity = 0.9 * velocity - rate * gradient
        weight = weight + 0.9 * velocity - rate * gradient
        np.testing.assert_allclose(found, weight, rtol=1e-5)


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_decay_shrinks_kernels_beside_the_gradient_and_spares_what_scales_and_shifts(optimiser: str) -> None:
    gradients, start = some(1)
    plain, decayed = (Train(optimiser=optimiser, rate=0.1, weight_decay=decay, clip=None) for decay in (0.0, 0.01))
    first, shrunk = (steps_of(train, gradients, start)[0] for train in (plain, decayed))
    np.testing.assert_allclose(first - shrunk, 0.1 * 0.01 * start, rtol=1e-3, atol=1e-7)
    for name in ("bias", "gamma", "beta", "scale", "offset"):
        spared = steps_of(decayed, gradients, start, name)[-1]
        np.testing.assert_array_equal(spared, steps_of(plain, gradients, start, name)[-1])


def test_gradients_are_clipped_by_their_norm_over_all_weights() -> None:
    gradients, start = some(2)
    huge = [1e4 * gradient for gradient in gradients]
    train = Train(optimiser="sgd", rate=0.1, momentum=0.0, weight_decay=0.0, clip=1.0)
    first = steps_of(train, huge, start)[0]
    np.testing.assert_allclose(start - first, 0.1 * huge[0] / np.linalg.norm(huge[0]), rtol=1e-4)


def test_sgd_is_planned_with_the_rate_that_suits_it() -> None:
    assert Train(optimiser="sgd").momentum == 0.99
