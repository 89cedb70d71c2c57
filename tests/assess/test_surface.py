"""Surface distances against analytic shapes, brute force, scipy and SimpleITK, on anisotropic grids."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from voxtempo.assess import compare_labels, surface_distances, surface_of
from voxtempo.assess.label_scan import count_codes, empty_boxes, encode, find_surfaces
from voxtempo.assess.nearest import distances_to, empty_lines, line_distances

SPACING = (0.7, 1.3, 3.1)


def _blob(rng, shape, smoothness=2.0):
    noise = ndimage.gaussian_filter(rng.normal(size=shape), smoothness)
    return noise > np.quantile(noise, 0.8)


def _sphere(shape, spacing, centre, radius):
    grid = np.indices(shape) * np.reshape(spacing, (3, 1, 1, 1))
    return ((grid - np.reshape(centre, (3, 1, 1, 1))) ** 2).sum(axis=0) <= radius**2


def _by_cdist(a, b, spacing):
    pa, pb = (np.argwhere(surface_of(mask)) * spacing for mask in (a, b))
    distances = cdist(pa, pb)
    return distances.min(axis=1), distances.min(axis=0)


def test_surface_is_what_a_six_neighbour_erosion_removes():
    box = np.zeros((9, 9, 9), dtype=bool)
    box[2:7, 2:7, 2:7] = True
    assert surface_of(box).sum() == 5**3 - 3**3
    edge = np.ones((4, 4, 4), dtype=bool)
    assert surface_of(edge).sum() == 4**3 - 2**3  # the image's edge is a surface


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("shift", [1, 4])
def test_a_shifted_plane_is_as_far_as_it_was_shifted(axis, shift):
    plane = np.zeros((12, 12, 12), dtype=bool)
    plane[tuple(slice(3, 4) if i == axis else slice(None) for i in range(3))] = True
    distances = surface_distances(plane, np.roll(plane, shift, axis=axis), SPACING)
    for value in (distances.hausdorff(), distances.hausdorff(95), distances.average()):
        assert value == pytest.approx(shift * SPACING[axis])


def test_a_box_grown_on_one_side():
    inner, outer = (np.zeros((20, 20, 20), dtype=bool) for _ in range(2))
    inner[5:10, 5:10, 5:10] = True
    outer[5:10, 5:10, 5:13] = True
    assert surface_distances(inner, outer, SPACING).hausdorff() == pytest.approx(3 * SPACING[2])


def test_concentric_spheres_are_the_difference_of_radii_apart():
    spacing = (0.5, 0.5, 1.0)
    shape, centre = (84, 84, 42), (20.75, 20.75, 20.5)
    small, large = (_sphere(shape, spacing, centre, radius) for radius in (10.0, 16.0))
    distances = surface_distances(small, large, spacing)
    assert distances.average() == pytest.approx(6.0, abs=0.25)
    assert distances.hausdorff(95) == pytest.approx(6.0, abs=0.75)


def test_a_far_speck_moves_the_maximum_but_not_the_95th_percentile():
    truth = np.zeros((40, 40, 40), dtype=bool)
    truth[5:20, 5:20, 5:20] = True
    predicted = truth.copy()
    predicted[35, 12, 12] = True
    distances = surface_distances(predicted, truth, (1, 1, 1))
    assert distances.hausdorff() == 16.0
    assert distances.hausdorff(95) == 0.0


def test_the_worse_direction_decides():
    # Half of the truth is missed: from the prediction nothing is far, from the truth much is.
    truth = np.zeros((30, 10, 10), dtype=bool)
    truth[2:4, 2:8, 2:8] = truth[22:24, 2:8, 2:8] = True
    predicted = truth.copy()
    predicted[15:] = False
    distances = surface_distances(predicted, truth, (1, 1, 1))
    assert np.percentile(distances.forward, 95) == 0.0
    assert distances.hausdorff(95) == 19.0 or distances.hausdorff(95) == 20.0
    assert distances.hausdorff(95) == np.percentile(distances.backward, 95)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("spacing", [(1, 1, 1), SPACING])
def test_equal_to_brute_force_and_simpleitk(seed, spacing):
    rng = np.random.default_rng(seed)
    a, b = _blob(rng, (18, 15, 13)), _blob(rng, (18, 15, 13))
    ours = surface_distances(a, b, spacing)
    forward, backward = _by_cdist(a, b, spacing)
    np.testing.assert_allclose(np.sort(ours.forward), np.sort(forward))
    np.testing.assert_allclose(np.sort(ours.backward), np.sort(backward))
    assert ours.hausdorff(95) == pytest.approx(max(np.percentile(forward, 95), np.percentile(backward, 95)))

    images = []
    for mask in (a, b):
        image = sitk.GetImageFromArray(surface_of(mask).astype(np.uint8).transpose(2, 1, 0))
        image.SetSpacing([float(step) for step in spacing])
        images.append(image)
    distance = sitk.HausdorffDistanceImageFilter()
    distance.Execute(*images)
    assert ours.hausdorff() == pytest.approx(distance.GetHausdorffDistance(), rel=1e-5)


def test_slices_are_judged_in_their_plane():
    rng = np.random.default_rng(0)
    a, b = _blob(rng, (40, 30)), _blob(rng, (40, 30))
    thin = surface_distances(a[..., None], b[..., None], (0.5, 0.8, 5.0))
    forward, _ = _by_cdist(a, b, (0.5, 0.8))
    np.testing.assert_allclose(np.sort(thin.forward), np.sort(forward))
    assert surface_of(a[..., None]).sum() < a.sum()


def test_empty_masks_have_no_distance():
    empty, full = np.zeros((4, 4, 4), dtype=bool), np.ones((4, 4, 4), dtype=bool)
    assert surface_distances(empty, full, (1, 1, 1)) is None
    assert surface_distances(full, empty, (1, 1, 1)) is None


def _compared_by_scipy(first, second, value, spacing):
    """What the structures have in common, by masks, erosion and a k-d tree."""
    a, b = first == value, second == value
    counts = (a.sum(), b.sum(), (a & b).sum())
    if not a.any() or not b.any():
        return counts, None
    pa, pb = (np.argwhere(surface_of(mask)) * spacing for mask in (a, b))
    return counts, (cKDTree(pb).query(pa)[0], cKDTree(pa).query(pb)[0])


@given(st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_all_labels_at_once_are_what_scipy_finds_one_by_one(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 14, 3))
    kind = rng.choice([np.uint8, np.int16, np.uint16, np.int64, np.float32])
    values = [int(value) for value in rng.choice([1, 2, 3, 60, 200], 3, replace=False)]
    share = rng.uniform(0.05, 0.6)
    maps = [np.where(rng.random(shape) < share, rng.choice([*values, 9], shape), 0).astype(kind) for _ in range(2)]
    if rng.random() < 0.5:
        maps[0] = np.asfortranarray(maps[0])
    if rng.random() < 0.5:
        maps[1] = np.asfortranarray(maps[1])
    for value, found in zip(values, compare_labels(*maps, values, SPACING, threads=2), strict=True):
        counts, distances = _compared_by_scipy(*maps, value, SPACING)
        assert (found.found, found.real, found.shared) == counts
        assert (found.distances is None) == (distances is None)
        if distances is not None:
            np.testing.assert_allclose(np.sort(found.distances.forward), np.sort(distances[0]), rtol=1e-12)
            np.testing.assert_allclose(np.sort(found.distances.backward), np.sort(distances[1]), rtol=1e-12)


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_surfaces_of_every_label_in_one_pass(seed):
    rng = np.random.default_rng(seed)
    labels = ndimage.zoom(rng.integers(0, 4, rng.integers(1, 4, 3)), rng.integers(1, 8), order=0)
    codes = encode(labels, [1, 2, 3])
    counts, boxes = np.zeros((4, 4), np.int64), empty_boxes(4)
    count_codes(codes, codes, 0, len(codes), counts, boxes)
    np.testing.assert_array_equal(np.diag(counts), np.bincount(labels.ravel(), minlength=4))
    begin = np.concatenate([[0, 0], np.diag(counts)[1:].cumsum()])
    ends, points = begin[:-1].copy(), np.empty((begin[-1], 3), np.int32)
    whole = np.stack([np.zeros(3, np.int64), np.array(labels.shape) - 1], axis=-1)
    find_surfaces(codes, whole, ends, points)
    for value in (1, 2, 3):
        np.testing.assert_array_equal(points[begin[value] : ends[value]], np.argwhere(surface_of(labels == value)))
        if counts[value, value] > 0:
            there = np.argwhere(labels == value)
            np.testing.assert_array_equal(boxes[0, value], np.stack([there.min(axis=0), there.max(axis=0)], axis=-1))


def test_more_labels_than_a_byte_and_values_far_apart():
    labels = np.arange(1, 601).reshape(10, 10, 6) * 1000
    rows = compare_labels(labels, np.roll(labels, 1, axis=0), [int(value) for value in labels.ravel()], SPACING)
    away = np.array([row.distances.hausdorff() for row in rows]).reshape(labels.shape)
    np.testing.assert_allclose(away[:-1], SPACING[0])
    np.testing.assert_allclose(away[-1], 9 * SPACING[0])


@pytest.mark.parametrize("seed", range(3))
def test_surfaces_far_apart_are_solved_by_envelopes(seed):
    # Every voxel of a plane asks, and the answer lies far away: searching alone would look at the whole plane each time.
    rng = np.random.default_rng(seed)
    shape = (6, 40, 50)
    asking = np.argwhere(np.ones(shape, bool)).astype(np.int32)
    points = np.unique(np.stack([rng.integers(0, n, 3) for n in shape], axis=1), axis=0).astype(np.int32)
    lines, corner = empty_lines(shape), np.zeros(3, np.int64)
    line_distances(points, corner, lines)
    found = np.empty(len(asking))
    distances_to(asking, corner, lines, np.array(SPACING), found)
    expected, _ = cKDTree(points * SPACING).query(asking * SPACING)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_very_long_axis():
    line = np.zeros((20_000, 2, 2), np.uint8)
    line[3] = 1
    other = np.zeros_like(line)
    other[19_990] = 1
    assert surface_distances(line.astype(bool), other.astype(bool), (0.5, 1, 1)).hausdorff() == 19_987 * 0.5


def test_surface_dice_of_a_grown_box():
    # Every voxel of the outer box's surface is one voxel from the inner one's along some axis, except edges and corners.
    inner, outer = (np.zeros((20, 20, 20), bool) for _ in range(2))
    inner[5:15, 5:15, 5:15] = True
    outer[4:16, 4:16, 4:16] = True
    distances = surface_distances(inner, outer, (0.7, 0.7, 0.7))
    small, large = 10**3 - 8**3, 12**3 - 10**3
    faces = 6 * 10 * 10
    assert distances.dice(0.69) == 0.0
    assert distances.dice(0.7) == pytest.approx((small + faces) / (small + large))
    assert distances.dice(0.7 * np.sqrt(3)) == 1.0
    assert surface_distances(inner, inner, SPACING).dice(0.0) == 1.0


def test_threads_do_not_change_the_answer():
    rng = np.random.default_rng(5)
    first, second = (ndimage.zoom(rng.integers(0, 4, (5, 6, 4)), 5, order=0) for _ in range(2))
    alone, together = (compare_labels(first, second, (1, 2, 3), SPACING, threads) for threads in (1, 3))
    for one, other in zip(alone, together, strict=True):
        assert (one.found, one.real, one.shared) == (other.found, other.real, other.shared)
        np.testing.assert_array_equal(one.distances.forward, other.distances.forward)
        np.testing.assert_array_equal(one.distances.backward, other.distances.backward)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_symmetry_identity_and_scale(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.random((7, 6, 5)) < 0.4, rng.random((7, 6, 5)) < 0.2
    a[3, 3, 3] = b[1, 2, 3] = True
    one, other = surface_distances(a, b, SPACING), surface_distances(b, a, SPACING)
    assert one.hausdorff(95) == other.hausdorff(95)
    assert one.average() == pytest.approx(other.average())
    assert one.average() <= one.hausdorff()
    assert one.hausdorff(95) <= one.hausdorff()
    assert surface_distances(a, a, SPACING).hausdorff() == 0
    assert 0 <= one.dice(1.0) <= one.dice(2.0) <= one.dice(one.hausdorff()) == 1.0
    doubled = surface_distances(a, b, [2 * step for step in SPACING])
    assert doubled.hausdorff(95) == pytest.approx(2 * one.hausdorff(95))


@pytest.mark.parametrize("kind", [">i2", ">u4", "<i8", "u1", "?"])
def test_labels_of_any_byte_order_are_read(kind):
    labels = np.array([[[0, 1, 3, 9]]]).astype(kind)
    expected = [[[1 if value == 1 else 2 if value == 3 else 0 for value in labels[0, 0].astype(int)]]]
    assert encode(labels, [1, 3]).tolist() == expected
