"""Realignment against motion that is known exactly, and its measures against their published formulas."""

from __future__ import annotations

import dataclasses
import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.transform import Rotation

from voxtempo.errors import ScanError, StudyError
from voxtempo.prepare import build_steps, run_steps
from voxtempo.prepare.realign_series import brain_of
from voxtempo.prepare.rigid import (
    MOTION_COLUMNS,
    framewise_displacement,
    rigid_matrix,
    rigid_parameters,
    small_motion,
    visible_motion,
    voxel_mapping,
)
from voxtempo.prepare.rigid_volume import moved, pooled
from voxtempo.scans import Geometry, Scan
from voxtempo.simulate.bold import Bold
from voxtempo.simulate.motion import rigid_matrix as simulated_matrix

LIMIT = 0.1  # mm and degrees: what the step promises
COLUMNS = (*MOTION_COLUMNS, "framewise_displacement", "dvars")
PLACES = np.random.default_rng(3).uniform(-1, 1, (40, 3)) * (48, 55, 40)
WIDTHS = np.random.default_rng(4).uniform(5, 11, 40)
HEIGHTS = np.random.default_rng(5).uniform(0.3, 1, 40)


def step(**options):
    (built,) = build_steps([{"motion": options}])
    return built


def turned_grid(shape=(32, 34, 26), spacing=(4.0, 3.5, 4.5), turn=(0.0, 0.0, 0.0), flip=(1, 1, 1), shift=(0, 0, 0)):
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", turn).as_matrix() @ np.diag(np.array(spacing) * flip)
    affine[:3, 3] = shift
    return Geometry(shape, affine)


def blobs(geometry, row, of=slice(None)):
    """A head of Gaussian blobs about the middle of the grid, moved by six parameters: exact at every voxel."""
    middle = geometry.to_world([(np.array(geometry.shape) - 1) / 2])[0]
    world = geometry.to_world(np.indices(geometry.shape).reshape(3, -1).T) - middle
    resting = (world - np.asarray(row)[:3]) @ rigid_matrix(row)[:3, :3]
    value = np.zeros(len(world))
    for place, width, height in zip(PLACES[of], WIDTHS[of], HEIGHTS[of], strict=True):
        value += height * np.exp(-((resting - place) ** 2).sum(axis=1) / (2 * width**2))
    return (1000 * value).reshape(geometry.shape).astype(np.float32)


def walk(volumes, mm, degrees, seed=0):
    """Motion (t, 6) that wanders from rest up to so many mm and degrees in every parameter."""
    path = np.cumsum(np.random.default_rng(seed).standard_normal((volumes, 6)), axis=0)
    path -= path[0]
    return path / np.abs(path).max(axis=0) * np.array([mm] * 3 + [np.deg2rad(degrees)] * 3)


def series(geometry, motion, noise=5.0, **scan):
    rng = np.random.default_rng(1)
    data = np.stack([blobs(geometry, row) for row in motion])[..., None]
    return Scan(data + noise * rng.standard_normal(data.shape, dtype=np.float32), geometry, 2.0, **scan)


def off(found, truth):
    """Largest error in mm and in degrees."""
    error = np.abs(np.asarray(found) - truth)
    return error[:, :3].max(), np.rad2deg(error[:, 3:].max())


GRIDS = {
    "straight": turned_grid(),
    "oblique and flipped": turned_grid(turn=(0.3, -0.2, 0.5), flip=(-1, 1, 1), shift=(120, -300, 55)),
    "thick slices, upside down": turned_grid((40, 40, 16), (3.0, 3.0, 7.0), (0.1, 0.4, 0.0), (-1, -1, -1)),
    "axes exchanged": Geometry((26, 32, 34), turned_grid().affine[:, [2, 0, 1, 3]]),
}


