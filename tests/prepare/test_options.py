from __future__ import annotations

import json

import pytest

from voxtempo.cohort import Named
from voxtempo.errors import StudyError
from voxtempo.prepare import build_steps, step_records


def test_bare_values_stand_for_the_main_option():
    orient, resample, crop, normalise = build_steps(
        [{"orient": "lps"}, {"resample": 2}, {"crop_pad": [64, 48]}, Named(name="normalise", options="robust")]
    )
    assert orient.axes == "LPS"
    assert resample.spacing == (2.0, 2.0, 2.0)
    assert crop.shape == (64, 48)
    assert normalise.method == "robust"


def test_the_study_files_of_old_are_understood():
    steps = build_steps([{"temporal_filter": {"detrend": 2}}, {"normalise": {"method": "zscore", "axis": "time"}}])
    assert steps[0].detrend == 2
    assert steps[1].axis == "time"


WRONG = [
    ("orientt", "Did you mean 'orient'"),
    ({"orient": "RAX"}, "option 'axes' is 'RAX', expected one letter each"),
    ({"orient": 3}, "option 'axes' is 3, expected text"),
    ("resample", "option 'spacing', expected a value"),
    ({"resample": -1}, "expected above 0"),
    ({"resample": "thin"}, "option 'spacing' is 'thin', expected a list"),
    ({"resample": [1, 2]}, "expected more values"),
    ({"resample": float("inf")}, "finite"),
    ({"crop_pad": [1]}, "at least 2 values"),
    ({"crop_pad": [9, 9, 0]}, "at least 1"),
    ({"crop_pad": {"shap": [3, 3]}}, "no option 'shap'. Did you mean 'shape'"),
    ({"normalise": {"method": "zscor"}}, "expected 'zscore', 'robust'"),
    ({"normalise": {"clip": [99, 1]}}, "a first value below the second"),
    ({"normalise": {"factor": 0}}, "anything but 0"),
    ({"normalise": {"axis": "time", "method": "scale"}}, "no meaning with 'axis: time'"),
    ({"temporal_filter": 2}, "takes named options"),
    ({"temporal_filter": {"detrend": "two"}}, "expected a whole number"),
    ({"foreground_crop": {"relative": True}}, "'relative' needs a number"),
    ({"brain_mask": {"lower": 0.9}}, "must be below"),
    (7, "found 7"),
    ({"orient": "RAS", "resample": 1}, "a preparation step is a name"),
]


@pytest.mark.parametrize(("item", "words"), WRONG, ids=[str(w[0]) for w in WRONG])
def test_what_is_wrong_is_said_in_one_sentence(item, words):
    with pytest.raises(StudyError) as caught:
        build_steps([item])
    message = str(caught.value)
    assert words in message
    assert "\n" not in message
    assert "pydantic" not in message.lower()


def test_records_are_json_and_read_back():
    built = build_steps(["orient", {"resample": 1.5}, {"foreground_crop": 0}, {"temporal_filter": {"high_pass": 0.01}}])
    records = json.loads(json.dumps(step_records(built)))
    assert build_steps(records) == built
    expected = {"detrend": 1, "high_pass": 0.01, "low_pass": None, "keep_mean": True, "scrub": None}
    assert records[3]["temporal_filter"] == expected
