"""Time between events as events of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from voxtempo.cohort import build_cohort, load_study
from voxtempo.cohort.events import read_events
from voxtempo.errors import CohortError
from voxtempo.scans import Geometry, Scan, write_scan

EVENTS = "onset\tduration\ttrial_type\n10\t8\tface\n18\t4\thouse\n30\t2\tn/a\n32\t2\tface\n"


def test_rest_is_what_no_row_of_the_table_speaks_of(tmp_path: Path):
    path = tmp_path / "e.tsv"
    path.write_text(EVENTS, encoding="utf-8")
    found = [(e.onset, e.duration, e.label) for e in read_events(path, "trial_type", "rest", 40.0)]
    assert found == [
        (0, 10, "rest"), (10, 8, "face"), (18, 4, "house"), (22, 8, "rest"), (32, 2, "face"), (34, 6, "rest"),
    ]  # fmt: skip
    unknown_end = read_events(path, "trial_type", "rest")
    assert [e.onset for e in unknown_end if e.label == "rest"] == [0, 22]
    assert [e.label for e in read_events(path, "trial_type")] == ["face", "house", "face"]


def study(folder: Path, **target) -> Path:
    for name in ("a", "b"):
        data = np.zeros((20, 3, 3, 2, 1), np.float32)
        write_scan(Scan(data, Geometry.from_spacing((3, 3, 2)), repetition_time=2.0), folder / f"{name}.nii.gz")
        (folder / f"{name}.tsv").write_text(EVENTS, encoding="utf-8")
    (folder / "t.csv").write_text("id\na\nb\n", encoding="utf-8")
    (folder / "study.yaml").write_text(
        yaml.safe_dump(
            {
                "name": "rest", "task": "classify",
                "cohort": {"table": "t.csv", "scans": {"bold": "{id}.nii.gz"},
                           "target": {"events": "{id}.tsv", "column": "trial_type", **target}},
                "sample": {"window": {"length": 2, "labels": "pure", "rest": "rest"}},
            }
        ),
    encoding="utf-8")  # fmt: skip
    return folder / "study.yaml"


def test_rest_is_a_class_and_ends_with_the_series(tmp_path: Path):
    cohort = build_cohort(load_study(study(tmp_path)))
    assert cohort.classes == ("face", "house", "rest")
    last = cohort["a"].events[-1]
    assert (last.onset, last.duration, last.label) == (34.0, 6.0, "rest")  # 20 volumes of 2 s


def test_rest_must_be_among_the_classes_and_events_of_other_kinds_are_no_rest(tmp_path: Path):
    path = study(tmp_path, classes=["face", "rest"])
    cohort = build_cohort(load_study(path))
    assert [e.onset for e in cohort["a"].events if e.label == "rest"] == [0, 22, 34]
    path = study(tmp_path, classes=["face", "house"])
    with pytest.raises(CohortError, match=r"sample.window.rest is 'rest', but cohort.target.classes names only"):
        build_cohort(load_study(path))


def test_rest_of_a_scan_that_cannot_be_read_is_left_to_the_check_of_headers(tmp_path: Path):
    path = study(tmp_path)
    (tmp_path / "a.nii.gz").write_bytes(b"nothing")
    assert [e.label for e in build_cohort(load_study(path))["a"].events][-1] == "face"
