from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from voxtempo.errors import GeometryError
from voxtempo.prepare import regrid, to_native
from voxtempo.scans import Geometry, Scan

LPS = np.diag([-1.0, -1.0, 1.0])


def oblique(shape, spacing=(1.0, 1.2, 2.5), angle=0.3, origin=(-10.0, 5.0, 7.0)) -> Geometry:
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, c, s], [0, -s, c]])
    affine = np.eye(4)
    affine[:3, :3] = turn * spacing
    affine[:3, 3] = origin
    return Geometry(shape, affine)


def random_scan(shape=(7, 8, 6), volumes=2, channels=3, geometry=None, seed=0) -> Scan:
    data = np.random.default_rng(seed).normal(size=(volumes, *shape, channels)).astype(np.float32)
    return Scan(data, geometry or oblique(shape))


def to_sitk(volume: np.ndarray, geometry: Geometry) -> sitk.Image:
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.transpose(2, 1, 0)))
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(tuple(LPS @ np.array(geometry.origin)))
    direction = LPS @ (geometry.affine[:3, :3] / np.array(geometry.spacing))
    image.SetDirection(tuple(direction.ravel()))
    return image


def sitk_resampled(scan: Scan, geometry: Geometry, how: int, fill: float) -> np.ndarray:
    grid = to_sitk(np.zeros(geometry.shape, np.float32), geometry)
    result = np.empty((scan.volumes, *geometry.shape, len(scan.channels)), scan.data.dtype)
    for t in range(scan.volumes):
        for c in range(len(scan.channels)):
            moved = sitk.Resample(to_sitk(scan.volume(t, c), scan.geometry), grid, sitk.Transform(), how, fill)
            result[t, ..., c] = sitk.GetArrayFromImage(moved).transpose(2, 1, 0)
    return result


TARGETS = [
    oblique((9, 7, 8), (0.8, 1.0, 1.5), -0.2, (-9.0, 6.0, 8.0)),
    oblique((5, 12, 4), (3.0, 0.5, 2.0), 0.5, (-12.0, 3.0, 5.0)),
    Geometry.from_spacing((10, 10, 10), (1.0, 1.0, 1.0), (-10.0, 4.0, 6.0)),
]


@pytest.mark.parametrize("target", TARGETS)
def test_linear_agrees_with_simpleitk(target):
    scan = random_scan()
    ours = regrid(scan, target, fill=-3.0, antialias=False)
    theirs = sitk_resampled(scan, target, sitk.sitkLinear, -3.0)
    assert 0.05 < (theirs == -3).mean() < 0.95  # the case has both inside and outside
    np.testing.assert_allclose(ours.data, theirs, atol=2e-5)
    assert ours.data.dtype == np.float32


@pytest.mark.parametrize("target", TARGETS)
def test_nearest_agrees_with_simpleitk(target):
    scan = random_scan(channels=1, volumes=1)
    labels = Scan((scan.data > 0).astype(np.uint8) + 1, scan.geometry, kind="label")
    ours = regrid(labels, target)
    np.testing.assert_array_equal(ours.data, sitk_resampled(labels, target, sitk.sitkNearestNeighbor, 0))
    assert ours.data.dtype == np.uint8


def test_linear_agrees_with_scipy_inside():
    scan = random_scan((12, 11, 10), volumes=1, channels=1)
    target = TARGETS[0]
    mapping = target.mapping_to(scan.geometry)
    places = np.indices(target.shape).reshape(3, -1)
    positions = mapping[:3, :3] @ places + mapping[:3, 3:]
    theirs = ndimage.map_coordinates(scan.volume(), positions, order=1, mode="nearest").reshape(target.shape)
    inside = (positions >= 0).all(0) & (positions <= np.array(scan.geometry.shape)[:, None] - 1).all(0)
    inside = inside.reshape(target.shape)
    assert inside.sum() > 100
    np.testing.assert_allclose(regrid(scan, target, antialias=False).volume()[inside], theirs[inside], atol=2e-5)


