from __future__ import annotations

import nilearn.signal
import numpy as np
import pytest

from voxtempo.errors import ScanError, StudyError
from voxtempo.prepare import build_steps, percent_change, run_steps
from voxtempo.scans import Geometry, Scan
from voxtempo.scans.room import room


def brain_in_air(volumes=40, seed=0) -> Scan:
    """Two channels: a brain of 900 +- 20 (and twice it) in air of 0 to 10; the first volumes are brighter."""
    rng = np.random.default_rng(seed)
    data = rng.uniform(0, 10, (volumes, 8, 8, 6, 2))
    data[:, 2:6, 2:6, 1:5] = rng.normal(900, 20, (volumes, 4, 4, 4, 2))
    data[:4, 2:6, 2:6, 1:5] *= 1.1
    data[..., 1] *= 2
    return Scan(data.astype(np.float32), Geometry.from_spacing((8, 8, 6), (3, 3, 4)), 2.0, source="bold.nii")


def changed(scan, options=None):
    result, (decision,) = run_steps(scan, build_steps([{"percent_change": options or {}}]))
    return result.data, decision


def test_the_brain_agrees_with_nilearn_and_the_air_is_zero():
    scan = brain_in_air()
    ours, decision = changed(scan)
    brain = scan.data[:, 2:6, 2:6, 1:5].reshape(40, -1)
    theirs = nilearn.signal.clean(brain.astype(np.float64), detrend=False, standardize="psc")
    np.testing.assert_allclose(ours[:, 2:6, 2:6, 1:5].reshape(40, -1), theirs, atol=1e-4)
    outside = ours.copy()
    outside[:, 2:6, 2:6, 1:5] = 0
    assert (outside == 0).all()
    assert decision == {"voxels": [64, 64]}
    np.testing.assert_allclose(
        ours[..., 0].std(), ours[..., 1].std(), rtol=0.2
    )  # per cent: the gain of a channel is gone


def test_a_baseline_of_the_first_volumes():
    scan = brain_in_air()
    ours, _ = changed(scan, 4)
    brain = scan.data[:, 2:6, 2:6, 1:5].astype(np.float64)
    base = brain[:4].mean(axis=0)
    np.testing.assert_allclose(ours[:, 2:6, 2:6, 1:5], 100 * (brain - base) / base, atol=1e-3)
    np.testing.assert_allclose(ours[4:, 2:6, 2:6, 1:5].mean(), 100 * (1 / 1.1 - 1), atol=0.2)


def test_within_mask_and_all():
    scan = brain_in_air()
    data = scan.data.copy()
    data[:, :2] = 0
    masked = scan.with_data(data)
    ours, decision = changed(masked, {"within": "mask"})
    assert decision == {"voxels": [6 * 8 * 6] * 2}
    assert (ours[:, :2] == 0).all()
    assert (ours[:, 2:].std(axis=0) > 0).all()
    data[:, 7] = -data[:, 7]  # no percentage of what is below 0
    ours, _ = changed(scan.with_data(data), {"within": "all"})
    assert (ours[:, [0, 1, 7]] == 0).all()
    assert (ours[:, 2:7].std(axis=0) > 0).all()


def test_what_has_no_signal_is_refused():
    scan = brain_in_air()
    with pytest.raises(StudyError, match=r"bold\.nii.*first 50 volumes for baseline, but there are 40"):
        changed(scan, 50)
    with pytest.raises(StudyError, match="single volume"):
        changed(brain_in_air(1))
    filtered, _ = run_steps(scan, build_steps([{"temporal_filter": {"keep_mean": False}}]))
    with pytest.raises(
        ScanError, match=r"bold\.nii.*'percent_change' seeks the foreground.*has been taken off.*keep_mean"
    ):
        changed(filtered)
    with pytest.raises(ScanError, match="every voxel is 0 at all times"):
        changed(scan.with_data(np.zeros_like(scan.data)), {"within": "mask"})
    nan = scan.data.copy()
    nan[3, 3, 3, 3] = np.nan
    with pytest.raises(ScanError, match="2 of 30720 voxels are NaN"):
        changed(scan.with_data(nan))


def test_a_large_series_is_changed_in_its_own_room(monkeypatch):
    scan = brain_in_air()
    expected, _ = changed(scan)
    monkeypatch.setattr(percent_change, "room", lambda shape, dtype: room(shape, dtype, in_memory=0))
    result, _ = changed(scan)
    assert isinstance(result, np.memmap)
    np.testing.assert_array_equal(result, expected)
