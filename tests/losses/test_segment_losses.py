"""Losses of label maps and of overlapping regions: formulas in numpy, distances by scipy, and what must always hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_values import gradient, per_sample, softmax
from scipy import ndimage

from voxtempo.errors import StudyError
from voxtempo.learning.losses import build_loss, losses
from voxtempo.learning.losses.distances import distance_to, signed_distance
from voxtempo.learning.losses.labels import region_maps
from voxtempo.networks.keras_seam import keras

SEGMENT = [name for name in losses if "segment" in losses[name].tasks]
REGIONS = ((1, 2, 3), (2, 3), (3,))
IGNORED = -1


def labels_and_logits(seed: int = 0, batch: int = 2, labels: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, labels, (batch, 5, 4, 3)), rng.normal(size=(batch, 5, 4, 3, labels)).astype(np.float32)


def regions_and_logits(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    labels, _ = labels_and_logits(seed, labels=4)
    maps = np.stack([np.isin(labels, region) for region in REGIONS], axis=-1).astype(np.int32)
    return maps, np.random.default_rng(seed + 1).normal(size=maps.shape).astype(np.float32)


def soft(truth: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return p and t of the structures, the background left out."""
    if truth.ndim == logits.ndim:
        return 1 / (1 + np.exp(-logits.astype(np.float64))), truth.astype(np.float64)
    return softmax(logits.astype(np.float64))[..., 1:], np.eye(logits.shape[-1])[truth][..., 1:]


def ball(shape: tuple[int, ...], centre: tuple[float, ...], radius: float) -> np.ndarray:
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    return np.linalg.norm(grid - np.array(centre), axis=-1) <= radius


BOTH = pytest.mark.parametrize("example", [labels_and_logits, regions_and_logits])


@BOTH
def test_tversky_is_its_formula_with_alpha_for_false_positives(example):
    truth, logits = example()
    p, t = soft(truth, logits)
    indices = []
    for k in range(p.shape[-1]):
        both, false, missed = ((a * b)[..., k].sum() for a, b in ((p, t), (p, 1 - t), (1 - p, t)))
        indices.append((both + 1) / (both + 0.2 * false + 0.9 * missed + 1))
    found = per_sample("tversky", "segment", truth, logits, alpha=0.2, beta=0.9)
    np.testing.assert_allclose(found, 1 - np.mean(indices), rtol=1e-4)
    focal = per_sample("focal_tversky", "segment", truth, logits, alpha=0.2, beta=0.9, gamma=2)
    np.testing.assert_allclose(focal, np.mean(np.sqrt(1 - np.array(indices))), rtol=1e-4)


def test_tversky_of_equal_prices_is_dice_and_a_dearer_miss_costs_more():
    truth, logits = labels_and_logits()
    found = per_sample("tversky", "segment", truth, logits, alpha=0.5, beta=0.5, smooth=0.5)
    np.testing.assert_allclose(found, per_sample("dice", "segment", truth, logits), rtol=1e-5)
    truth = np.array([[1, 1, 0, 0]])
    missed, added = (np.eye(2)[np.array([labels])].astype(np.float32) * 50 for labels in ([1, 0, 0, 0], [1, 1, 1, 0]))
    costs = [per_sample("tversky", "segment", truth, said, alpha=0.3, beta=0.7)[0] for said in (missed, added)]
    assert costs[0] == pytest.approx(0.7 / 2.7, abs=1e-4)
    assert costs[1] == pytest.approx(0.3 / 3.3, abs=1e-4)


@pytest.mark.parametrize("over", ["batch", "sample"])
def test_generalised_dice_is_its_formula(over):
    truth, logits = labels_and_logits(batch=3)
    p, t = softmax(logits.astype(np.float64)), np.eye(3)[truth]

    def one(p: np.ndarray, t: np.ndarray) -> float:
        axes = tuple(range(p.ndim - 1))
        weights = 1 / t.sum(axes) ** 2
        weights /= weights.max()
        shared, size = (weights * (p * t).sum(axes)).sum(), (weights * (p + t).sum(axes)).sum()
        return 1 - (2 * shared + 1) / (size + 1)

    expected = one(p, t) if over == "batch" else [one(p[i], t[i]) for i in range(3)]
    np.testing.assert_allclose(per_sample("generalised_dice", "segment", truth, logits, over=over), expected, rtol=1e-4)


