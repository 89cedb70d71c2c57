"""Structures of label maps are judged as the study says: regions, what is ignored, and the tolerance of surfaces."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from voxtempo.cohort.case import Cohort
from voxtempo.inference.structures import judge_structures
from voxtempo.learning.choices import check_choices
from voxtempo.learning.tasks import SegmentTask

from .test_predictor import study

TASK = SegmentTask({1: "shell", 2: "core"}, regions={"whole": (1, 2), "core": (2,)})


def maps() -> tuple[np.ndarray, np.ndarray]:
    """Two boxes of which the predicted one is two voxels longer at one end; the cores are alike."""
    truth, predicted = np.zeros((20, 12, 12), np.uint8), np.zeros((20, 12, 12), np.uint8)
    truth[4:12, 2:10, 2:10] = 1
    predicted[4:14, 2:10, 2:10] = 1
    truth[6:9, 5:7, 5:7] = predicted[6:9, 5:7, 5:7] = 2
    return predicted, truth


def surface(tolerance) -> dict[str, float]:
    predicted, truth = maps()
    found = judge_structures(predicted, truth, TASK, (1.0, 1.0, 1.0), tolerance)
    return {name: each["surface_dice"] for name, each in found.items()}


def test_a_wider_tolerance_forgives_more_and_can_be_given_by_name():
    usual = surface(None)
    assert usual == surface(1.0)
    assert usual["whole"] < 1
    assert usual["core"] == 1
    assert surface(2.0)["whole"] == 1
    named = surface({"whole": 2.0})
    assert named["whole"] == 1
    assert named["shell"] == usual["shell"]


def test_a_tolerance_for_nothing_is_told():
    own = study("segment", {"volume": "whole"}, evaluate={"tolerance": {"core": 1.0, "crust": 2.0}})
    problems = check_choices(own, Cohort((), labels={1: "shell", 2: "core"}))
    assert [(p.where, "crust" in p.message) for p in problems] == [("evaluate.tolerance", True)]


@pytest.mark.parametrize("tolerance", [0, -1.0, {"a": 0}])
def test_a_tolerance_is_above_zero(tolerance):
    with pytest.raises(ValidationError, match="greater than 0"):
        study("segment", {"volume": "whole"}, evaluate={"tolerance": tolerance})
