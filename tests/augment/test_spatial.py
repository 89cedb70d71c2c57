"""The fused warp against scipy, and what must never change whatever is drawn."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.interpolate import BSpline

from voxtempo.augment.spatial import Spatial, affine_matrix, control_grid, free_axes, identity
from voxtempo.augment.warp import warp_rows

STRONG = Spatial(rotation=25, scale=0.2, shear=0.1, translation=4, elastic=6, knots=16, flip=("x", "y", "z"))


def sample(shape=(19, 16, 13), volumes=2, channels=2, seed=0):
    rng = np.random.default_rng(seed)
    image = ndimage.gaussian_filter(rng.standard_normal((volumes, *shape, channels)), (0, 2, 2, 2, 0)).astype(
        np.float32
    )
    return image / image.std(), rng.integers(0, 4, shape).astype(np.uint8)


def spline_displacement(params, size):
    """Dense displacement (X, Y, Z, 3) in mm with scipy's own B-splines."""
    grid, rate = control_grid(params, size)
    bases = []
    for axis in range(3):
        knots = np.arange(-3, grid.shape[axis] + 1)
        position = np.arange(size[axis]) * rate[axis]
        bases.append(BSpline.design_matrix(position, knots.astype(float), 3).toarray())
    return np.einsum("ia,jb,kc,abcn->ijkn", *bases, grid)


def reference_positions(params, shape, size):
    """Input voxel positions (3, X, Y, Z) from the formula in the module's docstring."""
    spacing = np.array(params["spacing"])
    voxels = np.stack(np.meshgrid(*map(np.arange, size), indexing="ij"), axis=-1)
    centre = (np.array(size) - 1) / 2
    point = (voxels - centre) * spacing
    if any(params["elastic"]):
        point = point + spline_displacement(params, size)
    back = (point - params["translation"]) @ np.linalg.inv(affine_matrix(params)).T
    return np.moveaxis(back / spacing + centre + (np.array(shape) - size) // 2, -1, 0)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("size", [None, (10, 11, 7), (24, 16, 15)])
def test_equals_map_coordinates(seed, size):
    image, label = sample()
    spacing = (1.0, 1.5, 2.5)
    params = STRONG.draw(np.random.default_rng(seed), label.shape, spacing)
    if size:
        params["size"] = list(size)
    got, got_label = STRONG.apply(image, label, params)
    where = reference_positions(params, label.shape, size or label.shape)
    for t in range(image.shape[0]):
        for c in range(image.shape[4]):
            want = ndimage.map_coordinates(image[t, ..., c].astype(np.float64), where, order=1, mode="nearest")
            np.testing.assert_allclose(got[t, ..., c], want, atol=2e-5)
    want_label = ndimage.map_coordinates(label, where, order=0, mode="nearest")
    assert (got_label != want_label).mean() < 1e-3  # ties in rounding only
    assert got.dtype == np.float32
    assert got_label.dtype == label.dtype


def test_rotation_moves_content_forwards():
    image = np.zeros((1, 9, 9, 9, 1), np.float32)
    image[0, 7, 4, 4, 0] = 1
    params = identity((1, 1, 1)) | {"rotation": [0, 0, 90]}
    moved, _ = Spatial().apply(image, None, params)
    assert moved[0, 4, 7, 4, 0] == pytest.approx(1)
    shifted, _ = Spatial().apply(image, None, identity((2, 2, 2)) | {"translation": [-4, 2, 0]})
    assert shifted[0, 5, 5, 4, 0] == pytest.approx(1)
    larger, _ = Spatial().apply(image, None, identity((1, 1, 1)) | {"scale": [4 / 3, 1, 1]})
    assert larger[0, 8, 4, 4, 0] == pytest.approx(1)


@pytest.mark.parametrize("shape", [(12, 10, 8), (9, 11, 1)])
def test_identity_and_flips_are_exact(shape):
    image, label = sample(shape)
    same, same_label = Spatial().apply(image, label, identity((1, 0.7, 49)))
    assert np.array_equal(same, image)
    assert np.array_equal(same_label, label)
    assert same is not image
    assert not np.shares_memory(same, image)
    flipped, flipped_label = Spatial().apply(image, label, identity((1, 1, 1)) | {"flip": [True, False, False]})
    assert np.array_equal(flipped, image[:, ::-1])
    assert np.array_equal(flipped_label, label[::-1])


def test_kernel_is_exact_at_identity():
    image, _ = sample((7, 6, 5), 2, 3)
    rows = image.reshape(2, -1).copy()
    rows.flags.writeable = False
    out, nearest = np.empty_like(rows), np.empty(210, np.uint32)
    shape = np.array([7, 6, 5])
    warp_rows(rows, shape, 3, np.eye(3), np.zeros(3), np.zeros((0, 0, 0, 3)), np.ones(3), shape, out, nearest)
    assert np.array_equal(out, rows)
    assert np.array_equal(nearest, np.arange(210))


def test_cut_alone_is_slicing():
    image, label = sample((12, 10, 8))
    cut, cut_label = Spatial().apply(image, label, identity((1, 1, 1), (5, 10, 3)))
    assert np.array_equal(cut, image[:, 3:8, :, 2:5])
    assert np.array_equal(cut_label, label[3:8, :, 2:5])
    larger, _ = Spatial().apply(image, label, identity((1, 1, 1), (14, 10, 8)))
    assert np.array_equal(larger, np.pad(image, ((0, 0), (1, 1), (0, 0), (0, 0), (0, 0)), mode="edge"))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 14), st.integers(1, 14), st.integers(1, 9)),
    spacing=st.tuples(*[st.floats(0.4, 6)] * 3),
    kind=st.sampled_from([np.uint8, np.int16, np.int32, np.int64]),
)
def test_whatever_is_drawn(seed, shape, spacing, kind):
    image, label = sample(shape, 2, 1, seed)
    label = label.astype(kind)
    before = image.copy()
    params = STRONG.draw(np.random.default_rng(seed), shape, spacing)
    moved, moved_label = STRONG.apply(image, label, params)
    assert moved.shape == image.shape
    assert moved_label.dtype == kind
    assert set(np.unique(moved_label)) <= set(np.unique(label))
    assert moved.min() >= image.min() - 1e-5
    assert moved.max() <= image.max() + 1e-5
    assert np.array_equal(image, before)
    again, _ = STRONG.apply(image, label, json.loads(json.dumps(params)))
    assert np.array_equal(moved, again)
    assert params == STRONG.draw(np.random.default_rng(seed), shape, spacing)
    constant, _ = STRONG.apply(np.full_like(image, 3.7), None, params)
    assert (constant == np.float32(3.7)).all()
    for t in range(2):
        alone, _ = STRONG.apply(image[t : t + 1], None, params)
        assert np.array_equal(alone[0], moved[t])