def test_generalised_dice_sees_a_small_structure_as_well_as_a_large_one():
    truth = np.zeros((1, 1000), int)
    truth[0, :500], truth[0, 500:510] = 1, 2
    only_large = 50.0 * np.eye(3, dtype=np.float32)[np.where(truth == 2, 0, truth)]
    only_small = 50.0 * np.eye(3, dtype=np.float32)[np.where(truth == 1, 0, truth)]
    lost_small, lost_large = (per_sample("generalised_dice", "segment", truth, x)[0] for x in (only_large, only_small))
    assert lost_small > 0.8
    assert 0 < lost_large < lost_small


@given(
    st.integers(0, 10**6),
    st.integers(1, 9),
    st.sampled_from([((7, 9), (1, 2.5)), ((5, 6, 4), (1, 1, 6)), ((1, 8, 3), (3, 1, 1.2)), ((5, 6, 4), ())]),
)
@settings(max_examples=40, deadline=None)
def test_distances_are_scipys_up_to_the_reach(seed, reach, grid):
    shape, sides = grid
    rng = np.random.default_rng(seed)
    marked = rng.random((2, *shape, 2)) < rng.choice([0.02, 0.3])
    found = keras.ops.convert_to_numpy(distance_to(keras.ops.convert_to_tensor(marked), reach, sides))
    for sample in range(2):
        for k in range(2):
            one = marked[sample, ..., k]
            expected = ndimage.distance_transform_edt(~one, sides or None) if one.any() else np.full(shape, np.inf)
            np.testing.assert_allclose(found[sample, ..., k], np.minimum(expected, reach), rtol=1e-6)


@pytest.mark.parametrize("name", ["boundary", "hausdorff"])
def test_a_miss_across_thick_slices_weighs_more_than_one_within(name):
    truth = np.zeros((1, 16, 16, 6), np.int32)
    truth[:, 4:12, 4:12, 2:4] = 1
    logits = 20.0 * np.eye(2, dtype=np.float32)[np.stack([np.roll(truth[0], 1, axis) for axis in (0, 2)])]
    truth = truth.repeat(2, axis=0)
    alike, thick = (
        per_sample(name, "segment", truth, logits, dice_weight=0.0, sides=sides) for sides in ((), (1, 1, 6))
    )
    moved = (logits.argmax(-1) != truth).sum((1, 2, 3))
    near, far = alike / moved, thick / moved
    assert far[1] / far[0] > 2 * near[1] / near[0]


def test_sides_of_another_number_of_axes_are_refused():
    with pytest.raises(StudyError, match="'sides' gives 2 sides of a voxel, but the samples have 3 axes"):
        distance_to(keras.ops.zeros((1, 4, 4, 4, 1), "bool"), 3, (1.0, 2.0))


def test_the_signed_distance_is_half_a_voxel_at_the_border_and_knows_no_ignored_side():
    inside = np.array([[0, 0, 1, 1, 1, 1, 0]], bool)[..., None]
    found = keras.ops.convert_to_numpy(signed_distance(keras.ops.convert_to_tensor(inside), None, 3))[0, :, 0] * 2.5
    np.testing.assert_allclose(found, [1.5, 0.5, -0.5, -1.5, -1.5, -0.5, 0.5], rtol=1e-6)
    mask = np.array([[1, 1, 0, 1, 1, 1, 1]], np.float32)
    found = keras.ops.convert_to_numpy(signed_distance(keras.ops.convert_to_tensor(inside), mask, 3))[0, :, 0] * 2.5
    np.testing.assert_allclose(found[[0, 1, 3]], [2.5, 1.5, -1.5], rtol=1e-6)


@BOTH
def test_boundary_is_its_formula(example):
    truth, logits = example()
    p, t = soft(truth, logits)
    total = np.zeros(len(truth))
    for sample in range(len(truth)):
        for k in range(p.shape[-1]):
            one = t[sample, ..., k] > 0
            away, within = (np.minimum(ndimage.distance_transform_edt(m), 10) for m in (~one, one))
            phi = np.where(one, 0.5 - within, away - 0.5) / 9.5
            total[sample] += (phi * (p - t)[sample, ..., k]).mean() / p.shape[-1]
    found = per_sample("boundary", "segment", truth, logits, dice_weight=0.0)
    np.testing.assert_allclose(found, total, rtol=1e-4)


