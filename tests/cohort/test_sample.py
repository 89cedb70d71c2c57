"""What a study may say of its samples."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from voxtempo.cohort import dump_study, load_study, study_schema
from voxtempo.cohort.study import Sample
from voxtempo.errors import StudyError


@pytest.mark.parametrize("word", ["2d", "2.5d", "3d"])
def test_dimensions_have_a_short_form_and_come_back_from_the_file(study_file: Path, word):
    study = load_study(study_file, [f"sample={word}"])
    assert study.sample == Sample(dimensions=word)
    assert study.sample.kind == "dimensions"
    again = study_file.with_name("again.yaml")
    again.write_text(dump_study(study), encoding="utf-8")
    assert load_study(again) == study
    assert word in study_schema()["$defs"]["Sample"]["anyOf"][0]["enum"]


@pytest.mark.parametrize(
    ("sample", "across", "beside"),
    [
        ({"patch": [160, 192, 1]}, 2, 0),
        ({"patch": [1, 192, 24], "neighbours": 2}, 0, 2),
        ({"slices": {"axis": "y", "neighbours": 1}}, 1, 1),
        ({"patch": [64, 1, 1]}, None, 0),
        ({"patch": [64, 64, 64]}, None, 0),
        ({"volume": "whole"}, None, 0),
        ({"window": {"length": 4}}, None, 0),
    ],
)
def test_a_patch_with_exactly_one_axis_of_one_voxel_is_a_slice(study_file: Path, sample, across, beside):
    found = Sample.model_validate(sample)
    assert (found.across, found.beside) == (across, beside)
    plain = yaml.safe_load(dump_study(load_study(study_file).model_copy(update={"sample": found})))["sample"]
    assert Sample.model_validate(plain) == found


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        ("{patch: [64, 64, 8], neighbours: 1}", "'neighbours' goes with a patch of one slice"),
        ("{patch: [64, 1, 1], neighbours: 1}", "'neighbours' goes with a patch of one slice"),
        ("{volume: whole, neighbours: 1}", "'neighbours' goes with a patch of one slice"),
        ("{slices: {axis: z}, neighbours: 1}", "given inside 'slices'"),
        ("{slices: {axis: z, neighbours: -1}}", "sample.slices.neighbours"),
        ("{dimensions: 2d, patch: [8, 8, 1]}", "exactly one of"),
        ("{neighbours: 1}", "exactly one of"),
        ("4d", "sample"),
    ],
)
def test_what_does_not_go_together_is_refused_in_words(study_file: Path, sample, words):
    with pytest.raises(StudyError, match=words):
        load_study(study_file, [f"sample={sample}"])
