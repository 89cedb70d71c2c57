"""Segmentation slice by slice, with neighbouring slices as channels, from study file to label maps on the native grid."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from cohorts import spheres

from voxtempo.cohort import load_study
from voxtempo.cohort.study import Sample
from voxtempo.inference import Run
from voxtempo.learning.mirroring import mirrored_axes
from voxtempo.scans import Geometry
from voxtempo.workflow import examine
from voxtempo.workflow.evaluate import evaluate_run
from voxtempo.workflow.predict import predict_scans
from voxtempo.workflow.train import train_study

SAMPLE = "sample={patch: [16, 1, 8], neighbours: 1}"  # across y, which is none of the scan's own axes in this order


@pytest.fixture(scope="module")
def sliced(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sliced")
    study = load_study(
        spheres(folder / "data", count=9),
        [
            SAMPLE,
            "network.name=unet2d",
            "train.batch=8",
            "train.epochs=6",
            "augment=default",
            "train.precision=float32",
        ],
    )
    train_study(study, folder / "run", cache=folder / "cache")
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row.get("role", "test") == "test"]


def test_the_network_sees_three_slices_and_learns(sliced):
    network = json.loads((sliced / "run" / "network.json").read_text(encoding="utf-8"))
    assert network["kind"] == "slice"
    assert network["input_shape"] == [16, 8, 3]
    dice = json.loads((sliced / "run" / "metrics.json").read_text(encoding="utf-8"))["test"]["dice"]
    assert dice["ball"]["value"] > 0.9
    assert dice["core"]["value"] > 0.8


def test_label_maps_lie_on_the_native_grid_and_predict_gives_them_again(sliced):
    run = Run(sliced / "run")
    cases = [row["id"] for row in rows_of(sliced / "run" / "predictions.csv")][:2]
    scans = [str(sliced / "data" / "images" / f"{case}.nii.gz") for case in cases]
    for case, prediction in zip(cases, predict_scans(run, scans, sliced / "new"), strict=True):
        truth, said, again = (
            nib.load(folder / f"{case}.nii.gz")
            for folder in (sliced / "data" / "labels", sliced / "run" / "predicted", sliced / "new")
        )
        assert np.allclose(truth.affine, said.affine, atol=1e-4)
        assert np.array_equal(np.asarray(said.dataobj), np.asarray(again.dataobj))
        assert prediction.row["status"] == "ok"
        ours, theirs = np.asarray(said.dataobj) > 0, np.asarray(truth.dataobj) > 0
        assert 2 * (ours & theirs).sum() / (ours.sum() + theirs.sum()) > 0.85


def test_evaluation_repeats_the_figures_and_the_report_says_what_a_sample_was(sliced, monkeypatch):
    monkeypatch.setattr(examine, "find_leakage", lambda *given: pytest.fail("nobody reads its warnings"))
    before = json.loads((sliced / "run" / "metrics.json").read_text(encoding="utf-8"))["test"]["dice"]
    evaluate_run(sliced / "run", cache=sliced / "cache")
    after = json.loads((sliced / "run" / "metrics.json").read_text(encoding="utf-8"))["test"]["dice"]
    assert after["mean"]["value"] == pytest.approx(before["mean"]["value"])
    report = (sliced / "run" / "report.html").read_text(encoding="utf-8")
    assert "patch: 16, 1, 8; neighbours: 1" in report
    examples = json.loads((sliced / "run" / "examples" / "examples.json").read_text(encoding="utf-8"))
    assert {entry["kind"] for entry in examples} == {"segment"}


@pytest.mark.parametrize(
    ("codes", "patch", "mirrored"),
    [
        ("RAS", (1, 8, 8), ()),
        ("RAS", (8, 1, 8), ("x",)),
        ("RAS", (8, 8, 1), ("x",)),
        ("PSR", (8, 8, 1), ()),
        ("PSR", (8, 1, 8), ("y",)),
        ("PSR", (1, 8, 8), ("y",)),
    ],
)
def test_a_slice_is_mirrored_only_along_its_own_axis_between_left_and_right(codes, patch, mirrored):
    geometry = Geometry.from_spacing((8, 8, 8)).reoriented(codes)
    assert mirrored_axes(geometry, Sample(patch=patch)) == mirrored
