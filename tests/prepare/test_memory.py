from __future__ import annotations

import tracemalloc

import numpy as np

from voxtempo.prepare.store import SAMPLE, fitting_storage
from voxtempo.scans import Geometry, Scan


def test_choosing_the_storage_of_a_long_series_looks_at_a_bounded_sample():
    data = np.random.default_rng(0).normal(1000, 1, (4000, 16, 16, 16, 1)).astype(np.float32)
    scan = Scan(data, Geometry.from_spacing((16, 16, 16), (3, 3, 3)), 2.0)
    assert data.size > 8 * SAMPLE
    tracemalloc.start()
    try:
        assert fitting_storage(scan) == "float32"  # 1000 with a spread of 1: half precision would round it to steps
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5 * 8 * SAMPLE