@settings(max_examples=40, deadline=None)
@given(
    slope=st.lists(st.floats(-5, 5), min_size=3, max_size=3),
    angle=st.floats(-1.5, 1.5),
    spacing=st.lists(st.floats(0.3, 3.0), min_size=3, max_size=3),
)
def test_a_linear_ramp_is_exact(slope, angle, spacing):
    source = oblique((12, 12, 12), (1.0, 1.1, 0.9), 0.2, (-6.0, -6.0, -6.0))
    world = source.to_world(np.indices(source.shape).reshape(3, -1).T)
    scan = Scan((world @ slope + 3).reshape(1, 12, 12, 12, 1).astype(np.float32), source)
    target = oblique((5, 5, 5), tuple(spacing), angle, source.to_world([[5, 5, 5]])[0])
    there = target.to_world(np.indices(target.shape).reshape(3, -1).T)
    voxels = source.to_voxels(there)
    inside = ((voxels >= 0) & (voxels <= 11)).all(axis=1)
    ours = regrid(scan, target, antialias=False).data.reshape(-1)
    np.testing.assert_allclose(ours[inside], (there @ slope + 3)[inside], atol=1e-3)


@settings(max_examples=60, deadline=None)
@given(
    order=st.permutations([0, 1, 2]),
    flips=st.lists(st.booleans(), min_size=3, max_size=3),
    starts=st.lists(st.integers(-3, 4), min_size=3, max_size=3),
    shape=st.lists(st.integers(1, 9), min_size=3, max_size=3),
)
def test_flips_permutations_crops_and_pads_move_voxels_bit_exactly(order, flips, starts, shape):
    data = np.random.default_rng(1).integers(-30000, 30000, (2, 4, 5, 6, 2), dtype=np.int16)
    scan = Scan(data, oblique((4, 5, 6)))
    letters = ["RAS"[i] if not f else "LPI"[i] for i, f in zip(order, flips, strict=True)]
    target = scan.geometry.reoriented("".join(letters)).shifted(starts, shape)
    moved = regrid(scan, target, fill=-7)
    assert moved.data.dtype == np.int16
    mapping = np.rint(target.mapping_to(scan.geometry)).astype(int)
    for place in np.ndindex(*target.shape):
        old = mapping[:3, :3] @ place + mapping[:3, 3]
        inside = (old >= 0).all() and (old < scan.geometry.shape).all()
        np.testing.assert_array_equal(moved.data[:, *place], data[:, *old] if inside else -7)
    if all(s <= 0 for s in starts) and all(
        n >= m - s for n, m, s in zip(shape, scan.geometry.reoriented("".join(letters)).shape, starts, strict=True)
    ):
        np.testing.assert_array_equal(to_native(moved, scan.geometry).data, data)  # nothing was cut


def test_exact_moves_do_not_change_or_share_the_fill_with_other_voxels():
    scan = random_scan(volumes=1, channels=2)
    moved = regrid(scan, scan.geometry.shifted((-1, 0, 0), (8, 8, 6)), fill=(5.0, -1.0))
    assert (moved.data[:, 0, ..., 0] == 5).all()
    assert (moved.data[:, 0, ..., 1] == -1).all()
    np.testing.assert_array_equal(moved.data[:, 1:], scan.data)


def test_a_grid_over_the_same_box_has_no_border_of_fill():
    scan = Scan(np.full((1, 10, 11, 12, 1), 4.0, np.float32), oblique((10, 11, 12)))
    for geometry in (scan.geometry.resized((31, 7, 12)), scan.geometry.resampled((0.37, 0.5, 4.0))):
        np.testing.assert_allclose(regrid(scan, geometry, fill=-100).data, 4.0, atol=1e-5)


