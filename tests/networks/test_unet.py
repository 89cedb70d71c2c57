"""U-Nets as a planner asks for them: kernels, strides and units level by level."""

from __future__ import annotations

import pytest

from voxtempo.errors import StudyError
from voxtempo.levels import fitting_depth, plan_levels, plan_strides
from voxtempo.networks import Segment, build_features, build_network

SHAPE = (16, 12, 6, 1)
THICK = {"kernels": [[3, 3, 1], [3, 3, 1], [3, 3, 3]], "strides": [[2, 2, 1], [2, 1, 2]], "width": 4}


def kernels_of(model) -> list[tuple[int, ...]]:
    return [tuple(w.shape[:-2]) for w in model.weights if "conv3d" in w.path and "kernel" in w.path]


def count(options: dict) -> int:
    return build_network("unet3d", SHAPE, Segment(2), {"widths": [4, 6, 8], **options}).count_params()


def test_kernels_and_strides_are_those_asked_for() -> None:
    _, features = build_features("unet3d", SHAPE, THICK)
    assert [level.shape[1:] for level in features.levels] == [(16, 12, 6, 4), (8, 6, 6, 8), (4, 6, 3, 16)]
    assert features.dense.shape[1:] == (16, 12, 6, 4)
    model = build_network("unet3d", SHAPE, Segment(2), THICK)
    wide = [kernel for kernel in kernels_of(model) if max(kernel) > 1]
    # Two convolutions a level, on the way down and on the way up; the coarsest has no way up.
    assert wide == [(3, 3, 1)] * 4 + [(3, 3, 3)] * 2 + [(3, 3, 1)] * 4


def test_given_strides_equal_planned_ones_that_are_the_same() -> None:
    planned = {"strides": [list(stride) for stride in plan_strides(SHAPE[:-1], 3)]}
    ours, theirs = (build_network("unet3d", SHAPE, Segment(2), {"width": 4, **o}) for o in (planned, {"depth": 3}))
    assert [w.shape for w in ours.weights] == [w.shape for w in theirs.weights]


def test_units_deepen_the_encoder_alone_and_a_plain_decoder_has_no_shortcuts() -> None:
    assert count({"units": [1, 1, 1]}) == count({})
    # One more residual unit on a level of 8: two convolutions of 27 x 8 x 8 and their gains and shifts.
    assert count({"units": [1, 1, 2]}) - count({}) == 2 * (27 * 8 * 8 + 2 * 8)
    plain, same = count({"decoder": "plain"}), count({"decoder": "as_encoder"})
    # The shortcuts around the two joins, of 12 and 8 channels to 6 and 4.
    assert same - plain == 12 * 6 + 8 * 4


def test_a_decoder_may_have_its_own_number_of_convolutions() -> None:
    options = {"skip": "add", "upsampling": "linear", "residual": True}
    none, one, two = (count({**options, "decoder_convolutions": n}) for n in (0, 1, None))
    assert one - none == 27 * (36 + 16) + 2 * (6 + 4)
    assert two - one == one - none
    summed = build_network("unet3d", SHAPE, Segment(2), {**options, "decoder_convolutions": 0, "depth": 3})
    assert summed.output.shape[1:] == (16, 12, 6, 2)


def test_the_asymmetric_form_has_more_units_in_the_encoder_than_in_the_decoder() -> None:
    options = {"widths": [4, 6, 8], "units": [1, 3, 3], "upsampling": "linear", "deep_supervision": False}
    asymmetric = build_network("unet3d", SHAPE, Segment(2), options)
    kernels = [w.shape for w in asymmetric.weights if tuple(w.shape[:3]) == (3, 3, 3)]
    encoder = [(1, 4), (4, 4), *[(4, 6), *[(6, 6)] * 5], *[(6, 8), *[(8, 8)] * 5]]
    decoder = [(12, 6), (6, 6), (8, 4), (4, 4)]  # what is joined is concatenated
    assert [tuple(shape[3:]) for shape in kernels] == encoder + decoder


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 2, "widths": [4, 6, 8]}, "different numbers of levels: widths of 3, depth of 2"),
        ({"strides": [[2, 2, 1]], "kernels": [[3, 3, 3]]}, "kernels of 1, strides of 2"),
        ({"kernels": [[3, 3], [3, 3]]}, "3 axes"),
        ({"strides": [[2, 2]]}, "3 axes"),
        ({"units": [1, 0]}, "option 'units'"),
        ({"depth": 9}, "does not fit an input of 16 x 12 x 6"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options: dict, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        build_network("unet3d", SHAPE, Segment(2), options)


@pytest.mark.parametrize("sizes", [(2, 2), (3, 9), (17, 21, 1), (64, 64, 20), (5, 4), (1, 1, 1)])
def test_a_fitting_depth_fits_and_one_more_does_not(sizes: tuple[int, ...]) -> None:
    fits = fitting_depth(sizes, 99)
    assert len(plan_strides(sizes, fits)) == fits - 1
    with pytest.raises(StudyError, match="does not fit"):
        plan_strides(sizes, fits + 1)
    assert fitting_depth(sizes, 1) == 1


def test_levels_are_planned_or_given() -> None:
    assert plan_levels((16, 16), 4, (3, 5), 99, None) == ([None, (2, 2)], (3, 5))
    assert plan_levels((16, 16), 4, None, 6, 3)[1] == (4, 6, 6)
    with pytest.raises(StudyError, match="depth is 3, but 'widths' has 2"):
        plan_levels((16, 16), 4, (3, 5), 99, 3)
