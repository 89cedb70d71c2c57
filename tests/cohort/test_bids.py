"""BIDS folders as cohorts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from voxtempo.cohort import build_cohort, check_geometry, load_study
from voxtempo.cohort.bids import read_bids
from voxtempo.errors import CohortError

HEADER = "name: b\ntask: classify\n"


def write_study(folder: Path, cohort: str) -> Path:
    path = folder / "study.yaml"
    path.write_text(f"{HEADER}cohort: {{bids: data, {cohort}}}\n", encoding="utf-8")
    return path


@pytest.fixture
def dataset(tmp_path: Path, save_nifti: Callable[..., Path]) -> Path:
    """Two subjects, two sessions, runs with events, one T1 a session, derivatives to be left alone."""
    rng = np.random.default_rng(0)
    root = tmp_path / "data"
    for sub in ("01", "02"):
        for ses in ("1", "2"):
            stem = f"sub-{sub}_ses-{ses}"
            folder = root / f"sub-{sub}" / f"ses-{ses}"
            save_nifti(folder / "anat" / f"{stem}_T1w.nii.gz", rng.integers(0, 99, (4, 4, 4)).astype(np.int16))
            for run in ("1", "2"):
                name = f"{stem}_task-rest_run-{run}"
                volume = rng.integers(0, 99, (4, 4, 3, 6)).astype(np.int16)
                save_nifti(folder / "func" / f"{name}_bold.nii.gz", volume, (2, 2, 2), 0.0)
                (folder / "func" / f"{name}_events.tsv").write_text(
                    f"onset\tduration\ttrial_type\n0\t2\tleft\n4\t2\tright{'' if run == '1' else '2'}\n",
                    encoding="utf-8",
                )
    save_nifti(
        root / "derivatives" / "sub-01" / "sub-01_task-rest_bold.nii.gz", np.zeros((2, 2, 2, 2), np.int16), (1, 1, 1), 1
    )
    (root / "participants.tsv").write_text(
        "participant_id\tage\tgroup\nsub-01\t30\tpatient\nsub-02\t40\tcontrol\n", encoding="utf-8"
    )
    (root / "sub-01" / "sub-01_sessions.tsv").write_text("session_id\tscore\nses-1\t7\nses-2\t9\n", encoding="utf-8")
    (root / "task-rest_bold.json").write_text(json.dumps({"RepetitionTime": 2.0, "TaskName": "rest"}), encoding="utf-8")
    nearer = root / "sub-02" / "ses-1" / "func" / "sub-02_ses-1_task-rest_run-2_bold.json"
    nearer.write_text(json.dumps({"RepetitionTime": 1.5}), encoding="utf-8")
    (root / "dataset_description.json").write_text("{}", encoding="utf-8")
    return tmp_path


def test_rows_join_names_participants_sessions_and_sidecars(dataset: Path):
    study = write_study(dataset, "scans: {bold: {suffix: bold}}, target: {column: group}")
    cohort = build_cohort(load_study(study))
    assert [case.id for case in cohort][:3] == [
        "sub-01_ses-1_task-rest_run-1", "sub-01_ses-1_task-rest_run-2", "sub-01_ses-2_task-rest_run-1",
    ]  # fmt: skip
    assert len(cohort) == 8
    assert cohort.subjects == ("sub-01", "sub-02")
    assert cohort.classes == ("control", "patient")
    row = cohort["sub-01_ses-2_task-rest_run-1"].row
    assert (row["age"], row["ses"], row["run"], row["score"], row["suffix"]) == ("30", "2", "1", "9", "bold")
    assert cohort["sub-02_ses-1_task-rest_run-1"].row["score"] == ""
    times = {case.id: case.repetition_time for case in cohort}
    assert times.pop("sub-02_ses-1_task-rest_run-2") == 1.5
    assert set(times.values()) == {2.0}


def test_the_sidecar_gives_the_time_that_the_header_lacks(dataset: Path):
    study = write_study(dataset, "scans: {bold: bold}, target: {column: group}")
    report = check_geometry(build_cohort(load_study(study)))
    assert sorted(report.repetition_times.values()) == [1.5, *[2.0] * 7]
    assert report.counts["repetition time (s)"] == {"2": 7, "1.5": 1}


def test_events_lie_beside_the_run(dataset: Path):
    study = write_study(dataset, "scans: {bold: {suffix: bold, run: 1}}, target: {events: auto, column: trial_type}")
    cohort = build_cohort(load_study(study))
    assert len(cohort) == 4
    assert cohort.classes == ("left", "right")
    assert [(e.onset, e.label) for e in cohort.cases[0].events] == [(0.0, "left"), (4.0, "right")]


def test_channels_are_matched_by_shared_entities(dataset: Path):
    cohort = build_cohort(
        load_study(write_study(dataset, "scans: {bold: {suffix: bold}, t1: {suffix: T1w}}, target: {column: group}"))
    )
    assert len(cohort) == 8
    for case in cohort:
        assert case.scans["t1"].name == f"{case.id.split('_task')[0]}_T1w.nii.gz"


def test_a_channel_that_fits_twice_is_an_error(dataset: Path):
    study = write_study(dataset, "scans: {t1: {suffix: T1w}, bold: {suffix: bold}}, target: {column: group}")
    with pytest.raises(CohortError, match="fits several files"):
        build_cohort(load_study(study))


def test_templates_may_use_the_columns(dataset: Path, save_nifti: Callable[..., Path]):
    for sub in ("01", "02"):
        for ses in ("1", "2"):
            save_nifti(dataset / "data" / "masks" / f"sub-{sub}_{ses}.nii", np.ones((4, 4, 4), np.uint8))
    path = dataset / "study.yaml"
    path.write_text(
        "name: b\ntask: segment\ncohort: {bids: data, scans: {t1: {suffix: T1w}}, "
        "target: {mask: 'masks/{participant_id}_{ses}.nii', labels: {1: a}}}\n",
        encoding="utf-8",
    )
    cohort = build_cohort(load_study(path))
    assert [case.mask.name for case in cohort if case.mask] == [
        "sub-01_1.nii",
        "sub-01_2.nii",
        "sub-02_1.nii",
        "sub-02_2.nii",
    ]


@pytest.mark.parametrize(
    ("cohort", "words"),
    [
        (
            "scans: {bold: {suffix: bolt}}, target: {column: group}",
            "no image .* has suffix bolt. Its suffixes: T1w, bold",
        ),
        ("scans: {bold: {sufix: bold}}, target: {column: group}", "no entity 'sufix'.*Did you mean 'suffix'"),
        ("scans: {bold: {suffix: bold}}, target: {column: groupe}", "Did you mean 'group'"),
        ("scans: {bold: 'sub-{sub}.nii'}, target: {column: group}", "first channel of a BIDS cohort needs entities"),
    ],
)
def test_what_does_not_fit_is_named(dataset: Path, cohort: str, words: str):
    with pytest.raises(CohortError, match=words):
        build_cohort(load_study(write_study(dataset, cohort)))


def test_subjects_without_a_line_are_warned_of(dataset: Path):
    (dataset / "data" / "participants.tsv").write_text("participant_id\tgroup\nsub-01\tpatient\n", encoding="utf-8")
    study = write_study(dataset, "scans: {bold: bold}, target: {events: auto, column: trial_type}")
    assert [(p.severity, "sub-02" in p.message) for p in build_cohort(load_study(study)).problems] == [
        ("warning", True)
    ]


def test_no_bids_folder(tmp_path: Path):
    study = write_study(tmp_path, "scans: {bold: bold}, target: {column: x}")
    with pytest.raises(CohortError, match="no BIDS folder at"):
        build_cohort(load_study(study))
    (tmp_path / "data").mkdir()
    with pytest.raises(CohortError, match="no images in sub-"):
        build_cohort(load_study(study))


def test_haxby_as_bids(real_data: Callable[[str], Path], tmp_path: Path):
    path = tmp_path / "study.yaml"
    path.write_text(
        f"name: h\ntask: classify\ncohort: {{bids: {real_data('haxby')}, scans: {{bold: bold}}, subject: run, "
        "target: {events: auto, column: trial_type}}\n",
        encoding="utf-8",
    )
    cohort = build_cohort(load_study(path))
    assert len(cohort) == 12
    assert len(cohort.classes) == 8
    assert all(case.repetition_time == 2.5 and len(case.events) == 8 for case in cohort)


def test_what_a_name_says_stands_over_tables(dataset: Path):
    (dataset / "data" / "participants.tsv").write_text(
        "participant_id\tid\tsubject\tsession\trun\tage\nsub-01\tX1\tX1\tB\t9\t30\nsub-02\tX2\tX2\tA\t9\t40\n",
        encoding="utf-8",
    )
    sessions = dataset / "data" / "sub-01" / "sub-01_sessions.tsv"
    sessions.write_text("session_id\tscore\n1\t7\nses-2\t9\n", encoding="utf-8")
    table = read_bids(dataset / "data", {"bold": {"suffix": "bold"}})
    rows = [row.values for row in table.rows if row.values["subject"] == "sub-01"]
    assert {(row["session"], row["run"], row["score"], row["age"]) for row in rows} == {
        ("1", "1", "7", "30"), ("1", "2", "7", "30"), ("2", "1", "9", "30"), ("2", "2", "9", "30"),
    }  # fmt: skip
    assert len({row.values["id"] for row in table.rows}) == 8


def test_what_a_name_does_not_say_is_left_to_the_tables(dataset: Path):
    root = dataset / "flat"
    for subject in ("01", "02"):
        folder = root / f"sub-{subject}" / "func"
        folder.mkdir(parents=True)
        source = next((dataset / "data").rglob("*_bold.nii.gz"))
        (folder / f"sub-{subject}_task-rest_bold.nii.gz").write_bytes(source.read_bytes())
    (root / "participants.tsv").write_text("participant_id\tsession\nsub-01\t2\nsub-02\t3\n", encoding="utf-8")
    table = read_bids(root, {"bold": {"suffix": "bold"}})
    assert [row.values["session"] for row in table.rows] == ["2", "3"]
