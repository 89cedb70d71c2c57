"""A whole training on the backend that KERAS_BACKEND names: fit, batch statistics, checkpoints, judging, the run folder."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from cohorts import disks

pytestmark = pytest.mark.backends


def test_a_study_trains_stops_in_the_middle_and_ends_in_the_same_numbers(tmp_path, monkeypatch):
    import voxtempo as vt
    from voxtempo.learning import statistics
    from voxtempo.learning.checkpoints import Checkpoints

    monkeypatch.setenv("VOXTEMPO_CACHE", str(tmp_path / "cache"))
    settings = ["network.name=resnet2d", "network.widths=[4, 8]", "train.epochs=3", "train.dropout=0.2"]
    study = vt.load_study(disks(tmp_path / "data"), settings)
    shown = []
    monkeypatch.setattr(statistics, "PASSES", 2)
    whole = vt.train(study, tmp_path / "whole")
    save = Checkpoints.save

    def save_and_die(self, model, progress):
        save(self, model, progress)
        shown.append(progress.epoch)
        if progress.epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            vt.train(study, tmp_path / "torn")
    assert shown == [1, 2]
    torn = vt.train(study, tmp_path / "torn")

    def probabilities(run) -> np.ndarray:
        with (run.folder / "predictions.csv").open(encoding="utf-8") as file:
            return np.array([float(row["p_disk"]) for row in csv.DictReader(file)])

    assert np.allclose(probabilities(whole), probabilities(torn), atol=1e-4)
    assert whole.metrics["test"]["subjects"] == torn.metrics["test"]["subjects"] > 0
    assert whole.predict(tmp_path / "data" / "p0_0.png").row["status"] == "ok"
