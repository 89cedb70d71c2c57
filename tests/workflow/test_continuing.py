"""A run that goes on keeps the plan it began with."""

from __future__ import annotations

import pytest

from voxtempo.cohort import Study
from voxtempo.workflow.continuing import answers, plan_lines
from voxtempo.workflow.records import PLAN, claim_folder, write_json

COHORT = {
    "table": "t.csv",
    "scans": {"t1": "{id}.nii"},
    "target": {"mask": "m/{id}.nii", "labels": {1: "a"}},
}
ASKED = {"name": "s", "task": "segment", "cohort": COHORT}
GIVEN = {
    **ASKED,
    "prepare": [{"orient": "RAS"}, {"normalise": {"method": "zscore"}}],
    "sample": {"patch": [40, 56, 40]},
    "network": {"name": "unet3d", "strides": [[2, 2, 2]], "kernels": [[3, 3, 3], [3, 3, 3]]},
    "train": {"epochs": 71, "batch": 2, "precision": "bfloat16", "foreground": 0.5},
    "evaluate": {"mirror": "auto"},
    "budget": {"memory": 4.0},
}


def study(content: dict, **more) -> Study:
    return Study.model_validate({**content, **more})


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"sample": "3d"},
        {"sample": {"patch": [40, 56, 40]}},
        {"prepare": [{"orient": "RAS"}]},
        {"network": "unet3d"},
        {"train": {"epochs": 71}},
        {"budget": {"memory": "4GB"}},
    ],
)
def test_a_plan_answers_what_was_left_open(more):
    assert answers(study(ASKED, **more), study(GIVEN))


@pytest.mark.parametrize(
    "more",
    [
        {"name": "other"},
        {"sample": "2d"},
        {"sample": {"patch": [40, 56, 48]}},
        {"prepare": [{"orient": "LPS"}]},
        {"network": {"name": "unet3d", "width": 8}},
        {"train": {"epochs": 70}},
        {"train": {"precision": "float32"}},
        {"evaluate": {"mirror": "none"}},
        {"evaluate": {"intervals": 100}},
        {"budget": {"minutes": 5}},
        {"split": {"folds": 4}},
    ],
)
def test_a_plan_does_not_answer_another_study(more):
    assert not answers(study(ASKED, **more), study(GIVEN))


@pytest.mark.parametrize(
    ("sample", "dimensions"),
    [
        ({"patch": [1, 64, 64]}, "2d"),
        ({"patch": [64, 64, 1], "neighbours": 1}, "2.5d"),
        ({"slices": {"axis": "y"}}, "2d"),
        ({"slices": {"axis": "y", "neighbours": 2}}, "2.5d"),
        ({"volume": "whole"}, "3d"),
    ],
)
def test_dimensions_are_known_again_from_the_sample(sample, dimensions):
    for each in ("2d", "2.5d", "3d"):
        assert answers(study(ASKED, sample=each), study(GIVEN, sample=sample)) == (each == dimensions)


def test_a_study_that_takes_over_a_failed_run_has_a_plan_of_its_own(tmp_path):
    claim_folder(tmp_path, study(GIVEN), "fold 0")
    write_json(tmp_path / PLAN, {"fingerprint": None, "lines": ["of the first"]})
    assert not claim_folder(tmp_path, study(GIVEN), "fold 0")
    assert plan_lines(tmp_path) == ["of the first"]
    claim_folder(tmp_path, study({**GIVEN, "train": {"epochs": 3}}), "fold 0")
    assert not (tmp_path / PLAN).exists()
