from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_erosion, median_filter

from voxtempo.errors import ScanError, StudyError
from voxtempo.prepare import build_steps, denoise, mppca, nonlocal_means, run_steps
from voxtempo.prepare.mppca import components_above_noise, denoise_patch, patches
from voxtempo.scans import Geometry, Scan
from voxtempo.scans.room import room

NOISE = 15.0


def phantom(volumes=40, shape=(16, 18, 10)) -> tuple[np.ndarray, np.ndarray]:
    """A textured head with four blobs that change in different rhythms (t, x, y, z, 1), and where its inside is."""
    grid = np.indices(shape)
    middle = np.array(shape)[:, None, None, None] / 2
    head = (((grid - middle) / (0.9 * middle + 0.5)) ** 2).sum(axis=0) < 1
    truth = np.zeros((volumes, *shape)) + 800 + 60 * np.sin(grid[0] / 3) + 40 * np.cos(grid[1] / 4 + grid[2] / 3)
    rng = np.random.default_rng(0)
    for number in range(4):
        centre = (middle[:, 0, 0, 0] + rng.uniform(-4, 4, 3) * (1, 1, shape[2] > 1))[:, None, None, None]
        blob = np.exp(-((grid - centre) ** 2).sum(axis=0) / 20)
        truth += 25 * blob * np.sin(np.arange(volumes) * (0.15 + 0.1 * number))[:, None, None, None]
    inside = binary_erosion(head, np.ones((3, 3, 3 if shape[2] > 1 else 1)))
    return (truth * head)[..., None], inside


def scan_of(data) -> Scan:
    return Scan(
        data.astype(np.float32), Geometry.from_spacing(data.shape[1:4], (3, 3, 4)), 2.0 if len(data) > 1 else None,
        source="bold.nii",
    )  # fmt: skip


def denoised(data, options):
    result, (decision,) = run_steps(scan_of(data), build_steps([{"denoise": options}]))
    return result.data, decision


def error(data, truth, inside):
    return float(np.sqrt(((data - truth)[:, inside] ** 2).mean()))


@pytest.mark.parametrize(("method", "worst"), [("mppca", 4.7), ("nlm", 5.0), ("median", 5.2)])
def test_the_error_against_the_truth_falls(method, worst):
    truth, inside = phantom()
    noisy = truth + np.random.default_rng(1).normal(0, NOISE, truth.shape)
    result, decision = denoised(noisy, method)
    assert error(noisy, truth, inside) == pytest.approx(NOISE, rel=0.02)
    assert error(result, truth, inside) < worst
    if method != "median":
        assert decision["noise"][0] == pytest.approx(NOISE, rel=0.05)


@pytest.mark.parametrize("method", ["mppca", "nlm"])
def test_what_has_no_noise_is_left_alone(method):
    truth, inside = phantom()
    result, decision = denoised(truth, method)
    assert error(result, truth, inside) < 0.3  # of signals of 25 and a texture of 60
    assert decision["noise"][0] < 2


@pytest.mark.parametrize(("method", "worst"), [("mppca", 6.0), ("nlm", 8.2), ("median", 8.0)])
def test_slices_are_denoised_in_their_plane(method, worst):
    truth, inside = phantom(30, (20, 22, 1))
    noisy = truth + np.random.default_rng(1).normal(0, NOISE, truth.shape)
    result, _ = denoised(noisy, method)
    assert result.shape == noisy.shape
    assert error(result, truth, inside) < worst


@pytest.mark.parametrize("method", ["nlm", "median"])
def test_a_volume_needs_no_time(method):
    truth, inside = phantom(1)
    noisy = truth + np.random.default_rng(1).normal(0, NOISE, truth.shape)
    result, decision = denoised(noisy, method)
    assert error(result, truth, inside) < 5.2
    if method == "nlm":
        assert decision["noise"][0] == pytest.approx(NOISE, rel=0.25)  # neighbours differ by texture too
    with pytest.raises(StudyError, match=r"bold\.nii.*'denoise' works over time"):
        denoised(noisy, "mppca")


def test_the_median_is_scipys():
    noisy, _ = phantom(2)
    result, _ = denoised(noisy, {"method": "median", "size": 5})
    np.testing.assert_array_equal(
        result[1, ..., 0], median_filter(noisy.astype(np.float32)[1, ..., 0], 5, mode="nearest")
    )


def test_more_strength_smooths_more():
    truth, inside = phantom(4)
    noisy = truth + np.random.default_rng(1).normal(0, NOISE, truth.shape)
    spread = [
        np.abs(denoised(noisy, {"method": "nlm", "strength": s})[0] - noisy)[:, inside].mean() for s in (0.5, 1, 2)
    ]
    assert spread[0] < spread[1] < spread[2]


