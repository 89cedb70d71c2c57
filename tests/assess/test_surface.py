"""Surface distances against analytic shapes, brute force and SimpleITK, on anisotropic grids."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.distance import cdist

from voxtempo.assess import surface_distances, surface_of
from voxtempo.assess.surface import surface_points

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


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_cropping_to_the_mask_loses_no_surface(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 9, 3))
    mask = rng.random(shape) < rng.uniform(0.05, 0.95)
    points = np.argwhere(surface_of(mask)) * SPACING
    np.testing.assert_allclose(surface_points(mask, SPACING), points)


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
    doubled = surface_distances(a, b, [2 * step for step in SPACING])
    assert doubled.hausdorff(95) == pytest.approx(2 * one.hausdorff(95))
