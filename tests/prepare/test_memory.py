from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from voxtempo.prepare import blocks, build_steps, intensity, store, time_shift
from voxtempo.prepare import normalise as normalise_step
from voxtempo.prepare.job import Job, prepare_case
from voxtempo.prepare.store import SAMPLE, fitting_storage
from voxtempo.prepare.time_grid import TimeGrid
from voxtempo.scans import Geometry, Scan, write_scan
from voxtempo.scans.room import room


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


@pytest.mark.parametrize("steps", [
    [{"normalise": {"method": "robust", "within": "foreground", "clip": [1, 99]}}],
    [{"slice_timing": "ascending"}, {"brain_mask": 0}, {"temporal_filter": {"detrend": 2}}, {"normalise": {"axis": "time"}}],
    [{"denoise": "median"}, {"smooth": 5}, {"confounds": {"global_signal": True}}, {"resample_time": 1.5}, "percent_change"],
    ["orient", {"resample": 4.0}, {"crop_pad": [12, 14, 9]}, "normalise"],
], ids=["normalise", "filter", "clean", "grid"])  # fmt: skip
def test_preparing_a_longer_series_needs_no_more_memory(steps, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "__defaults__", (100_000,))  # bytes: everything below shall not fit into memory
    for function in (blocks.voxel_blocks, time_shift.shift_in_time, TimeGrid.resample):
        monkeypatch.setattr(function, "__defaults__", (20_000,))  # values worked on together
    monkeypatch.setattr(store, "SAMPLE", 20_000)
    monkeypatch.setattr(normalise_step, "BLOCK", 20_000)
    monkeypatch.setattr(intensity, "BLOCK", 20_000)
    rng = np.random.default_rng(0)
    shape = (18, 20, 8)
    head = np.zeros(shape)
    head[3:15, 4:16, 1:7] = rng.uniform(600, 1000, (12, 12, 6))
    peaks = []
    for volumes in (60, 60, 300):  # the first time imports and compiles
        data = (head * rng.normal(1, 0.02, (volumes, 1, 1, 1)) + rng.normal(20, 5, (volumes, *shape))).astype(np.int16)
        path = tmp_path / f"{volumes}.nii"
        write_scan(Scan(data[..., None], Geometry.from_spacing(shape, (3, 3, 4)), 2.0), path)
        cache = str(tmp_path / f"cache{len(peaks)}")
        job = Job("s", (("bold", str(path)),), None, None, None, cache, f"{cache}/case")
        del data
        tracemalloc.start()
        try:
            prepare_case(job, build_steps(steps))
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    grown = 300 * np.prod(shape) * 4 - 60 * np.prod(shape) * 4
    assert peaks[2] - peaks[1] < 0.25 * grown