def test_a_slice_keeps_its_thickness_and_is_never_smoothed_across():
    geometry = Geometry.from_spacing((16, 16, 1), (1, 1, 5))
    data = np.random.default_rng(2).normal(size=(3, 16, 16, 1, 1)).astype(np.float32)
    scan = Scan(data, geometry)
    nudged = Geometry(geometry.shape, geometry.affine + np.array([[0, 0, 0, 0]] * 2 + [[0, 0, 0, 2.0], [0] * 4]))
    np.testing.assert_allclose(regrid(scan, nudged).data, data, atol=1e-6)  # 2 mm off within a 5 mm slice
    beyond = Geometry(geometry.shape, geometry.affine + np.array([[0, 0, 0, 0]] * 2 + [[0, 0, 0, 3.0], [0] * 4]))
    assert (regrid(scan, beyond, fill=9).data == 9).all()
    half = regrid(scan, geometry.resized((8, 8, 1)))
    flat = ndimage.gaussian_filter(data[0, :, :, 0, 0], np.sqrt(3) / (2 * np.sqrt(2 * np.log(2))), mode="nearest")
    theirs = ndimage.map_coordinates(flat, np.indices((8, 8)) * 2 + 0.5, order=1)
    np.testing.assert_allclose(half.data[0, :, :, 0, 0], theirs, atol=1e-5)


def test_antialias_removes_what_the_coarse_grid_cannot_hold():
    x = np.arange(96)
    stripes = np.broadcast_to(np.sin(2 * np.pi * x / 2.3)[:, None, None], (96, 4, 4))
    scan = Scan(stripes[None, ..., None].astype(np.float32), Geometry.from_spacing((96, 4, 4)))
    coarse = scan.geometry.resampled((3.0, 1.0, 1.0))
    aliased, clean = (regrid(scan, coarse, antialias=a).data[:, 2:-2].std() for a in (False, True))
    assert aliased > 0.2
    assert clean < 0.05 * aliased


def test_upsampling_is_not_smoothed():
    scan = random_scan(volumes=1, channels=1)
    fine = scan.geometry.resampled(np.array(scan.geometry.spacing) / 2)
    np.testing.assert_array_equal(regrid(scan, fine).data, regrid(scan, fine, antialias=False).data)


def test_probabilities_come_back_with_a_background_outside():
    native = oblique((12, 12, 12))
    prepared = native.shifted((3, 3, 3), (6, 6, 6)).resampled((0.9, 0.9, 0.9))
    data = np.zeros((1, *prepared.shape, 2), np.float32)
    data[..., 1] = 1
    back = to_native(Scan(data, prepared, channels=("background", "lesion")), native, fill=(1, 0))
    np.testing.assert_allclose(back.data.sum(axis=-1), 1, atol=1e-6)
    assert back.data[0, 6, 6, 6, 1] == 1
    assert back.data[0, 0, 0, 0, 0] == 1
    assert back.channels == ("background", "lesion")


def test_linear_on_labels_is_refused():
    labels = Scan(np.ones((1, 3, 3, 3, 1), np.uint8), Geometry.from_spacing((3, 3, 3)), kind="label", source="seg.nii")
    with pytest.raises(GeometryError, match=r"seg\.nii.*labels cannot be interpolated"):
        regrid(labels, labels.geometry, order=1)


@pytest.mark.parametrize("fill", [-1, 0.5, 300])
def test_a_fill_the_type_cannot_hold_is_refused(fill):
    scan = Scan(np.ones((1, 3, 3, 3, 1), np.uint8), Geometry.from_spacing((3, 3, 3)))
    with pytest.raises(GeometryError, match="cannot hold the fill"):
        regrid(scan, scan.geometry.shifted((-1, 0, 0), (4, 3, 3)), fill=fill)


def test_an_absurd_grid_is_refused_before_memory_is_taken():
    scan = random_scan(volumes=1)
    with pytest.raises(GeometryError, match=r"2\^31"):
        regrid(scan, scan.geometry.resampled((1e-4, 1e-4, 1e-4)))


def test_repetition_time_kind_and_source_survive():
    scan = Scan(np.zeros((4, 3, 3, 3, 1), np.int16), Geometry.from_spacing((3, 3, 3)), 2.5, source="a.nii")
    moved = regrid(scan, scan.geometry.resampled((2, 2, 2)))
    assert (moved.repetition_time, moved.kind, moved.source, moved.volumes) == (2.5, "intensity", "a.nii", 4)
