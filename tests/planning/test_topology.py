"""Strides and kernels follow the size of the voxels; voxel sizes and patches follow the cohort."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxtempo.levels import COARSEST, MAX_DEPTH
from voxtempo.planning.patches import plan_patch
from voxtempo.planning.spacing import plan_spacing
from voxtempo.planning.topology import plan_topology

sides = st.lists(st.integers(4, 320), min_size=2, max_size=3)
millimetres = st.floats(0.2, 10)


@settings(max_examples=200, deadline=None)
@given(sides, st.lists(millimetres, min_size=3, max_size=3))
def test_no_axis_falls_below_four_voxels_and_short_voxels_are_joined_first(patch, spacing):
    spacing = spacing[: len(patch)]
    plan = plan_topology(patch, spacing)
    assert len(plan.kernels) == len(plan.strides) + 1 <= MAX_DEPTH
    size, length = np.array(patch), np.array(spacing)
    for stride in np.array(plan.strides).reshape(-1, len(patch)):
        able = size >= 2 * COARSEST
        assert set(np.flatnonzero(stride == 2)) == set(np.flatnonzero(able & (length < 2 * length[able].min())))
        size, length = -(-size // stride), length * stride
    assert all(n >= min(COARSEST, before) for n, before in zip(size, patch, strict=True))


@settings(max_examples=100, deadline=None)
@given(sides, st.lists(millimetres, min_size=3, max_size=3))
def test_kernels_only_grow_and_the_finest_axis_always_has_one(patch, spacing):
    plan = plan_topology(patch, spacing[: len(patch)])
    kernels = np.array(plan.kernels)
    assert set(kernels.ravel()) <= {1, 3}
    assert (np.diff(kernels, axis=0) >= 0).all()
    assert kernels[0][int(np.argmin(spacing[: len(patch)]))] == 3


def test_the_order_of_the_axes_does_not_matter():
    forwards, backwards = plan_topology((96, 80, 12), (1, 1.2, 5)), plan_topology((12, 80, 96), (5, 1.2, 1))
    assert [stride[::-1] for stride in forwards.strides] == list(backwards.strides)
    assert [kernel[::-1] for kernel in forwards.kernels] == list(backwards.kernels)


@settings(max_examples=100, deadline=None)
@given(st.tuples(*[st.integers(1, 400)] * 3), st.tuples(*[millimetres] * 3), st.integers(4_000, 2_000_000))
def test_a_patch_fits_or_is_the_smallest_and_is_no_longer_than_needed(median, spacing, voxels):
    patch = plan_patch(median, spacing, lambda box: int(np.prod(box)) <= voxels)
    assert int(np.prod(patch)) <= voxels or min(p for p in patch if p > 1) <= 16
    assert all(p <= n + 7 for p, n in zip(patch, median, strict=True))
    assert all((p == 1) == (n == 1) for p, n in zip(patch, median, strict=True))


def test_a_patch_that_does_not_hold_the_scan_has_equal_sides_in_mm():
    spacing = (1.0, 1.0, 4.0)
    patch = plan_patch((300, 300, 80), spacing, lambda box: int(np.prod(box)) <= 64**3)
    assert np.ptp(np.multiply(patch, spacing)) <= 8 * 4.0
    assert 0.5 * 64**3 < np.prod(patch) <= 64**3


@pytest.mark.parametrize(
    ("spacings", "expected"),
    [
        ([(1, 1, 1)] * 3, None),
        ([(1, 1, 1), (1.005, 1, 1)], None),
        ([(1, 1, 1), (1, 1, 1.2), (1, 1, 1.2)], (1.0, 1.0, 1.2)),
        ([(1, 1, 2)] * 9 + [(1, 1, 8)] * 11, (1.0, 1.0, 2.0)),
        ([(1, 1, 0.3)] * 2 + [(1, 1, 8)] * 11, (1.0, 1.0, 1.84)),
    ],
)
def test_the_common_voxel_size_is_the_median_but_finer_for_thick_slices(spacings, expected):
    assert plan_spacing(spacings, [(50, 50, 20)] * len(spacings)) == expected


def test_an_axis_of_one_voxel_has_no_say():
    assert plan_spacing([(1, 1, 1), (1, 1, 5)], [(50, 50, 1)] * 2) is None