@BOTH
def test_hausdorff_by_distance_is_its_formula(example):
    truth, logits = example()
    p, t = soft(truth, logits)
    total = np.zeros(len(truth))
    for sample in range(len(truth)):
        for k in range(p.shape[-1]):
            far = 0.0
            for one in (t[sample, ..., k] > 0.5, p[sample, ..., k] > 0.5):
                away, within = (np.minimum(ndimage.distance_transform_edt(m), 10) for m in (~one, one))
                far = far + (np.where(one, within, away) - 0.5) ** 1.5 / 9.5**1.5 / 2
            total[sample] += ((p - t)[sample, ..., k] ** 2 * far).mean() / p.shape[-1]
    found = per_sample("hausdorff", "segment", truth, logits, dice_weight=0.0, alpha=1.5)
    np.testing.assert_allclose(found, total, rtol=1e-4)


def test_hausdorff_by_erosion_is_its_formula():
    truth = np.zeros((1, 14, 14), int)
    said = ball((14, 14), (6, 7), 4.5)[None].astype(int)
    logits = 3.0 * np.eye(2, dtype=np.float32)[said]
    wrong = (softmax(logits.astype(np.float64))[0, ..., 1]) ** 2
    cross = ndimage.generate_binary_structure(2, 1) / 5
    total = np.zeros_like(wrong)
    for k in range(1, 6):
        wrong = 2 * np.maximum(ndimage.convolve(wrong, cross, mode="constant") - 0.5, 0)
        total += wrong * k**2 / 55
    found = per_sample("hausdorff", "segment", truth, logits, by="erosion", dice_weight=0.0, reach=5)
    assert found[0] == pytest.approx(total.mean(), rel=1e-4)
    assert found[0] > 1e-3


@pytest.mark.parametrize("by", ["distance", "erosion"])
def test_one_deep_error_costs_more_than_as_many_voxels_along_the_border(by):
    inside = ball((24, 24), (8, 8), 5)
    ring = ball((24, 24), (8, 8), 6.2) & ~inside
    lump = ball((24, 24), (18, 18), 3.4)
    assert abs(int(ring.sum()) - int(lump.sum())) < 5
    truth = inside[None].astype(int)
    costs = [
        per_sample("hausdorff", "segment", truth, 20 * np.eye(2, dtype=np.float32)[(inside | more)[None].astype(int)],
                   by=by, dice_weight=0.0)[0]
        for more in (ring, lump)
    ]  # fmt: skip
    assert costs[1] > 5 * costs[0]


def test_active_contour_is_its_formula_and_a_perfect_answer_costs_its_contour():
    truth = np.zeros((1, 12, 10), int)
    truth[0, 3:8, 2:7] = 1
    perfect = 40 * np.eye(2, dtype=np.float32)[truth]
    # 20 faces of the square are slopes of 1; one voxel has two of them, the root of 2.
    length = (20 - 2 + math.sqrt(2)) / 120
    assert per_sample("active_contour", "segment", truth, perfect, length_weight=1.0)[0] == pytest.approx(
        length, rel=1e-2
    )
    assert per_sample("active_contour", "segment", truth, perfect, length_weight=0.0)[0] < 1e-6
    _, logits = labels_and_logits()
    truth = np.zeros(logits.shape[:-1], int)
    p = softmax(logits.astype(np.float64))[..., 1:]
    slopes = [np.diff(p, axis=a, append=p.take([-1], axis=a)) for a in (1, 2, 3)]
    slope = np.sqrt(sum(s**2 for s in slopes) + 1e-6) - 1e-3
    found = per_sample("active_contour", "segment", truth, logits, length_weight=0.4)
    np.testing.assert_allclose(found, (p + 0.4 * slope).mean((1, 2, 3, 4)), rtol=1e-4)


@pytest.mark.parametrize("name", SEGMENT)
@pytest.mark.parametrize("regions", [False, True])
def test_more_wrong_voxels_cost_more(name, regions):
    inside = ball((12, 12, 3), (5, 5, 1), 3)
    truth = inside[None].astype(int)
    costs = []
    for reach in (3.0, 3.8, 5.0, 7.0):
        said = ball((12, 12, 3), (5, 5, 1), reach)[None].astype(int)
        logits = 8 * (2 * said[..., None] - 1.0) if regions else 8 * np.eye(2)[said]
        costs.append(per_sample(name, "segment", truth[..., None] if regions else truth, logits.astype(np.float32))[0])
    assert costs == sorted(costs)
    assert costs[-1] > costs[0] + 0.01


