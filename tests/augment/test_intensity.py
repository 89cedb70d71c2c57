"""Each intensity transform against its formula, and the contract every registered transform keeps."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import ndimage, stats

from voxtempo.augment import transforms
from voxtempo.augment.bias_field import smooth_field

SHAPE = (14, 12, 10)


def sample(shape=SHAPE, volumes=3, channels=2, seed=0):
    return np.random.default_rng(seed).normal(2, 3, (volumes, *shape, channels)).astype(np.float32)


@pytest.mark.parametrize("name", list(transforms))
@pytest.mark.parametrize("shape", [SHAPE, (14, 12, 1)])
def test_contract(name, shape):
    member = transforms[name]()
    image, label = sample(shape, volumes=12), np.random.default_rng(1).integers(0, 3, shape)
    before, label_before = image.copy(), label.copy()
    params = member.draw(np.random.default_rng(5), shape, (1.0, 1.0, 3.0))
    assert params == member.draw(np.random.default_rng(5), shape, (1.0, 1.0, 3.0))
    assert params != member.draw(np.random.default_rng(6), shape, (1.0, 1.0, 3.0)) or not params
    changed, changed_label = member.apply(image, label, json.loads(json.dumps(params)))
    again, _ = member.apply(image, label, params)
    assert np.array_equal(changed, again)
    assert changed.dtype == np.float32
    assert changed.shape == image.shape
    assert np.isfinite(changed).all()
    assert not np.allclose(changed, image, atol=1e-4)
    assert np.array_equal(image, before)
    assert np.array_equal(label, label_before)
    assert changed_label.shape == label.shape
    if name != "spatial":
        assert changed_label is label
    constant, none = member.apply(np.full_like(image, 4.25), None, params)
    assert none is None
    np.testing.assert_allclose(constant, 4.25, atol=1e-5)
    assert transforms[name].main in (None, *member.__dataclass_fields__)


def test_gamma_keeps_order_and_range():
    image = sample()
    bent, _ = transforms["gamma"]().apply(image, None, {"power": 1.4})
    for c in range(2):
        low, high = image[..., c].min(), image[..., c].max()
        want = low + (high - low) * ((image[..., c].astype(float) - low) / (high - low)) ** 1.4
        np.testing.assert_allclose(bent[..., c], want, atol=1e-4)
    same, _ = transforms["gamma"]().apply(image, None, {"power": 1.0})
    np.testing.assert_allclose(same, image, atol=1e-5)


def test_contrast_and_brightness():
    image = sample()
    stretched, _ = transforms["contrast"]().apply(image, None, {"factor": 1.5})
    np.testing.assert_allclose(stretched.mean((0, 1, 2, 3)), image.mean((0, 1, 2, 3)), rtol=1e-4)
    np.testing.assert_allclose(stretched.std((0, 1, 2, 3)), 1.5 * image.std((0, 1, 2, 3)), rtol=1e-4)
    shifted, _ = transforms["brightness"]().apply(image, None, {"shift": -0.5})
    np.testing.assert_allclose((shifted - image).mean((0, 1, 2, 3)), -0.5 * image.std((0, 1, 2, 3)), rtol=1e-4)


def test_gaussian_noise_statistics():
    image = sample((40, 40, 20))
    noisy, _ = transforms["noise"]().apply(image, None, {"amount": 0.2, "kind": "gaussian", "seed": 3})
    difference = (noisy - image)[..., 0]
    assert difference.std() == pytest.approx(0.2 * image[..., 0].std(), rel=0.02)
    assert abs(difference.mean()) < 0.01
    assert np.corrcoef(difference[0].ravel(), difference[1].ravel())[0, 1] == pytest.approx(0, abs=0.02)


def test_noise_draws_its_kind_and_amount():
    drawn = [
        transforms["noise"](amount=0.3, kind="rician").draw(np.random.default_rng(i), SHAPE, (1, 1, 1))
        for i in range(50)
    ]
    assert {d["kind"] for d in drawn} == {"rician"}
    assert 0.25 < max(d["amount"] for d in drawn) <= 0.3


@pytest.mark.parametrize("offset", [0.0, -1.3])
def test_rician_noise_is_rayleigh_without_signal(offset):
    image = np.zeros((1, 60, 60, 60, 1), np.float32)
    image[:, 30:] = 10.0
    sigma = 0.1 * image.std()
    noisy, _ = transforms["noise"]().apply(
        image + np.float32(offset), None, {"amount": 0.1, "kind": "rician", "seed": 1}
    )
    empty = noisy[:, :30].astype(float) - offset
    assert empty.mean() == pytest.approx(sigma * np.sqrt(np.pi / 2), rel=0.01)
    assert empty.std() == pytest.approx(stats.rayleigh.std(scale=sigma), rel=0.01)
    full = noisy[:, 30:].astype(float) - offset
    assert (full**2).mean() == pytest.approx(10**2 + 2 * sigma**2, rel=1e-3)


def test_bias_field_is_smooth_and_bounded():
    member = transforms["bias_field"](strength=0.4, order=2)
    for seed in range(10):
        params = member.draw(np.random.default_rng(seed), (30, 20, 16), (1, 1, 1))
        field = smooth_field(params["coefficients"], (30, 20, 16))
        assert np.abs(np.log(field)).max() <= 0.4 + 1e-6
        assert np.abs(ndimage.laplace(np.log(field))[2:-2, 2:-2, 2:-2]).max() < 0.02
    image = np.abs(sample((30, 20, 16)))
    image[:, 0, 0, 0] = 0
    shaded, _ = member.apply(image, None, params)
    np.testing.assert_allclose(shaded, image * field[None, ..., None], rtol=1e-4, atol=1e-4)


def test_bias_field_formula():
    x, y, z = np.meshgrid(np.linspace(-1, 1, 5), np.linspace(-1, 1, 4), np.linspace(-1, 1, 3), indexing="ij")
    want = np.exp(0.3 * x - 0.2 * (1.5 * y**2 - 0.5) * z)
    np.testing.assert_allclose(smooth_field([[1, 0, 0, 0.3], [0, 2, 1, -0.2]], (5, 4, 3)), want, rtol=1e-6)


def test_blur_is_in_millimetres_and_never_over_time():
    image = np.zeros((2, 31, 31, 31, 1), np.float32)
    image[0, 15, 15, 15, 0] = 1
    member = transforms["blur"](sigma=(2.0, 2.0))
    params = member.draw(np.random.default_rng(0), (31, 31, 31), (1.0, 2.0, 1.0))
    blurred, _ = member.apply(image, None, params)
    assert not blurred[1].any()
    position = np.arange(31) - 15
    for axis, want in ((0, 2.0), (1, 1.0)):
        profile = blurred[0, ..., 0].sum(axis=tuple(a for a in range(3) if a != axis))
        assert np.sqrt((profile * position**2).sum()) == pytest.approx(want, rel=0.03)
    assert blurred.sum() == pytest.approx(1, rel=1e-5)