@pytest.mark.parametrize("name", GRIDS)
def test_known_motion_of_several_mm_is_found_on_any_grid_and_taken_out(name):
    geometry, motion = GRIDS[name], walk(7, 5, 4)
    scan = series(geometry, motion)
    realigned, (decision,) = run_steps(scan, [step(reference="first")])
    mm, degrees = off(decision["parameters"], motion)
    assert mm < 0.05
    assert degrees < 0.05
    assert realigned.geometry is geometry
    inner = (0, *[slice(4, -4)] * 3, 0)
    rest = blobs(geometry, np.zeros(6))
    for t in range(1, 7):
        before = np.abs(scan.data[(t, *inner[1:])] - rest[inner[1:4]]).mean()
        after = np.abs(realigned.data[(t, *inner[1:])] - rest[inner[1:4]]).mean()
        assert after < 7 < before  # the noise alone leaves 4
    for column, course in zip(MOTION_COLUMNS, np.array(decision["parameters"]).T, strict=True):
        np.testing.assert_array_equal(realigned.confounds[column], course)


@pytest.fixture(scope="module")
def simulated():
    """A head with activation, drift, shading and noise that moves by up to 8 mm, every fifth volume; and its motion."""
    cohort = Bold(volumes=40, repetition_time=2.0, voxel=5.0, motion=8.0, effect=5.0, drift=4.0, noise=2.0, seed=5)
    run = cohort.simulate_run(cohort.participants()[0], 0, 0)
    assert np.abs(run.motion[::5]).max() > 2
    return Scan(run.scan.data[::5], run.scan.geometry, 10.0), run.motion[::5]


@pytest.mark.parametrize("reference", ["first", "middle", "mean", 2])
def test_simulated_bold_with_noise_drift_shading_and_activation_is_realigned_within_the_promise(simulated, reference):
    scan, motion = simulated
    middle = np.eye(4)
    middle[:3, 3] = scan.geometry.to_world([(np.array(scan.geometry.shape) - 1) / 2])[0]
    at = {"first": 0, "middle": 4, "mean": 4, 2: 2}[reference]
    there = [np.linalg.inv(middle) @ simulated_matrix(row) @ middle for row in motion]  # about the grid's middle
    truth = np.array([rigid_parameters(matrix @ np.linalg.inv(there[at])) for matrix in there])
    decision = step(reference=reference).decide(scan)
    assert decision["reference"] == (at if reference != "mean" else "mean")
    mm, degrees = off(decision["parameters"], truth)
    assert mm < LIMIT
    assert degrees < LIMIT


def test_a_sudden_jump_of_ten_mm_and_ten_degrees_is_caught():
    jump = np.array([[0.0] * 6, [10, -10, 8, *np.deg2rad([10, -8, 10])], [0.0] * 6])
    scan = series(GRIDS["straight"], jump)
    mm, degrees = off(step(reference="first").decide(scan)["parameters"], jump)
    assert mm < LIMIT
    assert degrees < LIMIT


def test_brightness_and_a_strong_local_response_do_not_count_as_motion():
    geometry, motion = GRIDS["straight"], walk(5, 2, 2)
    scan = series(geometry, motion, noise=2.0)
    data = scan.data.copy()
    for t, row in enumerate(motion):
        data[t, ..., 0] += 0.15 * t * blobs(geometry, row, slice(0, 3))  # three places up to 60 % brighter
    data[1] = 4 * data[1] + 300  # another gain, as before the steady state but more
    bright = dataclasses.replace(scan, data=data)
    mm, degrees = off(step(reference="first").decide(bright)["parameters"], motion)
    assert mm < LIMIT
    assert degrees < LIMIT