def test_slices_move_in_plane_only():
    assert free_axes((64, 64, 1), (1, 1, 0.1)).tolist() == [True, True, False]
    assert free_axes((64, 64, 20), (0.5, 0.5, 5)).tolist() == [True, True, False]
    assert free_axes((1, 1, 1), (1, 1, 1)).tolist() == [False, False, False]
    for shape, spacing in (((30, 30, 1), (1, 1, 1)), ((30, 30, 9), (1, 1, 6))):
        params = STRONG.draw(np.random.default_rng(3), shape, spacing) | {"flip": [False] * 3}
        assert params["rotation"][:2] == [0, 0]
        image = np.broadcast_to(np.arange(shape[2], dtype=np.float32)[:, None], (1, *shape, 1))
        moved, _ = STRONG.apply(image, None, params)
        np.testing.assert_allclose(moved, image, atol=1e-5)


@pytest.mark.parametrize("seed", range(10))
def test_elastic_never_folds(seed):
    strongest = Spatial(rotation=0, scale=0, elastic=9.6, knots=24)
    size = (48, 48, 40)
    params = strongest.draw(np.random.default_rng(seed), size, (1, 1, 1)) | {"elastic": [9.6] * 3}
    u = spline_displacement(params, size)
    jacobian = np.stack([np.stack(np.gradient(u[..., n]), -1) for n in range(3)], -2) + np.eye(3)
    assert np.linalg.det(jacobian).min() > 0
    assert np.abs(u).max() > 2


def test_reach_reads_enough():
    size, spacing = (20, 24, 12), (1.0, 0.8, 1.6)
    shape = STRONG.reach(size, spacing)
    image = np.ones((1, *shape, 1), np.float32)
    image[:, 1:-1, 1:-1, 1:-1] = 0
    for seed in range(60):
        params = STRONG.draw(np.random.default_rng(seed), shape, spacing) | {"size": list(size)}
        assert STRONG.apply(image, None, params)[0].max() < 1
    assert Spatial(rotation=0, scale=0).reach(size, spacing) == size


@pytest.mark.parametrize("signs", list(product((-1, 1), repeat=3)))
def test_reach_at_the_extremes(signs):
    member, size = Spatial(rotation=25, scale=0.2), (24, 20, 16)
    shape = member.reach(size, (1, 1, 1))
    assert shape == (42, 40, 38)
    image = np.ones((1, *shape, 1), np.float32)
    image[:, 1:-1, 1:-1, 1:-1] = 0
    extreme = identity((1, 1, 1), size) | {"rotation": [25 * s for s in signs], "scale": [1 / 1.2] * 3}
    assert member.apply(image, None, extreme)[0].max() < 1


def test_reach_of_slices_stays_in_plane():
    assert STRONG.reach((32, 32, 1), (1, 1, 1))[2] == 1


def test_impossible_options():
    with pytest.raises(ValueError, match="folds"):
        Spatial(elastic=10, knots=24)
    with pytest.raises(ValueError, match="among x, y, z"):
        Spatial(flip=("left",))
    with pytest.raises(ValueError, match="not negative"):
        Spatial(rotation=-1)
    with pytest.raises(ValueError, match="between 0 and 1"):
        Spatial(probability=1.5)


def test_threads_agree_and_nothing_recompiles():
    image, label = sample((21, 20, 19))
    draws = [STRONG.draw(np.random.default_rng(i), label.shape, (1, 1, 1)) for i in range(12)]
    alone = [STRONG.apply(image, label, p)[0] for p in draws]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda p: STRONG.apply(image, label, p)[0], draws))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))
    frozen = image.copy()
    frozen.flags.writeable = False
    STRONG.apply(frozen, label.astype(np.int64), draws[0])
    STRONG.apply(np.asfortranarray(image), None, draws[0])
    assert len(warp_rows.signatures) == 1


@pytest.mark.parametrize(("shape", "flips"), [((40, 1, 1), False), ((40, 20, 1), True)])
def test_a_line_of_regions_keeps_its_order(shape, flips):
    rng = np.random.default_rng(0)
    drawn = [Spatial(flip=("x",)).draw(rng, shape, (1, 1, 1))["flip"][0] for _ in range(30)]
    assert any(drawn) == flips
