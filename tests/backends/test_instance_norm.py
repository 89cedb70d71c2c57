"""Instance normalisation where a map hardly varies about a large value: its variance must not come out negative."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.backends


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_a_map_far_from_zero_is_normalised_like_any_other(precision):
    keras = pytest.importorskip("keras")
    from voxtempo.networks.instance_norm import InstanceNorm

    x = np.full((2, 4, 4, 4, 3), 3000.0, np.float32)
    x[..., 1] += np.random.default_rng(0).standard_normal(x.shape[:-1]).astype(np.float32)
    found = keras.ops.convert_to_numpy(keras.ops.cast(InstanceNorm(dtype=precision)(x), "float32"))
    assert np.array_equal(found[..., [0, 2]], np.zeros((2, 4, 4, 4, 2)))
    if precision == "float32":  # bfloat16 itself holds no fractions of 3000
        each = x[..., 1].astype(np.float64)
        wanted = (each - each.mean((1, 2, 3), keepdims=True)) / each.std((1, 2, 3), keepdims=True)
        np.testing.assert_allclose(found[..., 1], wanted, atol=2e-3)
