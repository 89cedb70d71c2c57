from __future__ import annotations

import numpy as np
import pytest

from voxtempo.scans.half import as_float32


def test_every_float16_there_is_becomes_what_numpy_makes_of_it():
    every = np.arange(65536, dtype=np.uint16).view(np.float16)
    for shape in ((65536,), (4, 64, 256), (65536, 1)):
        found = as_float32(every.reshape(shape))
        assert found.dtype == np.float32
        assert np.array_equal(found, every.reshape(shape).astype(np.float32), equal_nan=True)
    zeros = as_float32(np.array([0.0, -0.0], np.float16))
    assert np.signbit(zeros).tolist() == [False, True]


@pytest.mark.parametrize("dtype", ["int16", "uint8", "float32", "float64", "float16"])
def test_parts_of_arrays_and_empty_ones_are_new_arrays(dtype):
    source = (np.random.default_rng(0).normal(size=(5, 6, 7)) * 50).astype(dtype)
    part = source[::2, 1:, ::3]
    found = as_float32(part)
    assert np.array_equal(found, part.astype(np.float32))
    assert not np.shares_memory(found, source)
    assert as_float32(source[:0]).shape == (0, 6, 7)
    assert as_float32(source[:, :0]).shape == (5, 0, 7)
