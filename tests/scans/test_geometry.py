"""Geometry against nibabel and against what must hold for any grid."""

import nibabel as nib
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from voxtempo.errors import GeometryError
from voxtempo.scans import Geometry

CODES = ["RAS", "LPS", "PSR", "ILA", "SAR", "ALS"]


@st.composite
def grids(draw):
    shape = tuple(draw(st.integers(1, 12)) for _ in range(3))
    spacing = [draw(st.floats(0.2, 8)) for _ in range(3)]
    rotation = Rotation.from_euler("xyz", [draw(st.floats(-180, 180)) for _ in range(3)], degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = rotation * spacing * draw(st.sampled_from([1, -1]))
    affine[:3, 3] = [draw(st.floats(-200, 200)) for _ in range(3)]
    return Geometry(shape, affine)


@given(grids(), st.sampled_from(CODES))
def test_reoriented_moves_no_voxel(grid, codes):
    turned = grid.reoriented(codes)
    image = nib.Nifti1Image(np.arange(np.prod(grid.shape), dtype=np.int32).reshape(grid.shape), grid.affine)
    own = nib.orientations.axcodes2ornt(grid.orientation)
    expected = image.as_reoriented(nib.orientations.ornt_transform(own, nib.orientations.axcodes2ornt(codes)))
    assert turned.orientation == codes
    assert turned.shape == expected.shape
    np.testing.assert_allclose(turned.affine, expected.affine, atol=1e-9)


@given(grids())
def test_orientation_is_that_of_nibabel_where_each_axis_has_a_direction_of_its_own(grid):
    cosines = np.abs(grid.affine[:3, :3] / np.linalg.norm(grid.affine[:3, :3], axis=0))
    nearest = np.sort(cosines, axis=0)
    clear = len(set(cosines.argmax(axis=0))) == 3 and (nearest[2] - nearest[1]).min() > 1e-6
    assume(clear)
    expected = "".join(nib.orientations.aff2axcodes(grid.affine))
    assert [grid.orientation, Geometry((1, 1, 1), np.asfortranarray(grid.affine)).orientation] == [expected] * 2


@pytest.mark.parametrize(
    "angles", [(45, 0, 0), (0, 45, 0), (0, 1, 45), (45, 45, 0), (44, 46, 12), (135, 0, 45), (50, 40, 45)]
)
def test_two_tilts_of_almost_45_degrees_leave_directions_that_do_not_depend_on_the_order_of_axes(angles):
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * (1.5, 1.5, 8.0)
    grid = Geometry((4, 5, 6), affine)
    once = grid.reoriented("RAS")
    for codes in CODES:
        np.testing.assert_allclose(grid.reoriented(codes).reoriented("RAS").affine, once.affine, atol=1e-9)


@given(grids(), st.tuples(*[st.floats(0.3, 5)] * 3))
def test_resampled_keeps_the_centre_and_the_axes(grid, spacing):
    finer = grid.resampled(spacing)
    middle = lambda g: g.to_world([(np.array(g.shape) - 1) / 2])[0]  # noqa: E731
    np.testing.assert_allclose(middle(finer), middle(grid), atol=1e-6)
    for axis in range(3):
        assert finer.spacing[axis] == pytest.approx(spacing[axis] if grid.shape[axis] > 1 else grid.spacing[axis])


@given(grids(), st.tuples(*[st.integers(1, 20)] * 3))
def test_resized_covers_the_same_box(grid, shape):
    other = grid.resized(shape)
    assert other.shape == shape
    np.testing.assert_allclose(other.extent, grid.extent, rtol=1e-9)
    np.testing.assert_allclose(other.to_world([[-0.5] * 3]), grid.to_world([[-0.5] * 3]), atol=1e-6)


@given(grids())
def test_world_and_back(grid):
    voxels = np.random.default_rng(0).uniform(-5, 15, (7, 3))
    np.testing.assert_allclose(grid.to_voxels(grid.to_world(voxels)), voxels, atol=1e-6)
    np.testing.assert_allclose(grid.to_world(voxels), nib.affines.apply_affine(grid.affine, voxels), atol=1e-9)
    assert grid.matches(Geometry.from_json(grid.as_json()))


@given(grids(), st.tuples(*[st.integers(-3, 3)] * 3))
def test_shifted_and_back_is_the_same_grid(grid, start):
    there = grid.shifted(start, (4, 5, 6))
    assert there.shifted([-n for n in start], grid.shape).matches(grid, 1e-6)


@pytest.mark.parametrize(
    ("shape", "affine", "words"),
    [
        ((0, 2, 2), np.eye(4), "positive"),
        ((2, 2), np.eye(4), "positive"),
        ((2, 2, 2), np.eye(3), "4 x 4"),
        ((2, 2, 2), np.diag([1, 1, 0, 1.0]), "singular"),
        ((2, 2, 2), np.diag([1, np.nan, 1, 1.0]), "not finite"),
        ((2, 2, 2), [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]], "singular"),
    ],
)
def test_impossible_grids_are_refused(shape, affine, words):
    with pytest.raises(GeometryError, match=words):
        Geometry(shape, affine)


@pytest.mark.parametrize("codes", ["RAX", "RRS", "RA", ""])
def test_impossible_orientations_are_refused(codes):
    with pytest.raises(GeometryError, match="orientation"):
        Geometry.from_spacing((2, 2, 2)).reoriented(codes)


def test_a_grid_cannot_be_changed_in_place():
    grid = Geometry.from_spacing((2, 2, 2))
    with pytest.raises(ValueError, match="read-only"):
        grid.affine[0, 0] = 5
