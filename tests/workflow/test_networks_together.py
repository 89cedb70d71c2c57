"""Several networks of one fold, from seeds of their own, answer together; so do those of all folds."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import voxtempo as vt
from voxtempo.errors import RunError
from voxtempo.feed import FeedCase, Voxels
from voxtempo.report.choices import chosen
from voxtempo.report.run_files import read_run
from voxtempo.scans import read_scan

from .test_unusual_scans import SHORT, blobs


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("together")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOXTEMPO_CACHE", str(folder / "cache"))
        study = vt.load_study(blobs(folder, (16, 16, 16)), [*SHORT, "train.networks=2", "train.seed=5"])
        vt.train(study, folder / "run", "all")
        yield folder


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
    assert len(whole.models) == 6
    assert [recipe.seed for recipe in whole.only(2, 2).recipes] == [5, 6]


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
