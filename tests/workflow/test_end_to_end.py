"""The real command line on small cohorts: what it prints, writes, and refuses."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml
from cohorts import blinks, disks, spheres
from documented import undocumented

RUN_FILES = {
    "study.yaml", "network.json", "weights.safetensors", "prepare.json", "split.csv", "history.csv", "predictions.csv",
    "metrics.json", "manifest.json", "cohort.json", "report.html", "model_card.md", "checklist.md",
}  # fmt: skip
NAMES = ("ball", "core", "disk", "ring", "sex", "F", "M", "bright", "dark", "left", "right")
"""What the cohorts of these tests call their classes, labels and subgroups."""


def voxtempo(*arguments: object, cache: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "VOXTEMPO_CACHE": str(cache)}
    done = subprocess.run(
        [sys.executable, "-m", "voxtempo.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=600,
    )
    assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def segmented(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spheres")
    study = spheres(folder / "data")
    out = voxtempo("train", study, "--fold", 1, "--out", folder / "run", cache=folder / "cache").stdout
    return folder, study, out


def test_segmentation_writes_the_whole_run_folder_and_prints_its_figures(segmented):
    folder, _, out = segmented
    assert {p.name for p in (folder / "run").iterdir()} >= RUN_FILES
    metrics = json.loads((folder / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert undocumented(metrics, NAMES) == set()
    for name in ("ball", "core", "mean"):
        figure = metrics["test"]["dice"][name]
        assert figure["value"] > 0.85, name
        assert (
            figure["value"] == 1 or figure["low"] <= figure["value"] <= figure["high"]
        )  # where all are right, no interval
        assert figure["n"] == 4
        assert f"dice {name}" in out
        assert f"{figure['value']:.3f}" in out
    assert metrics["validation"]["dice"]["mean"]["value"] > 0.85


def test_every_test_case_has_a_row_and_a_label_map_on_its_own_grid(segmented):
    folder, _, _ = segmented
    rows = table(folder / "run" / "predictions.csv")
    split = {row["id"]: row["role"] for row in table(folder / "run" / "split.csv")}
    assert {row["id"] for row in rows} == {i for i, role in split.items() if role in ("validation", "test")}
    for case in (row["id"] for row in rows if row["role"] == "test"):
        truth = nib.load(folder / "data" / "labels" / f"{case}.nii.gz")
        ours = nib.load(folder / "run" / "predicted" / f"{case}.nii.gz")
        assert np.allclose(truth.affine, ours.affine, atol=1e-4)
        a, b = np.asarray(truth.dataobj), np.asarray(ours.dataobj)
        assert set(np.unique(b)) == {0, 1, 3}
        dice = 2 * np.sum((a == 1) & (b == 1)) / (np.sum(a == 1) + np.sum(b == 1))
        printed = next(float(row["dice_ball"]) for row in rows if row["id"] == case)
        assert dice == pytest.approx(printed, abs=1e-4)


def test_predict_writes_label_maps_that_equal_those_of_training(segmented):
    folder, _, _ = segmented
    case = next(row["id"] for row in table(folder / "run" / "predictions.csv") if row["role"] == "test")
    scan = folder / "data" / "images" / f"{case}.nii.gz"
    voxtempo("predict", folder / "run", scan, "--out", folder / "new", "--probabilities", cache=folder / "cache")
    one = np.asarray(nib.load(folder / "new" / f"{case}.nii.gz").dataobj)
    two = np.asarray(nib.load(folder / "run" / "predicted" / f"{case}.nii.gz").dataobj)
    assert np.mean(one != two) < 0.002
    row = table(folder / "new" / "predictions.csv")[0]
    assert row["id"] == case
    ball, core = (np.asarray(nib.load(folder / "new" / f"{case}_p_{name}.nii.gz").dataobj) for name in ("ball", "core"))
    assert ball.shape == one.shape
    assert (ball.min() >= 0) & (ball.max() <= 1 + 1e-5)
    assert np.array_equal((core > ball) & (core > 1 - ball - core), one == 3)
    assert float(row["volume_core"]) == pytest.approx(np.sum(one == 3) * 1.5e-3, rel=1e-3)


def test_a_flipped_copy_of_a_scan_gets_the_flipped_label_map(segmented):
    folder, _, _ = segmented
    original = nib.load(folder / "data" / "images" / "s0.nii.gz")
    flipped = nib.as_closest_canonical(original)
    nib.save(flipped, folder / "flipped.nii.gz")
    scans = (folder / "data" / "images" / "s0.nii.gz", folder / "flipped.nii.gz")
    voxtempo("predict", folder / "run", *scans, "--out", folder / "both", cache=folder / "cache")
    one = nib.as_closest_canonical(nib.load(folder / "both" / "s0.nii.gz"))
    two = nib.load(folder / "both" / "flipped.nii.gz")
    assert np.array_equal(np.asarray(one.dataobj), np.asarray(two.dataobj))


def test_one_broken_scan_fails_alone(segmented):
    folder, _, _ = segmented
    (folder / "broken.nii.gz").write_bytes((folder / "data" / "images" / "s0.nii.gz").read_bytes()[:200])
    scans = (folder / "broken.nii.gz", folder / "data" / "images" / "s1.nii.gz")
    done = voxtempo("predict", folder / "run", *scans, "--out", folder / "mixed", cache=folder / "cache", code=1)
    rows = table(folder / "mixed" / "predictions.csv")
    assert [row["status"] == "ok" for row in rows] == [False, True]
    assert "broken.nii.gz" in rows[0]["status"]
    assert "FAILED" in done.stderr


def test_a_finished_run_is_not_trained_again_and_another_study_is_refused(segmented):
    folder, study, _ = segmented
    before = (folder / "run" / "weights.safetensors").stat().st_mtime_ns
    out = voxtempo("train", study, "--fold", 1, "--out", folder / "run", cache=folder / "cache").stdout
    assert "already finished" in out
    assert (folder / "run" / "weights.safetensors").stat().st_mtime_ns == before
    done = voxtempo("train", study, "--fold", 0, "--out", folder / "run", cache=folder / "cache", code=2)
    assert "another fold" in done.stderr


def test_evaluate_gives_the_same_figures_again(segmented):
    folder, _, _ = segmented
    before = json.loads((folder / "run" / "metrics.json").read_text(encoding="utf-8"))
    voxtempo("evaluate", folder / "run", cache=folder / "cache")
    after = json.loads((folder / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert after["test"]["dice"]["ball"] == pytest.approx(before["test"]["dice"]["ball"])


def test_an_external_cohort_is_judged_whole_and_one_that_was_trained_on_is_refused(segmented):
    folder, study, _ = segmented
    other = spheres(folder / "other", count=3, codes="LAI")  # too few to be divided
    for i in range(3):  # other people than those of the run
        for part in ("images", "labels"):
            (folder / "other" / part / f"s{i}.nii.gz").rename(folder / "other" / part / f"e{i}.nii.gz")
    text = (folder / "other" / "cohort.csv").read_text(encoding="utf-8").replace("s", "e").replace("eubject", "subject")
    (folder / "other" / "cohort.csv").write_text(text, encoding="utf-8")
    voxtempo("evaluate", folder / "run", "--on", other, cache=folder / "cache")
    metrics = json.loads((folder / "run" / "external-spheres" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["drop"]["surface_dice"]["mean"]["value"] is not None
    asked = yaml.safe_load(other.read_text(encoding="utf-8"))
    asked["evaluate"]["tolerance"] = 50
    other.write_text(yaml.safe_dump(asked), encoding="utf-8")
    moved = (folder / "other").rename(folder / "moved") / other.name  # the same cases, wherever they lie
    voxtempo("evaluate", folder / "run", "--on", moved, cache=folder / "cache")
    metrics = json.loads((folder / "run" / "external-spheres" / "metrics.json").read_text(encoding="utf-8"))
    assert undocumented(metrics, NAMES) == set()
    assert metrics["test"]["dice"]["mean"]["n"] == 3
    assert metrics["test"]["surface_dice"]["mean"]["value"] == 1.0, "judged as the other study says"
    assert "surface_dice" not in metrics["drop"], "two tolerances are two rulers"
    drop = metrics["drop"]["dice"]["mean"]["value"]
    assert drop == pytest.approx(
        metrics["internal"]["dice"]["mean"]["value"] - metrics["test"]["dice"]["mean"]["value"]
    )
    assert "On other cohorts" in (folder / "run" / "report.html").read_text(encoding="utf-8")
    assert metrics["test"]["dice"]["mean"]["value"] > 0.8
    done = voxtempo("evaluate", folder / "run", "--on", study, cache=folder / "cache", code=2)
    assert "were trained on" in done.stderr


def test_all_folds_judge_every_case_once(tmp_path):
    study = spheres(tmp_path / "data", count=9)
    short = ("--set", "train.epochs=2", "--set", "train.steps=2")
    alone = tmp_path / "run" / "fold-1"
    voxtempo("train", study, "--fold", "1", "--out", alone, *short, cache=tmp_path / "cache")
    trained = (alone / "weights.safetensors").read_bytes()
    voxtempo("train", study, "--fold", "all", "--out", tmp_path / "run", *short, cache=tmp_path / "cache")
    assert (alone / "weights.safetensors").read_bytes() == trained, "a fold that was trained before belongs to the run"
    rows = [row for row in table(tmp_path / "run" / "predictions.csv") if row["role"] == "test"]
    assert sorted(row["id"] for row in rows) == sorted(f"s{i}" for i in range(9))
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert undocumented(metrics, NAMES) == set()
    assert metrics["test"]["dice"]["mean"]["n"] == 9
    voxtempo(
        "predict",
        tmp_path / "run",
        tmp_path / "data" / "images" / "s0.nii.gz",
        "--out",
        tmp_path / "p",
        cache=tmp_path / "cache",
    )
    assert (tmp_path / "p" / "s0.nii.gz").is_file()


def test_slices_are_judged_by_subject_and_by_subgroup(tmp_path):
    study = disks(tmp_path / "data")
    setting = ("--set", "evaluate.threshold=youden")
    out = voxtempo("train", study, "--out", tmp_path / "run", *setting, cache=tmp_path / "cache").stdout
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert undocumented(metrics, NAMES) == set()
    assert metrics["test"]["accuracy"]["value"] >= 0.8
    assert metrics["test"]["accuracy"]["n"] * 2 == metrics["test_by_case"]["cases"]
    assert set(metrics["subgroups"]["sex"]) <= {"F", "M"}
    assert "test_by_case" in out
    sides = {}
    for row in table(tmp_path / "run" / "split.csv"):
        sides.setdefault(row["subject"], set()).add(row["role"])
    assert all(len(roles) == 1 for roles in sides.values())
    record = json.loads((tmp_path / "run" / "threshold.json").read_text(encoding="utf-8"))
    assert metrics["test"]["at_threshold"]["threshold"] == pytest.approx(record["threshold"])
    assert all(float(row["threshold"]) == record["threshold"] for row in table(tmp_path / "run" / "predictions.csv"))
    scans = [tmp_path / "data" / name for name in ("p0_0.png", "p1_0.png")]
    for threshold, said in ((0.0, ["ring", "ring"]), (1.1, ["disk", "disk"])):
        (tmp_path / "run" / "threshold.json").write_text(json.dumps({"threshold": threshold}), encoding="utf-8")
        voxtempo("predict", tmp_path / "run", *scans, "--out", tmp_path / said[0], cache=tmp_path / "cache")
        assert [row["predicted"] for row in table(tmp_path / said[0] / "predictions.csv")] == said


def test_regression_beats_its_baseline_and_a_users_own_network_runs(tmp_path):
    study = disks(tmp_path / "data", subjects=24, slices=1)
    (tmp_path / "data" / "own.py").write_text(
        "import keras\n\n\ndef build(input_shape, outputs, width=8):\n"
        "    i = keras.Input(input_shape)\n    x = keras.layers.Conv2D(width, 3, strides=2, activation='relu')(i)\n"
        "    x = keras.layers.Conv2D(width, 3, strides=2, activation='relu')(x)\n"
        "    return keras.Model(i, keras.layers.Dense(outputs)(keras.layers.Flatten()(x)))\n",
        encoding="utf-8",
    )
    text = (
        (tmp_path / "data" / "study.yaml")
        .read_text(encoding="utf-8")
        .replace("name: lightweight_cnn", "python: own.py:build\n  width: 12")
    )
    (tmp_path / "data" / "study.yaml").write_text(text, encoding="utf-8")
    voxtempo("train", study, "--out", tmp_path / "run", cache=tmp_path / "cache")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert undocumented(metrics, NAMES) == set()
    assert metrics["test"]["accuracy"]["value"] > metrics["baseline"]["accuracy"]["value"]
    (tmp_path / "data" / "own.py").write_text("def build(): ...\n", encoding="utf-8")
    done = voxtempo(
        "predict",
        tmp_path / "run",
        tmp_path / "data" / "p0_0.png",
        "--out",
        tmp_path / "p",
        cache=tmp_path / "cache",
        code=2,
    )
    assert "has changed or is gone" in done.stderr


def test_regression_of_a_column(tmp_path):
    study = disks(tmp_path / "data", subjects=24, slices=1)
    text = (
        study.read_text(encoding="utf-8")
        .replace("task: classify", "task: regress")
        .replace("column: kind", "column: age")
    )
    study.write_text(text, encoding="utf-8")
    voxtempo("train", study, "--out", tmp_path / "run", "--set", "train.epochs=3", cache=tmp_path / "cache")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert undocumented(metrics, NAMES) == set()
    assert metrics["test"]["mae"]["value"] > 0
    assert metrics["baseline"]["mae"]["value"] > 0
    rows = table(tmp_path / "run" / "predictions.csv")
    assert all(0 < float(row["predicted"]) < 100 for row in rows)


def test_events_in_series_get_a_row_each_and_a_new_series_a_time_course(tmp_path):
    study = blinks(tmp_path / "data")
    voxtempo("train", study, "--out", tmp_path / "run", cache=tmp_path / "cache")
    rows = [r for r in table(tmp_path / "run" / "predictions.csv") if r["role"] == "test"]
    assert len(rows) == 12
    assert rows[0]["id"].endswith("s")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert undocumented(metrics, NAMES) == set()
    assert metrics["test"]["accuracy"]["value"] > 0.8
    voxtempo(
        "predict", tmp_path / "run", tmp_path / "data" / "p0.nii.gz", "--out", tmp_path / "p", cache=tmp_path / "cache"
    )
    course = table(tmp_path / "p" / "p0_course.csv")
    assert (tmp_path / "p" / "p0_course.png").read_bytes().startswith(b"\x89PNG")
    assert len(course) == 24 - 4 + 1
    assert [float(row["time"]) for row in course[:2]] == [4.0, 6.0]
    assert all(abs(float(row["p_left"]) + float(row["p_right"]) - 1) < 1e-4 for row in course)


@pytest.mark.parametrize("wait", ["checkpoints/best.safetensors", "checkpoints/b.json"])
def test_killed_at_any_moment_and_started_again_equals_the_undisturbed_run(tmp_path, wait):
    study = disks(tmp_path / "data")
    settings = ("--set", "train.epochs=6", "--set", "train.checkpoint_minutes=0.0001", "--set", "train.patience=50")
    voxtempo("train", study, "--out", tmp_path / "whole", *settings, cache=tmp_path / "cache")
    command = [sys.executable, "-m", "voxtempo.cli", "train", str(study), "--out", str(tmp_path / "torn"), *settings]
    process = subprocess.Popen(
        command, env={**os.environ, "VOXTEMPO_CACHE": str(tmp_path / "cache")}, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 300
    while not (tmp_path / "torn" / wait).exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "torn" / "weights.safetensors").exists(), "it was too fast to be killed"
    voxtempo("train", study, "--out", tmp_path / "torn", *settings, cache=tmp_path / "cache")
    for name in ("weights.safetensors", "predictions.csv", "metrics.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "torn" / name).read_bytes(), name


def test_python_mirrors_the_command_line(tmp_path, monkeypatch):
    import voxtempo as vt

    monkeypatch.setenv("VOXTEMPO_CACHE", str(tmp_path / "cache"))
    study = vt.load_study(disks(tmp_path / "data"), ["train.epochs=2"])
    run = vt.train(study, tmp_path / "run")
    prediction = run.predict(vt.read_scan(tmp_path / "data" / "p3_0.png"), "p3")
    assert set(prediction.row) == {"id", "predicted", "p_disk", "p_ring", "uncertainty", "status", "note"}
    assert run.evaluate()["test"]["subjects"] > 0
    assert run.report().name == "report.html"
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    assert vt.open_run(tmp_path / "run").predict(tmp_path / "data" / "p3_0.png").row["predicted"] in ("disk", "ring")