@pytest.mark.parametrize("turn", [(0.0, 0.0, 0.0), (0.5, 0.3, -0.4)])
def test_a_slice_moves_in_its_plane_only(turn):
    geometry = turned_grid((48, 50, 1), (3.0, 2.5, 8.0), turn)
    normal = geometry.affine[:3, 2] / 8
    across, along = geometry.affine[:3, 0] / 3, geometry.affine[:3, 1] / 2.5
    truth = []
    for right, front, angle in walk(6, 4, 0, 2)[:, :3] * (1, 1, 0.02):
        matrix = small_motion([*(right * across + front * along), *(angle * normal)])
        truth.append(rigid_parameters(matrix))
    scan = series(geometry, truth)
    realigned, (decision,) = run_steps(scan, [step(reference="first")])
    mm, degrees = off(decision["parameters"], np.array(truth))
    assert mm < LIMIT
    assert degrees < LIMIT
    shifts = np.array(decision["parameters"])[:, :3]
    np.testing.assert_allclose(shifts @ normal, 0, atol=1e-4)
    inside = (slice(8, -8), slice(8, -8), 0, 0)
    np.testing.assert_allclose(realigned.data[(3, *inside)], scan.data[(0, *inside)], atol=60)
    assert np.abs(scan.data[(3, *inside)] - scan.data[(0, *inside)]).max() > 100


def test_a_slab_of_a_few_slices_has_all_six_or_three():
    few = turned_grid((40, 40, 3), (3.0, 3.0, 4.0))
    assert visible_motion(few, 4).shape == (6, 3)
    motion = walk(5, 2, 2)
    motion[:, [2, 3, 4]] = 0
    found = np.array(step(reference="first").decide(series(few, motion))["parameters"])
    assert max(off(found, motion)) < LIMIT
    assert not found[:, [2, 3, 4]].any()
    slab = turned_grid((40, 40, 8), (3.0, 3.0, 4.0))
    motion = walk(5, 1.5, 1.5)
    mm, degrees = off(step(reference="first").decide(series(slab, motion))["parameters"], motion)
    assert max(mm, degrees) < LIMIT


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.float64])
def test_a_series_that_does_not_move_stays_identical(dtype):
    volume = blobs(GRIDS["oblique and flipped"], np.zeros(6)).astype(dtype)
    scan = Scan(np.stack([volume] * 4)[..., None], GRIDS["oblique and flipped"], 2.0)
    for reference in ("middle", "mean"):  # a mean of interpolated volumes is not quite the volume
        realigned, (decision,) = run_steps(scan, [step(reference=reference)])
        assert np.abs(decision["parameters"]).max() <= (0 if reference == "middle" else 1e-4)
        np.testing.assert_allclose(realigned.data, scan.data, atol=0 if reference == "middle" else 0.05)
        assert realigned.data.dtype == np.float32


@pytest.mark.parametrize("shape", [(20, 20, 12), (20, 20, 1), (6, 1, 1), (1, 1, 1)])
def test_what_shows_nothing_gives_zeros_and_no_error(shape):
    geometry = turned_grid(shape)
    constant = Scan(np.full((4, *shape, 1), 7, np.int16), geometry, 2.0)
    realigned, (decision,) = run_steps(constant, [step()])
    assert not np.any(decision["parameters"])
    np.testing.assert_array_equal(realigned.data, constant.data)
    for column in COLUMNS:
        np.testing.assert_array_equal(realigned.confounds[column], np.zeros(4))


def test_a_lost_volume_has_finite_motion_and_its_neighbours_the_right_one():
    motion = walk(6, 3, 3)
    scan = series(GRIDS["straight"], motion)
    scan.data[3] = 0
    found = np.array(step(reference="first").decide(scan)["parameters"])
    assert np.isfinite(found).all()
    assert max(off(np.delete(found, 3, 0), np.delete(motion, 3, 0))) < LIMIT


