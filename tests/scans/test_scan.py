"""A scan's array and its geometry never drift apart."""

import numpy as np
import pytest

from voxtempo.errors import GeometryError
from voxtempo.scans import Geometry, Scan, stack_channels

GRID = Geometry.from_spacing((3, 4, 5), (1, 2, 3))


def make(value=0.0, **changes):
    return Scan(**{"data": np.full((2, 3, 4, 5, 1), value, np.float32), "geometry": GRID, "source": "a.nii", **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": np.zeros((3, 4, 5))}, "t, x, y, z, c"),
        ({"data": np.zeros((1, 3, 4, 6, 1))}, r"a\.nii: the array's space is \(3, 4, 6\)"),
        ({"repetition_time": 0.0}, "above 0"),
        ({"repetition_time": float("nan")}, "above 0"),
        ({"kind": "label"}, "whole numbers"),
        ({"channels": ("t1", "t2")}, "1 channels but 2 names"),
        (
            {"confounds": {"trans_x": np.zeros(3)}},
            r"confound 'trans_x' has shape \(3,\), expected one value for each of 2",
        ),
        ({"slice_times": (0.0, 1.0)}, "2 slice times for 5 slices"),
    ],
)
def test_contradictions_are_refused(changes, words):
    with pytest.raises(GeometryError, match=words):
        make(**changes)


def test_stacked_channels_keep_values_and_names():
    stacked = stack_channels([make(1, channels=("t1",)), make(2, channels=("t2",))])
    assert stacked.data.shape == (2, 3, 4, 5, 2)
    assert stacked.channels == ("t1", "t2")
    assert (stacked.volume(1, 0) == 1).all()
    assert (stacked.volume(1, 1) == 2).all()


def test_channels_on_other_grids_are_refused_by_name():
    other = make(geometry=Geometry.from_spacing((3, 4, 5), (1, 2, 4)), source="b.nii")
    with pytest.raises(GeometryError, match=r"a\.nii .* b\.nii"):
        stack_channels([make(), other])


def test_duration():
    assert make(repetition_time=2.5).duration == 5.0
    assert make().duration is None
    assert make().is_series


def test_slice_times_go_when_voxels_move_and_stay_when_values_change():
    scan = make(slice_times=(0.0, 0.4, 0.8, 1.2, 1.6), confounds={"dvars": np.array([0.0, 1.0])})
    assert scan.with_data(scan.data * 2).slice_times == scan.slice_times
    moved = scan.with_data(scan.data[:, :, :, ::-1], scan.geometry)
    assert moved.slice_times == ()
    assert moved.confounds["dvars"].tolist() == [0.0, 1.0]