@settings(max_examples=25, deadline=None)
@given(
    rank=st.integers(0, 4), rows=st.integers(60, 125), columns=st.integers(60, 200), noise=st.floats(0.1, 50),
    seed=st.integers(0, 1000),
)  # fmt: skip
def test_components_and_noise_of_a_matrix_are_found(rank, rows, columns, noise, seed):
    rng = np.random.default_rng(seed)
    strength = 5 * noise * (rows * columns) ** 0.25  # a component this strong stands clear of the noise
    left, right = (np.linalg.qr(rng.normal(size=(size, rank)))[0] for size in (rows, columns))
    signal = strength * left * np.arange(2, rank + 2) @ right.T
    matrix = signal + rng.normal(0, noise, (rows, columns))
    short, long = sorted((rows, columns))
    values = np.linalg.eigvalsh(matrix @ matrix.T if rows <= columns else matrix.T @ matrix)
    count, level = components_above_noise(values, short, long)
    assert rank <= count <= rank + 0.15 * short  # the largest of the noise's eigenvalues may stand above its law
    assert level == pytest.approx(noise, rel=0.1)
    clean, same, _ = denoise_patch(matrix)
    assert same == count
    assert np.linalg.norm(clean - signal) < 0.6 * np.linalg.norm(matrix - signal)


def test_the_noise_is_found_beside_many_components():
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.normal(size=(size, 35)))[0] for size in (100, 120))
    matrix = left * np.geomspace(200, 20000, 35) @ right.T + rng.normal(0, 2, (100, 120))
    count, level = components_above_noise(np.linalg.eigvalsh(matrix @ matrix.T), 100, 120)
    assert 35 <= count <= 38
    assert level == pytest.approx(2, rel=0.04)  # a third less, were the long side not shortened by what is signal


@settings(max_examples=40, deadline=None)
@given(shape=st.tuples(*[st.integers(1, 23)] * 3), size=st.sampled_from([3, 5, 7]))
def test_patches_cover_every_voxel_and_stay_inside(shape, size):
    covered = np.zeros(shape, int)
    for box in patches(shape, size):
        covered[box] += 1
        assert covered[box].shape == tuple(min(size, length) for length in shape)
    assert (covered > 0).all()


def test_channels_are_apart_zeros_stay_zero_and_room_is_used(monkeypatch):
    truth, _ = phantom(30, (10, 10, 6))
    noisy = truth + np.random.default_rng(1).normal(0, NOISE, truth.shape)
    noisy[:, :4] = 0
    alone, _ = denoised(noisy, "mppca")
    monkeypatch.setattr(mppca, "room", lambda shape, dtype: room(shape, dtype, in_memory=0))
    both, decision = denoised(np.concatenate([noisy, 4 * noisy], axis=-1), "mppca")
    assert isinstance(both, np.memmap)
    np.testing.assert_allclose(both[..., :1], alone, atol=1e-2)
    np.testing.assert_allclose(both[..., 1:], 4 * alone, atol=1e-2)
    assert decision["noise"][1] == pytest.approx(4 * decision["noise"][0])
    assert (both[:, :3] == 0).all()


def test_volumes_are_denoised_one_by_one(monkeypatch):
    noisy = phantom(3)[0] + np.random.default_rng(1).normal(0, NOISE, (3, 16, 18, 10, 1))
    expected, decision = denoised(noisy, "nlm")
    monkeypatch.setattr(denoise, "room", lambda shape, dtype: room(shape, dtype, in_memory=0))
    result, _ = denoised(noisy, "nlm")
    assert isinstance(result, np.memmap)
    np.testing.assert_array_equal(result, expected)
    alone = nonlocal_means.denoise_volume(noisy[1, ..., 0].astype(np.float32), decision["noise"][0], 5)
    np.testing.assert_array_equal(result[1, ..., 0], alone)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(StudyError, match=r"'denoise' comes after 'smooth'.*independent.*Put 'denoise' before it"):
        build_steps([{"smooth": 5}, "denoise"])
    build_steps([{"smooth": 5}, {"denoise": "nlm"}])
    build_steps(["orient", "denoise", "motion"])
    with pytest.raises(StudyError, match="'strength' is for method 'nlm'"):
        build_steps([{"denoise": {"strength": 2}}])
    with pytest.raises(StudyError, match="'size' is 4, expected an odd number"):
        build_steps([{"denoise": {"size": 4}}])
    broken = phantom(3)[0]
    broken[0, 0, 0, 0] = np.inf
    with pytest.raises(ScanError, match="1 of 8640 voxels are NaN or infinite"):
        denoised(broken, "mppca")