def test_displacement_and_dvars_are_those_of_the_published_formulas():
    scan = series(GRIDS["straight"], walk(6, 3, 3), noise=10.0)
    realigned, (decision,) = run_steps(scan, [step()])
    motion = np.array(decision["parameters"])
    arcs = motion.copy()
    arcs[:, 3:] *= 50  # Power et al. 2012, as nipype computes it: the sum of |backward differences|, radius 50 mm
    expected = np.concatenate([[0], np.abs(np.diff(arcs, axis=0)).sum(axis=1)])
    np.testing.assert_allclose(realigned.confounds["framewise_displacement"], expected, atol=1e-4)
    brain = brain_of(scan.volume(3))
    assert 0.05 < brain.mean() < 0.6
    for name, data in (("dvars_before", scan.data), ("dvars", realigned.data)):
        courses = data[..., 0][:, brain].astype(np.float64)
        root = np.sqrt((np.diff(courses, axis=0) ** 2).mean(axis=1))  # nipype's non-standardised DVARS
        np.testing.assert_allclose(realigned.confounds[name], [0, *(100 * root / courses.mean())], rtol=1e-3)
    assert (realigned.confounds["dvars"] < 0.5 * realigned.confounds["dvars_before"])[1:].all()


def test_the_brain_is_the_largest_bright_piece():
    volume = np.zeros((20, 20, 20), np.float32)
    volume[4:14, 4:14, 4:14] = 900
    volume[17:19, 17:19, 17:19] = 1000
    volume += np.random.default_rng(0).uniform(0, 50, volume.shape).astype(np.float32)
    brain = brain_of(volume)
    assert not brain[15:].any()
    assert brain[5:13, 5:13, 5:13].all()
    assert 512 < brain.sum() <= 1000  # an opening rounds edges


def test_channels_move_alike_by_the_motion_of_the_one_that_is_looked_at():
    geometry, motion = GRIDS["straight"], walk(4, 3, 3)
    first = series(geometry, motion).data
    noise = np.random.default_rng(7).normal(500, 40, first.shape).astype(np.float32)
    scan = Scan(np.concatenate([noise, first], axis=-1), geometry, 2.0, channels=("noise", "echo"))
    realigned, (decision,) = run_steps(scan, [step(reference="first", channel="echo")])
    assert max(off(decision["parameters"], motion)) < LIMIT
    mapping = voxel_mapping(decision["parameters"][2], geometry)
    for c in range(2):
        expected = np.empty(geometry.shape, np.float32)
        moved(scan.volume(2, c), mapping, "spline", expected)
        np.testing.assert_array_equal(realigned.data[2, ..., c], expected)
    with pytest.raises(StudyError, match=r"channel 'ecco'.*Did you mean 'echo'"):
        step(channel="ecco").decide(scan)


def test_motion_can_be_told_first_and_taken_out_later_with_the_same_result():
    scan = series(GRIDS["straight"], walk(5, 3, 3))
    at_once, _ = run_steps(scan, [step()])
    told, _ = run_steps(scan, [step(realign=False)])
    assert told.data is scan.data
    later, _ = run_steps(told, [step(parameters="confounds")])
    np.testing.assert_array_equal(later.data, at_once.data)
    for column in COLUMNS:
        np.testing.assert_array_equal(later.confounds[column], at_once.confounds[column])
    np.testing.assert_array_equal(told.confounds["dvars"], at_once.confounds["dvars_before"])
    with pytest.raises(StudyError, match="has no confound trans_x"):
        step(parameters="confounds").decide(scan)


def test_the_same_scan_gives_the_same_motion_and_what_was_decided_survives_json():
    scan = series(GRIDS["straight"], walk(4, 3, 3))
    decision = step().decide(scan)
    assert step().decide(scan) == decision
    again = json.loads(json.dumps(decision))
    assert again == decision
    np.testing.assert_array_equal(step().apply(scan, again).data, step().apply(scan, decision).data)


def test_what_cannot_be_realigned_is_refused_in_words():
    scan = series(GRIDS["straight"], walk(3, 1, 1))
    spoilt = scan.data.copy()
    spoilt[1, 3, 3, 3] = np.nan
    with pytest.raises(ScanError, match="fill_nan"):
        step().decide(dataclasses.replace(scan, data=spoilt))
    with pytest.raises(StudyError, match="single volume"):
        step().decide(dataclasses.replace(scan, data=scan.data[:1]))
    with pytest.raises(StudyError, match=r"volume 3 as its reference.*3 volumes"):
        step(reference=3).decide(scan)
    with pytest.raises(StudyError, match=r"'motion' comes after 'temporal_filter'"):
        build_steps(["temporal_filter", "motion"])
    with pytest.raises(StudyError, match=r"'motion' comes after 'normalise'"):
        build_steps([{"normalise": {"axis": "time"}}, "motion"])
    with pytest.raises(StudyError, match="reference"):
        step(reference="last")


