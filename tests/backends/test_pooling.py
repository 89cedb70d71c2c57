"""Pooling is the same on every backend, partial cells included."""

from __future__ import annotations

import numpy as np
import pytest

from voxtempo.networks.blocks import pool
from voxtempo.networks.keras_seam import keras

pytestmark = pytest.mark.backends


@pytest.mark.parametrize("stride", [(3, 3, 3), (2, 2, 2), (4, 3, 1), (5, 5, 4)])
def test_the_mean_of_a_cell_is_that_of_its_own_voxels(stride: tuple[int, int, int]) -> None:
    x = np.random.default_rng(0).normal(size=(2, 9, 8, 4, 3)).astype(np.float32)
    found = keras.ops.convert_to_numpy(pool(keras.ops.convert_to_tensor(x), stride, "mean"))
    cells = [
        (np.arange(n) + (-n % s) // 2) // s  # half of what the cells lack lies before the first voxel
        for n, s in zip(x.shape[1:4], stride, strict=True)
    ]
    for place in np.ndindex(*found.shape[1:4]):
        inside = np.ix_(*[own == at for own, at in zip(cells, place, strict=True)])
        expected = x[:, *inside].mean(axis=(1, 2, 3))
        np.testing.assert_allclose(found[:, *place], expected, atol=1e-5)
