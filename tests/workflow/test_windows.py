"""Windows of time from study file to figures: named volumes of a cine, windows inside events, repetition times."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from series_cohorts import hearts, pulses

import voxtempo as vt
from voxtempo.errors import CohortError, StudyError
from voxtempo.scans import Geometry
from voxtempo.workflow.predict import predict_scans
from voxtempo.workflow.voice import Voice

SHORT = ["train.epochs=1", "train.steps=1"]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("VOXTEMPO_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module")
def beating(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hearts")
    return folder, hearts(folder)


@pytest.fixture(scope="module")
def pulsing(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOXTEMPO_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        folder = tmp_path_factory.mktemp("pulses")
        return folder, vt.train(vt.load_study(pulses(folder)), folder / "run")


def test_a_cine_gives_the_ejection_fraction_from_its_two_named_volumes(beating, tmp_path):
    folder, study = beating
    run = vt.train(vt.load_study(study), tmp_path / "run")
    assert run.metrics["test"]["r2"]["value"] >= 0.8
    recipe = json.loads((tmp_path / "run" / "network.json").read_text(encoding="utf-8"))
    assert recipe["input_shape"] == [2, 24, 24, 1, 2]  # two volumes, the scan and its difference
    assert recipe["repetition_time"] is None  # hearts beat at rates of their own
    with pytest.raises(StudyError, match="the column 'ed' does not exist"):
        run.predict(folder / "p0.nii.gz")


@pytest.mark.slow
def test_a_cine_is_told_weak_from_normal_and_a_new_scan_takes_numbered_volumes(beating, tmp_path):
    folder, study = beating
    overrides = [
        "task=classify",
        "cohort.target={column: heart}",
        "sample.window.frames=[0, 4, 5]",
        "sample.window.derivatives=[from_mean]",
        "split.validation=0.2",
        "train.epochs=25",
    ]
    run = vt.train(vt.load_study(study, overrides), tmp_path / "run")
    assert run.metrics["test"]["auc"]["value"] > 0.8
    assert run.metrics["validation"]["cases"] == 5
    prediction = run.predict(folder / "p0.nii.gz")
    assert len(prediction.course) == 1
    assert prediction.row["predicted"] == max(("weak", "normal"), key=lambda name: prediction.row[f"p_{name}"])


def test_all_phases_of_a_beat_make_a_window_whatever_its_rate(beating, tmp_path):
    _, study = beating
    overrides = [
        "prepare=[{resample_time: {volumes: 9, periodic: true}}, {normalise: {method: zscore}}]",
        "sample.window={length: 9, draw: tiled}",
    ]
    vt.train(vt.load_study(study, [*overrides, *SHORT]), tmp_path / "run")
    recipe = json.loads((tmp_path / "run" / "network.json").read_text(encoding="utf-8"))
    assert (recipe["input_shape"], recipe["repetition_time"]) == ([9, 24, 24, 1, 1], None)
    with pytest.raises(CohortError, match=r"repetition times differ.*'resample_time'"):
        vt.train(vt.load_study(study, ["sample.window={length: 9}", *SHORT]), tmp_path / "mixed")


def test_windows_inside_events_are_judged_event_by_event_and_rest_is_a_class(pulsing):
    folder, run = pulsing
    rows = table(folder / "run" / "predictions.csv")
    assert {row["role"] for row in rows} == {"test"}
    events = {row["id"] for row in table(folder / "cohort.csv")} & {row["subject"] for row in rows}
    assert len(rows) == len(events) * 7  # three blocks, and rest before, between and after
    assert len({row["id"] for row in rows}) == len(rows)
    assert {row["truth"] for row in rows} == {"left", "right", "rest"}
    assert run.metrics["test"]["accuracy"]["value"] >= 0.9
    assert run.recipes[0].repetition_time == 2.0


def test_without_validation_nothing_is_selected_and_the_report_is_written_all_the_same(pulsing):
    folder, run = pulsing
    assert {row["role"] for row in table(folder / "run" / "split.csv")} == {"train", "test"}
    assert set(table(folder / "run" / "history.csv")[0]) == {"epoch", "rate", "train_loss", "seconds"}
    assert "validation" not in run.metrics
    assert vt.load_study(folder / "run" / "study.yaml").train.keep == "last"
    assert (folder / "run" / "report.html").stat().st_size > 10_000
    assert run.evaluate()["test"]["accuracy"] == pytest.approx(run.metrics["test"]["accuracy"])


@pytest.mark.slow
def test_all_folds_without_validation_judge_every_case_once(tmp_path):
    (tmp_path / "data").mkdir()
    study = pulses(tmp_path / "data", subjects=4, split={"folds": 2, "validation": 0})
    vt.train(vt.load_study(study, SHORT), tmp_path / "run", "all")
    rows = table(tmp_path / "run" / "predictions.csv")
    assert {row["subject"] for row in rows} == {"p0", "p1", "p2", "p3"}
    assert len(rows) == 4 * 7


def test_a_series_of_another_repetition_time_is_refused_and_one_without_is_told(pulsing, tmp_path):
    folder, run = pulsing
    scan = vt.read_scan(folder / "p0.nii.gz")
    with pytest.raises(StudyError, match=r"2 s apart, but those of the scan are 2\.5 s apart.*'resample_time'"):
        run.predict(replace(scan, repetition_time=2.5), "slow")
    assert run.predict(replace(scan, repetition_time=2.01), "near").row["note"] == ""
    unknown = run.predict(replace(scan, repetition_time=None), "unknown")
    assert "taken to be 2 s" in unknown.row["note"]
    assert unknown.course[1]["time"] - unknown.course[0]["time"] == pytest.approx(2.0)
    lines: list[str] = []
    predict_scans(run, [str(folder / "p0.nii.gz")], tmp_path / "out", Voice(say=lines.append))
    assert not lines
    spacing = [20 * side for side in scan.geometry.spacing]
    far = run.predict(replace(scan, geometry=Geometry.from_spacing(scan.geometry.shape, spacing)), "far")
    assert "mm, in training" in far.row["note"]


def test_an_external_cohort_of_another_repetition_time_is_refused(pulsing, tmp_path):
    (tmp_path / "slow").mkdir()
    other = pulses(tmp_path / "slow", subjects=4, seconds=3.0, first=50, name="slow")
    with pytest.raises(CohortError, match=r"2 s apart, but 4 series of the external cohort.*p0 \(3 s\)"):
        pulsing[1].evaluate(vt.load_study(other))


def test_windows_are_joined_by_learned_weights_and_voxels_selected_as_the_study_says(tmp_path):
    (tmp_path / "data").mkdir()
    study = pulses(tmp_path / "data", evaluate={"windows": "attention", "intervals": 200})
    run = vt.train(vt.load_study(study, ["train.select_voxels=24"]), tmp_path / "run")
    assert (tmp_path / "run" / "pooling.safetensors").is_file()
    assert run.metrics["test"]["accuracy"]["value"] >= 0.9
    again = vt.open_run(tmp_path / "run")
    assert again.evaluate()["test"]["accuracy"] == pytest.approx(run.metrics["test"]["accuracy"])
    mask = again.predictor.networks[0].model.get_layer("voxel_selection").mask
    assert float(mask.numpy().sum()) == 24
    prediction = again.predict(tmp_path / "data" / "p0.nii.gz")
    assert sum(prediction.row[f"p_{name}"] for name in ("left", "right", "rest")) == pytest.approx(1, abs=1e-4)