@pytest.mark.parametrize(("kind", "order"), [("spline", 3), ("linear", 1)])
@pytest.mark.parametrize("shape", [(17, 12, 9), (5, 2, 1)])
def test_interpolation_is_that_of_scipy_with_the_edge_repeated(kind, order, shape):
    volume = np.random.default_rng(0).normal(100, 20, shape)
    mapping = rigid_matrix([1.3, -2.1, 0.4, 0.1, -0.05, 0.2])
    if shape[2] == 1:
        mapping = rigid_matrix([0.4, -0.2, 0, 0, 0, 0.1])
    target = np.empty(shape, np.float32)
    moved(volume, mapping, kind, target)
    there = mapping[:3, :3] @ np.indices(shape).reshape(3, -1) + mapping[:3, 3:]
    there = np.clip(there, 0, np.array(shape)[:, None] - 1)
    expected = ndimage.map_coordinates(volume, there, order=order, mode="mirror").reshape(shape)
    np.testing.assert_allclose(target, expected, atol=2e-4)


def test_catmull_rom_reproduces_parabolas_and_voxels():
    x = np.arange(12.0)[:, None, None] * np.ones((1, 4, 4))
    target = np.empty(x.shape, np.float32)
    moved((x - 4) ** 2, rigid_matrix([0.3, 0, 0, 0, 0, 0]), "catmull_rom", target)
    np.testing.assert_allclose(target[2:-3], (x[2:-3] + 0.3 - 4) ** 2, atol=1e-4)
    moved(x, np.eye(4), "catmull_rom", target)
    np.testing.assert_array_equal(target, x)


def test_pooling_takes_means_of_blocks():
    volume = np.random.default_rng(0).normal(size=(7, 6, 5))
    expected = volume[:6, :, :4].reshape(3, 2, 2, 3, 2, 2).mean(axis=(1, 3, 5))
    np.testing.assert_allclose(pooled(volume, (2, 3, 2)), expected, rtol=1e-5)


numbers = st.floats(-40, 40)
angles = st.floats(-1.5, 1.5)


@given(st.tuples(numbers, numbers, numbers, angles, angles, angles))
def test_six_numbers_make_a_rigid_matrix_and_come_back(row):
    matrix = rigid_matrix(row)
    np.testing.assert_allclose(rigid_parameters(matrix), row, atol=1e-7)
    np.testing.assert_allclose(matrix[:3, :3], Rotation.from_euler("xyz", row[3:]).as_matrix(), atol=1e-12)
    np.testing.assert_allclose(matrix, simulated_matrix(row), atol=1e-12)
    exact = Rotation.from_rotvec(row[3:]).as_matrix()
    np.testing.assert_allclose(small_motion(row)[:3, :3], exact, atol=1e-12)


def test_displacement_of_one_volume_is_zero():
    assert framewise_displacement(np.ones((1, 6))).tolist() == [0.0]


def test_a_long_series_needs_the_memory_of_a_few_volumes_beside_its_result():
    geometry = turned_grid((40, 40, 20))
    still = blobs(geometry, np.zeros(6)).astype(np.int16)
    data = np.broadcast_to(still[..., None], (60, *still.shape, 1)).copy()
    scan = Scan(data, geometry, 2.0)
    run_steps(dataclasses.replace(scan, data=data[:3]), [step(reference="mean")])  # compiled before it is measured
    tracemalloc.start()
    try:
        realigned, _ = run_steps(scan, [step(reference="mean")])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak - realigned.data.nbytes < 40 * still.size * 4 < realigned.data.nbytes
