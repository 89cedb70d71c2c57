"""The cohort's table and flow."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from voxtempo.cohort import (
    Case,
    Cohort,
    Fold,
    Problem,
    build_cohort,
    check_geometry,
    label_volumes,
    load_study,
    make_folds,
    summarise,
)
from voxtempo.scans import Geometry, Scan, write_scan


def test_flow_table_and_problems(study_file: Path):
    study = load_study(study_file)
    cohort = build_cohort(study)
    fold = make_folds(cohort, study.split)[0]
    result = summarise(cohort, fold, [Problem("note", "b", "n"), Problem("error", "a", "e")])
    assert json.loads(json.dumps(result)) == result
    assert [step["step"] for step in result["flow"]][-3:] == ["train", "validation", "test"]
    assert sum(step["cases"] for step in result["flow"][-3:]) == 12
    assert result["table"]["columns"] == ["all", "train", "validation", "test"]
    rows = {row[0]: row[1:] for row in result["table"]["rows"]}
    ages = np.array([20 + 3 * i for i in range(12)])
    assert rows["age, mean (sd)"][0] == f"{ages.mean():.1f} ({ages.std(ddof=1):.1f})"
    assert rows["F"][0] == "6 (50 %)"
    assert rows["site: A"][0] == "6 (50 %)"
    assert all(len(values) == 4 for values in rows.values())
    assert not any(name.startswith(("sex", "id", "subject")) for name in rows)
    assert [p["severity"] for p in result["problems"]] == ["error", "note"]


def test_what_belongs_to_the_subject_is_counted_by_subject():
    rows = [("a", "F", "1"), ("a", "F", "2"), ("a", "F", "3"), ("b", "M", "1"), ("c", "M", "2")]
    cases = tuple(Case(f"c{i}", s, {}, "x", row={"sex": sex, "run": run}) for i, (s, sex, run) in enumerate(rows))
    table = {row[0]: row[1] for row in summarise(Cohort(cases, ("x",)))["table"]["rows"]}
    assert table["sex: F, subjects"] == "1 (33 %)"
    assert table["run, mean (sd)"] == "1.8 (0.8)"


def test_unknown_values_are_counted_apart():
    cases = tuple(Case(f"c{i}", f"s{i}", {}, None, row={"score": v}) for i, v in enumerate(["1", "2", "3", "n/a"]))
    table = {
        row[0]: row[1:]
        for row in summarise(Cohort(cases), Fold(0, "f", ("c0", "c1"), ("c2",), ("c3",)))["table"]["rows"]
    }
    assert table["score, mean (sd)"] == ["2.0 (1.0)", "1.5 (0.7)", "3.0", "-"]
    assert table["score: not known"] == ["1", "0", "0", "1"]


def test_volumes_of_labels_are_described_by_side():
    cases = tuple(Case(f"c{i}", f"s{i}", {}) for i in range(4))
    volumes = {"ball": {"c0": 1.0, "c1": 2.0, "c2": 0.01234, "c3": 0.0}, "core": {"c0": 5.0}}
    fold = Fold(0, "f", ("c0", "c1"), ("c2",), ("c3",))
    rows = {row[0]: row[1:] for row in summarise(Cohort(cases), fold, volumes=volumes)["table"]["rows"]}
    assert rows["ball (ml), mean (sd)"][1:] == ["1.5 (0.707)", "0.0123", "0"]
    assert rows["core (ml), mean (sd)"] == ["5", "5", "-", "-"]


def test_volumes_are_voxels_times_their_size_and_absent_labels_are_nothing(tmp_path):
    cases = []
    for name, side in (("big", 3), ("small", 1)):
        data = np.zeros((1, 6, 6, 6, 1), np.uint8)
        data[0, :side, :side, :side] = 2
        path = tmp_path / f"{name}.nii.gz"
        write_scan(Scan(data, Geometry.from_spacing((6, 6, 6), (1, 1.5, 2)), kind="label"), path)
        cases.append(Case(name, name, {"mr": path}, mask=path))
    cohort = Cohort(tuple(cases), labels={2: "lesion", 5: "other"})
    found = label_volumes(cohort, check_geometry(cohort))
    assert found["lesion"] == pytest.approx({"big": 27 * 3 / 1000, "small": 3 / 1000})
    assert found["other"] == {"big": 0.0, "small": 0.0}


def test_labels_of_bids_subjects_are_not_averaged():
    rows = [
        {
            "participant_id": f"sub-0{i}",
            "sub": f"0{i}",
            "ses": str(1 + i % 2),
            "session": str(1 + i % 2),
            "age": str(30 + i),
        }
        for i in range(4)
    ]
    cases = tuple(Case(f"c{i}", row["participant_id"], {}, row=row) for i, row in enumerate(rows))
    told = [row[0] for row in summarise(Cohort(cases))["table"]["rows"]]
    assert told == ["Cases", "Subjects", "session: 1", "session: 2", "age, mean (sd)"]
