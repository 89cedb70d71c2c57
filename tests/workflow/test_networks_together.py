"""Several networks of one fold, from seeds of their own, answer together; so do those of all folds."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import voxtempo as vt
from voxtempo.errors import RunError
from voxtempo.feed import FeedCase, Voxels
from voxtempo.report.choices import chosen
from voxtempo.report.run_files import read_run
from voxtempo.scans import read_scan
from voxtempo.workflow import predict_scans

from .test_unusual_scans import SHORT, blobs


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("together")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOXTEMPO_CACHE", str(folder / "cache"))
        settings = [*SHORT, "train.networks=2", "train.seed=5", "evaluate.coverage=0.5"]
        study = vt.load_study(blobs(folder, (16, 16, 16)), settings)
        vt.train(study, folder / "run", "all")
        yield folder


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_each_network_has_its_folder_and_its_seed(trained):
    run = vt.open_run(trained / "run")
    assert [len(each) for each in run.networks] == [2, 2, 2]
    assert [recipe.seed for recipe in run.recipes] == [5, 6] * 3
    weights = [(network / "weights.safetensors").read_bytes() for network in run.networks[0]]
    assert weights[0] != weights[1]
    assert (run.networks[0][1] / "history.csv").is_file()


def test_what_they_say_is_the_mean_and_is_what_the_fold_was_judged_by(trained):
    run = vt.open_run(trained / "run" / "fold-1")
    scan = next((trained / "run" / "fold-1" / "predicted").iterdir())
    image = read_scan(trained / "images" / scan.name)
    found = run.predict(image)
    assert found.labels is not None
    # Training saw the scan as the cache rounds it, which turns voxels that are undecided.
    assert (found.labels.data == read_scan(scan, kind="label").data).mean() > 0.98
    case = FeedCase("c", Voxels(image.data), image.geometry.spacing)
    each = [run.predictor.only(place).answer(case).probabilities for place in (0, 1)]
    assert np.abs(each[0] - each[1]).max() > 0.01
    np.testing.assert_allclose(run.predictor.answer(case).probabilities, np.mean(each, axis=0), atol=2e-3)
    whole = vt.open_run(trained / "run").predictor
    assert len(whole.networks) == 6
    assert [recipe.seed for recipe in (network.recipe for network in whole.only(2, 2).networks)] == [5, 6]


def test_the_record_says_how_each_does_alone_and_the_report_tells(trained):
    folder = trained / "run" / "fold-0"
    alone = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["validation_alone"]
    assert [each["seed"] for each in alone] == [5, 6]
    assert all(0 <= each["dice"]["mean"]["value"] <= 1 for each in alone)
    assert any("2 networks from different seeds answer together" in line for line in chosen(read_run(folder)))
    assert "validation_alone" not in json.loads((trained / "run" / "metrics.json").read_text(encoding="utf-8"))


def test_a_network_that_is_missing_is_told(trained, tmp_path):
    shutil.copytree(trained / "run" / "fold-2", tmp_path / "run")
    (tmp_path / "run" / "network-1" / "weights.safetensors").unlink()
    with pytest.raises(RunError, match="network-1 is not a finished run"):
        vt.open_run(tmp_path / "run")


def test_every_case_says_how_far_its_networks_disagree(trained):
    rows = table(trained / "run" / "fold-0" / "predictions.csv")
    assert {row["role"] for row in rows} == {"validation", "test"}
    for row in rows:
        assert 0 <= float(row["disagreement"]) <= 1
        assert 0 <= float(row["mutual_information"]) <= float(row["entropy"]) + 1e-6
    metrics = vt.open_run(trained / "run").metrics
    assert len(metrics["uncertainty"]["risk_coverage"]["risk"]) == 9


def test_outer_masks_are_promised_by_each_fold_and_measured_over_all(trained):
    thresholds = []
    for number in range(3):
        record = json.loads((trained / "run" / f"fold-{number}" / "conformal.json").read_text(encoding="utf-8"))
        thresholds.append(record["thresholds"])
        assert (record["coverage"], record["fitted_on"], record["subjects"]) == (0.5, "validation", 2)
    joined = json.loads((trained / "run" / "conformal.json").read_text(encoding="utf-8"))
    assert joined["thresholds"]["box"] == pytest.approx(np.median([each["box"] for each in thresholds]), abs=1e-6)
    held = vt.open_run(trained / "run").metrics["conformal"]["structures"]["box"]["coverage"]
    rows = table(trained / "run" / "predictions.csv")
    missed = [float(row["outer_missed_box"]) for row in rows if row["role"] == "test"]
    assert held["value"] == pytest.approx(1 - np.mean(missed), abs=1e-5)


def test_a_new_scan_gets_maps_of_uncertainty_on_its_own_grid(trained, tmp_path):
    run = vt.open_run(trained / "run")
    (found,) = predict_scans(run, [str(trained / "images" / "s1.nii.gz")], tmp_path / "out", uncertainty=True)
    written = {path.name for path in (tmp_path / "out").glob("*.nii.gz")}
    maps = {f"s1_{name}.nii.gz" for name in ("entropy", "mutual_information", "outer_box", "outer_end")}
    assert written == {"s1.nii.gz", *maps}
    entropy, shared = (read_scan(tmp_path / "out" / f"s1_{name}.nii.gz") for name in ("entropy", "mutual_information"))
    assert entropy.geometry.matches(read_scan(trained / "images" / "s1.nii.gz").geometry)
    assert 0 <= entropy.data.min() <= entropy.data.max() <= np.log(3) + 1e-4
    assert (shared.data <= entropy.data + 1e-4).all()
    outer = read_scan(tmp_path / "out" / "s1_outer_box.nii.gz", kind="label").volume()
    inner = read_scan(tmp_path / "out" / "s1.nii.gz", kind="label").volume() == 1
    assert np.isin(outer, (0, 1)).all()
    assert not (inner & (outer == 0)).any() or outer.sum() >= inner.sum()
    assert found.row["disagreement"] >= 0
