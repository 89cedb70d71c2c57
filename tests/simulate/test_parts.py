"""Each part of the simulation against nilearn, scipy or an analytic answer."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn.glm.first_level import compute_regressor, spm_hrf
from scipy import stats

from voxtempo.errors import StudyError
from voxtempo.scans import Geometry
from voxtempo.simulate.anatomy import head_shape, mni_anatomy, sample, scan_grid
from voxtempo.simulate.design import BLOCK, DELAY, block_volumes, draw_blocks
from voxtempo.simulate.drift import cosines, random_drift
from voxtempo.simulate.haemodynamics import block_response, double_gamma
from voxtempo.simulate.motion import displacement, random_motion, rigid_matrix
from voxtempo.simulate.noise import rician
from voxtempo.simulate.shading import smooth_field


def test_double_gamma_is_spms():
    times = np.linspace(0, 32, 3200, endpoint=False)
    ours = double_gamma(times)
    assert ours.sum() * 0.01 == pytest.approx(1, abs=1e-3)
    theirs = spm_hrf(1.0, oversampling=100, time_length=32.0)
    theirs = np.asarray(theirs)[: len(times)]
    assert np.corrcoef(ours[: len(theirs)], theirs)[0, 1] > 0.999
    assert double_gamma(-1.0) == 0


@pytest.mark.parametrize("repetition_time", [0.8, 2.0])
def test_block_response_is_nilearns(repetition_time):
    times = np.arange(90) * repetition_time
    onsets, durations = [4.0, 30.0, 50.0], [12.0, 6.0, 1.0]
    ours = block_response(onsets, durations, times)
    theirs, _ = compute_regressor(np.array([onsets, durations, [1, 1, 1]]), "spm", times, oversampling=50)
    assert np.corrcoef(ours, theirs[:, 0])[0, 1] > 0.999


def test_response_is_linear_and_settles_at_one():
    times = np.arange(60, dtype=float)
    both = block_response([2, 9], [5, 5], times)
    np.testing.assert_allclose(both, block_response([2], [5], times) + block_response([9], [5], times), atol=1e-12)
    assert block_response([0], [1000], times)[-1] == pytest.approx(1, abs=1e-3)
    assert not block_response([], [], times).any()


def test_grid_holds_the_brain_and_tissue_is_where_it_should_be():
    anatomy, grid = mni_anatomy(6.0), scan_grid(6.0)
    assert grid.orientation == "RAS"
    seen = sample(anatomy.baseline, anatomy.geometry, grid, np.eye(4))
    assert seen[[0, -1]].max() < 20
    assert seen[:, [0, -1]].max() < 20
    assert 500 < seen[seen > 300].mean() < 1300
    assert 1.2e6 < (seen > 300).sum() * grid.voxel_volume < 2.2e6  # a brain of 1.2 to 2.2 litres
    for name, centre in (("visual", (11, -88, 2)), ("motor", (38, -23, 55)), ("frontal", (37, 42, 22))):
        map_ = sample(anatomy.regions[name], anatomy.geometry, grid, np.eye(4))
        assert 0.3 < map_.max() <= 1
        peak = grid.to_world([np.unravel_index(map_.argmax(), grid.shape)])[0]
        assert np.linalg.norm(np.abs(peak) - np.abs(centre)) < 15


def test_sampling_moves_the_head_where_the_matrix_says():
    grid = Geometry.from_spacing((40, 40, 40), (3, 3, 3), (-60, -60, -60))
    blob = np.exp(-((grid.to_world(np.indices(grid.shape).reshape(3, -1).T) ** 2).sum(1)) / 200).reshape(grid.shape)
    move = rigid_matrix([4.0, -6.0, 2.0, 0.1, -0.2, 0.3])
    seen = sample(blob.astype(np.float32), grid, grid, move).astype(float)
    centre = (grid.to_world(np.indices(grid.shape).reshape(3, -1).T) * seen.reshape(-1, 1)).sum(0) / seen.sum()
    np.testing.assert_allclose(centre, [4, -6, 2], atol=0.05)


def test_heads_differ_mildly():
    heads = np.stack([head_shape(np.random.default_rng(i)) for i in range(50)])
    assert np.abs(heads[:, :3, 3]).max() <= 3
    assert np.abs(np.linalg.det(heads[:, :3, :3]) - 1).max() < 0.2
    np.testing.assert_array_equal(head_shape(np.random.default_rng(0), 0.0), np.eye(4))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), volumes=st.integers(2, 60), largest=st.floats(0, 5))
def test_motion_reaches_what_is_asked(seed, volumes, largest):
    motion = random_motion(np.random.default_rng(seed), volumes, largest)
    assert motion.shape == (volumes, 6)
    assert not motion[0].any()
    assert displacement(motion).max() == pytest.approx(largest, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(row=st.tuples(*[st.floats(-3, 3)] * 6))
def test_rigid_matrices_are_rigid(row):
    rotation = rigid_matrix(row)[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)


def test_rotation_follows_the_right_hand():
    np.testing.assert_allclose(rigid_matrix([0, 0, 0, 0, 0, np.pi / 2]) @ [1, 0, 0, 1], [0, 1, 0, 1], atol=1e-12)
    np.testing.assert_allclose(rigid_matrix([1, 2, 3, np.pi / 2, 0, 0]) @ [0, 1, 0, 1], [1, 2, 4, 1], atol=1e-12)


@pytest.mark.parametrize("signal", [0.0, 30.0])
def test_rician_moments(signal):
    sigma = 12.0
    values = rician(np.random.default_rng(0), np.full(400_000, signal, np.float32), sigma).astype(float)
    assert values.mean() == pytest.approx(stats.rice.mean(signal / sigma, scale=sigma), rel=5e-3)
    assert values.std() == pytest.approx(stats.rice.std(signal / sigma, scale=sigma), rel=5e-3)
    if signal == 0:
        assert values.mean() == pytest.approx(sigma * np.sqrt(np.pi / 2), rel=5e-3)


def test_drift_is_slow_and_bounded():
    drift = random_drift(np.random.default_rng(1), 80, (6, 7, 5), 2.0)
    assert 0.002 < np.abs(drift).max() <= 0.02
    basis = np.column_stack([np.ones(80), cosines(80)])
    courses = drift.reshape(80, -1)
    left = courses - basis @ np.linalg.lstsq(basis, courses, rcond=None)[0]
    assert np.abs(left).max() < 1e-6
    field = smooth_field(np.random.default_rng(0), (9, 9, 9))
    assert np.abs(field).max() <= 1


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 999), volumes=st.integers(1, 200), repetition_time=st.floats(0.4, 8), kinds=st.integers(1, 3)
)
def test_blocks_are_balanced_and_their_windows_fit(seed, volumes, repetition_time, kinds):
    names = tuple("abc"[:kinds])
    try:
        blocks = draw_blocks(np.random.default_rng(seed), volumes, repetition_time, names)
    except StudyError:
        assert (
            volumes * repetition_time
            < 2 * kinds * max(BLOCK, repetition_time) + BLOCK + DELAY + 3 * repetition_time + 12
        )
        return
    counts = [sum(b.trial_type == n for b in blocks) for n in names]
    assert max(counts) - min(counts) <= 1
    assert min(counts) >= 1
    length = block_volumes(repetition_time)
    for block in blocks:
        assert block.onset + DELAY + length * repetition_time <= volumes * repetition_time + 1e-6
    assert all(b.onset >= a.onset + a.duration for a, b in pairwise(blocks))
