from __future__ import annotations

import numpy as np
import pytest

from voxtempo.feed.derivatives import DERIVATIVES, with_derivatives


def course(*values: float) -> np.ndarray:
    return np.array(values, np.float32).reshape(-1, 1, 1, 1, 1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("difference", [0, 3, 1, -8]),
        ("second_difference", [0, 0, -2, -9]),
        ("from_mean", [-0.75, 2.25, 3.25, -4.75]),
        ("motion_energy", [0, 0, 0, 0]),  # one voxel has no edge
    ],
)
def test_derivatives_of_one_voxel_by_hand(name, expected):
    found = with_derivatives(course(1, 4, 5, -3), [name])
    assert found.shape == (4, 1, 1, 1, 2)
    assert found[:, 0, 0, 0].T.tolist() == [[1, 4, 5, -3], pytest.approx(expected)]


def test_channels_follow_derivative_by_derivative_each_with_all_contrasts():
    rng = np.random.default_rng(0)
    image = rng.normal(size=(5, 4, 3, 2, 2)).astype(np.float32)
    before = image.copy()
    made = with_derivatives(image, list(DERIVATIVES))
    assert made.shape == (5, 4, 3, 2, 2 * 5)
    assert np.array_equal(image, before)
    for channel in range(2):
        alone = with_derivatives(image[..., channel : channel + 1], list(DERIVATIVES))
        assert np.allclose(made[..., channel::2], alone, atol=1e-6)


def test_windows_of_one_frame_have_no_derivatives():
    made = with_derivatives(np.ones((1, 3, 3, 1, 1), np.float32), list(DERIVATIVES))
    assert not made[..., 1:].any()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_an_edge_that_moves_has_half_its_speed_where_all_gradients_are_equal(axis):
    # A ramp of slope 2 that moves by 0.75 voxels a frame: |I_t| = 1.5, |grad| = 2 everywhere: 1.5 * 2 / (4 + 4).
    places = np.arange(9, dtype=np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
    frames = [np.broadcast_to(2 * (places - 0.75 * t), [9 if a == axis else 4 for a in range(3)]) for t in range(4)]
    energy = with_derivatives(np.stack(frames)[..., None].astype(np.float32), ["motion_energy"])[..., 1]
    assert np.allclose(energy[1:], 0.375, atol=1e-6)
    assert not energy[0].any()


def test_motion_energy_equals_numpys_gradients_in_a_plane():
    image = np.random.default_rng(1).normal(size=(4, 6, 5, 1, 1)).astype(np.float32)
    flat = image[..., 0, 0].astype(np.float64)
    expected = np.zeros_like(flat)
    gradients = [np.gradient((a + b) / 2) for a, b in zip(flat[1:], flat[:-1], strict=True)]
    squares = np.stack([x**2 + y**2 for x, y in gradients])
    # numpy's one-sided differences at the border are ours; z = 1 adds nothing.
    change = np.abs(np.diff(flat, axis=0))
    expected[1:] = change * np.sqrt(squares) / (squares + squares.mean())
    found = with_derivatives(image, ["motion_energy"])[..., 0, 1]
    assert np.allclose(found, expected, atol=1e-5)


def test_motion_energy_finds_what_moves_and_not_what_flickers():
    x, y = np.mgrid[:32, :32]
    disc = [1.0 * (np.hypot(x - 8 - t, y - 16) < 5) for t in range(4)]
    flicker = [np.where(np.hypot(x - 24, y - 16) < 5, 1.0 + 0.2 * t, 0.0) for t in range(4)]
    still = with_derivatives(np.stack([disc[0]] * 4)[..., None, None].astype(np.float32), ["motion_energy"])
    moves = with_derivatives(
        (np.stack(disc) + np.stack(flicker))[..., None, None].astype(np.float32), ["motion_energy"]
    )
    assert not still[..., 1].any()
    energy = moves[1:, :, :, 0, 1]
    assert energy[:, :16].sum() > 3 * energy[:, 20:].sum()
    assert energy[:, 22:27, 14:19].max() < 1e-6  # the inside of what flickers has no edge
