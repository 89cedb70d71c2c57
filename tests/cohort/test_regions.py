"""Regions and ignored voxels in study files: what they mean, and what is refused."""

from __future__ import annotations

import re
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxtempo.cohort import Study, check_masks, load_study
from voxtempo.cohort.case import Case, Cohort
from voxtempo.cohort.regions import written_labels
from voxtempo.errors import StudyError
from voxtempo.scans import Geometry, Scan, write_scan

LABELS = {1: "oedema", 2: "core", 3: "enhancing"}


def study(**target) -> Study:
    target = {"mask": "m", "labels": LABELS, **target}
    return Study.model_validate(
        {"name": "s", "task": "segment", "cohort": {"table": "t", "scans": {"a": "a"}, "target": target}}
    )


def test_a_region_writes_the_label_that_no_later_one_holds():
    assert written_labels({"whole": [1, 2, 3], "core": [2, 3], "enhancing": [3]}) == (1, 2, 3)
    assert written_labels({"a": [1, 2], "b": [2, 5], "c": [2]}) == (1, 5, 2)
    with pytest.raises(ValueError, match=r"'core' has no label of its own"):
        written_labels(OrderedDict(core=[2, 3], whole=[1, 2, 3]))
    with pytest.raises(ValueError, match=r"'whole' has the labels 1, 2"):
        written_labels({"whole": [1, 2, 3], "enhancing": [3]})


@given(st.permutations(range(1, 6)))
def test_nested_regions_write_every_label_once(order):
    nested = {str(place): order[place:] for place in range(5)}
    assert written_labels(nested) == tuple(order)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"regions": {"whole": [1, 2, 3], "inner": [2, 3]}}, "'inner' has the labels 2, 3"),
        ({"regions": {"whole": [1, 2], "inner": [2]}}, r"no region holds \[3\]"),
        ({"regions": {"whole": [1, 2, 3, 4]}}, r"'regions' holds \[4\]"),
        ({"regions": {"whole": [1, 2, 3], "core": [2, 3], "in": [3]}}, "'core' is a label and a region"),
        ({"regions": {"mean": [1, 2, 3]}}, "no region can be called 'mean'"),
        ({"labels": None, "regions": {"a": [1]}}, "name those with 'labels'"),
        ({"ignore": 2}, r"'ignore: 2' is a value that 'labels' names \(core\)"),
        ({"ignore": 0}, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_is_refused(target, message):
    with pytest.raises(ValueError, match=message):
        study(**target)


def test_a_study_file_keeps_the_order_of_its_regions(tmp_path):
    text = """
name: s
task: segment
cohort:
  table: t.csv
  scans: {a: "{id}.nii.gz"}
  target:
    mask: "{id}.nii.gz"
    labels: {1: oedema, 2: necrosis, 3: enhancing}
    regions: {whole: [1, 2, 3], core: [2, 3], enhancing: [3]}
    ignore: 255
"""
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "t.csv").write_text("id\na\n", encoding="utf-8")
    target = load_study(tmp_path / "s.yaml").cohort.target
    assert list(target.regions or {}) == ["whole", "core", "enhancing"]
    assert target.ignore == 255
    (tmp_path / "s.yaml").write_text(text.replace("core: [2, 3]", "core: [3]"), encoding="utf-8")
    with pytest.raises(StudyError, match=re.escape("region 'whole' has the labels 1, 2")):
        load_study(tmp_path / "s.yaml")


def test_the_ignored_value_is_no_unnamed_label(tmp_path):
    geometry = Geometry.from_spacing((2, 2, 2))
    data = np.array([0, 1, 1, 255, 255, 0, 0, 0], np.uint8).reshape(1, 2, 2, 2, 1)
    write_scan(Scan(data, geometry, kind="label"), tmp_path / "m.nii.gz")
    case = Case("a", "a", {}, mask=tmp_path / "m.nii.gz")
    assert check_masks(Cohort((case,), labels={1: "x"}, ignore=255)) == ()
    assert "255" in check_masks(Cohort((case,), labels={1: "x"}))[0].message