@pytest.mark.parametrize("name", SEGMENT)
@BOTH
def test_ignored_voxels_have_no_say(name, example):
    truth, logits = example()
    truth[:, 1:3, 2] = IGNORED
    changed = logits.copy()
    changed[:, 1:3, 2] += 50 * np.random.default_rng(1).normal(size=changed[:, 1:3, 2].shape)
    found, other = (per_sample(name, "segment", truth, x, ignore=IGNORED) for x in (logits, changed))
    np.testing.assert_allclose(other, found, rtol=1e-5)
    assert np.isfinite(found).all()
    assert (np.abs(found - per_sample(name, "segment", np.where(truth < 0, 0, truth), logits)) > 1e-4).any()
    nothing = per_sample(name, "segment", np.full_like(truth, IGNORED), logits, ignore=IGNORED)
    np.testing.assert_allclose(nothing, 0, atol=2e-5)


@pytest.mark.parametrize("name", SEGMENT)
@pytest.mark.parametrize("content", [0, 1])
def test_a_structure_that_is_nowhere_or_everywhere_is_finite(name, content):
    truth = np.full((1, 3, 4, 2), content)
    logits = np.random.default_rng(0).normal(size=(1, 3, 4, 2, 3)).astype(np.float32)
    assert np.isfinite(per_sample(name, "segment", truth, logits)).all()
    assert np.isfinite(gradient(name, "segment", truth, keras.Variable(logits))).all()


@pytest.mark.parametrize("name", SEGMENT)
def test_gradients_for_regions_are_finite_and_lead_down(name):
    truth, logits = regions_and_logits()
    slope = gradient(name, "segment", truth, keras.Variable(logits))
    assert np.isfinite(slope).all()
    before, after = (per_sample(name, "segment", truth, x).mean() for x in (logits, logits - 0.5 * slope / slope.std()))
    assert after < before


def test_cross_entropy_and_focal_of_regions_are_binary():
    truth, logits = regions_and_logits()
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    right = np.where(truth > 0, p, 1 - p)
    weights = np.array([1.0, 2.0, 5.0])
    found = per_sample("cross_entropy", "segment", truth, logits, class_weights=list(weights))
    np.testing.assert_allclose(found, -(weights * np.log(right)).mean((1, 2, 3, 4)), rtol=1e-4)
    smoothed = -(0.95 * np.log(right) + 0.05 * np.log(1 - right)).mean((1, 2, 3, 4))
    np.testing.assert_allclose(
        per_sample("cross_entropy", "segment", truth, logits, label_smoothing=0.1), smoothed, rtol=1e-4
    )
    found = per_sample("focal", "segment", truth, logits, gamma=3)
    np.testing.assert_allclose(found, -((1 - right) ** 3 * np.log(right)).mean((1, 2, 3, 4)), rtol=1e-4)


def test_dice_weighs_labels():
    truth, logits = labels_and_logits()
    p, t = soft(truth, logits)
    each = [1 - (2 * (p * t)[..., k].sum() + 1) / ((p + t)[..., k].sum() + 1) for k in range(2)]
    found = per_sample("dice", "segment", truth, logits, class_weights=[9.0, 1.0, 3.0])
    np.testing.assert_allclose(found, (each[0] + 3 * each[1]) / 4, rtol=1e-4)
    with pytest.raises(StudyError, match="2 class weights for 3 classes"):
        per_sample("dice", "segment", truth, logits, class_weights=[1.0, 1.0])


def test_label_maps_become_region_maps_with_their_ignored_voxels():
    labels = np.array([[0, 1, 2, 3, IGNORED]])
    found = keras.ops.convert_to_numpy(region_maps(keras.ops.convert_to_tensor(labels), REGIONS, IGNORED))
    assert found[0].tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1], [IGNORED] * 3]
    maps, logits = regions_and_logits()
    labels = maps.sum(-1)
    expected = per_sample("dice_ce", "segment", maps, logits).mean()
    assert float(build_loss("segment", regions=REGIONS)(labels, logits)) == pytest.approx(expected, rel=1e-5)
