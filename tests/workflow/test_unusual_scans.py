"""Cohorts that break tools: thick slices, tiny scans, single slices, empty label maps, labels that some cases lack."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import voxtempo as vt
from voxtempo.errors import VoxTempoError
from voxtempo.scans import Geometry, Scan, read_scan, write_scan

from .cohorts import write_study, write_table

SHORT = ("train.epochs=2", "train.steps=3", "train.batch=2", "evaluate.intervals=100", "network.width=4")


def blobs(folder: Path, shape, spacing=(1.0, 1.0, 1.0), count: int = 9, empty=(), lacking=()) -> Path:
    """A bright box (1) with a brighter end (2); some maps empty, some without the second label."""
    rows = []
    for number in range(count):
        rng = np.random.default_rng(number)
        label = np.zeros(shape, np.uint8)
        if number not in empty:
            start = [int(rng.integers(0, max(1, n // 4))) for n in shape]
            box = tuple(slice(s, s + max(1, n // 2)) for s, n in zip(start, shape, strict=True))
            label[box] = 1
            if number not in lacking:
                label[(slice(box[0].start, box[0].start + max(1, shape[0] // 6)), *box[1:])] = 2
        image = (200 * label + rng.normal(100, 10, shape)).astype(np.float32)
        geometry = Geometry.from_spacing(shape, spacing, (-20, 5, 3))
        for name, data, kind in (("images", image, "intensity"), ("labels", label, "label")):
            scan = Scan(data[None, ..., None], geometry, kind=kind)
            write_scan(scan, folder / name / f"s{number}.nii.gz")
        rows.append({"id": f"s{number}"})
    write_table(folder / "cohort.csv", rows)
    return write_study(
        folder / "study.yaml",
        name="blobs",
        task="segment",
        cohort={
            "table": "cohort.csv",
            "scans": {"mr": "images/{id}.nii.gz"},
            "target": {"mask": "labels/{id}.nii.gz", "labels": {1: "box", 2: "end"}},
        },
        split={"folds": 3, "seed": 1, "validation": 0.3},
    )


@pytest.mark.parametrize(
    ("cohort", "sample"),
    [
        ({"shape": (40, 36, 9), "spacing": (1.0, 1.0, 6.0)}, None),
        ({"shape": (40, 36, 9), "spacing": (1.0, 1.0, 6.0)}, "2.5d"),
        ({"shape": (20, 20, 20)}, None),
        ({"shape": (32, 28, 1)}, None),
        ({"shape": (32, 28, 3), "spacing": (1.0, 1.0, 8.0)}, None),
        ({"shape": (24, 24, 24), "empty": (0, 1, 5), "lacking": (2, 3)}, None),
    ],
    ids=["thick slices", "thick slices 2.5D", "tiny", "single slice", "three slices", "empty and lacking"],
)
def test_unusual_cohorts_train_and_predict_on_their_own_grid(tmp_path, monkeypatch, cohort, sample):
    monkeypatch.setenv("VOXTEMPO_CACHE", str(tmp_path / "cache"))
    path = blobs(tmp_path, **cohort)
    study = vt.load_study(path, [*SHORT, *([f"sample={sample}"] if sample else [])])
    run = vt.train(study, tmp_path / "run")
    dice = run.metrics["test"]["dice"]
    assert dice["mean"]["n"] == 3
    found = read_scan(next((tmp_path / "run" / "predicted").iterdir()), kind="label")
    assert found.geometry.shape == cohort["shape"]
    assert found.geometry.spacing == pytest.approx(cohort.get("spacing", (1.0, 1.0, 1.0)))
    assert set(np.unique(found.data)) <= {0, 1, 2}


def test_a_label_that_no_training_case_has_is_refused_or_told(tmp_path, monkeypatch):
    monkeypatch.setenv("VOXTEMPO_CACHE", str(tmp_path / "cache"))
    path = blobs(tmp_path, (20, 20, 20), lacking=range(9))
    with pytest.raises(VoxTempoError, match=r"no map holds label 2 \(end\)"):
        vt.train(vt.load_study(path, SHORT), tmp_path / "run")
    assert not (tmp_path / "run").exists()
