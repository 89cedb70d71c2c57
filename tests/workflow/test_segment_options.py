"""Segmentation of overlapping regions, with ignored voxels and operations on label maps, from study file to figures."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
import yaml
from cohorts import spheres

from voxtempo.cohort import load_study
from voxtempo.errors import CohortError, StudyError
from voxtempo.inference import Run
from voxtempo.inference.postprocess import record_of
from voxtempo.inference.postprocess.fill_holes import FillHoles
from voxtempo.inference.postprocess.largest_component import LargestComponent
from voxtempo.inference.postprocess.remove_small import RemoveSmall
from voxtempo.inference.postprocess.threshold import Threshold
from voxtempo.learning.tasks import SegmentTask
from voxtempo.workflow.evaluate import evaluate_run
from voxtempo.workflow.postprocess import join_postprocess
from voxtempo.workflow.predict import predict_scans
from voxtempo.workflow.train import train_study

LISTED = [{"largest_component": "whole"}, {"threshold": {"of": "core", "probability": 0.6}}]


def nested_spheres(folder: Path) -> Path:
    """The ball and its core as regions; a slab that no one has looked at crosses every label map."""
    path = spheres(folder)
    for file in (folder / "labels").iterdir():
        image = nib.load(file)
        labels = np.asarray(image.dataobj).copy()
        labels[..., : labels.shape[2] // 3] = 255
        nib.save(nib.Nifti1Image(labels, image.affine), file)
    study = yaml.safe_load(path.read_text(encoding="utf-8"))
    study["cohort"]["target"] |= {
        "labels": {1: "shell", 3: "core"}, "regions": {"whole": [1, 3], "core": [3]}, "ignore": 255,
    }  # fmt: skip
    study["train"] |= {"epochs": 16, "class_weights": {"core": 2.0}}
    study["evaluate"]["postprocess"] = LISTED
    path.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def nested(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nested")
    study = nested_spheres(folder / "data")
    train_study(load_study(study), folder / "run", cache=folder / "cache")
    return folder, study


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_regions_are_judged_and_averaged_and_so_are_labels_that_are_none(nested):
    folder, _ = nested
    dice = json.loads((folder / "run" / "metrics.json").read_text(encoding="utf-8"))["test"]["dice"]
    assert list(dice) == ["whole", "core", "shell", "mean"]
    assert dice["whole"]["value"] > 0.85
    assert dice["core"]["value"] > 0.7
    assert dice["mean"]["value"] == pytest.approx((dice["whole"]["value"] + dice["core"]["value"]) / 2)
    assert "mean of whole and core" in (folder / "run" / "report.html").read_text(encoding="utf-8")


def test_figures_leave_out_what_is_ignored(nested):
    folder, _ = nested
    for row in rows_of(folder / "run" / "predictions.csv"):
        if row["role"] != "test":
            continue
        truth, said = (
            np.asarray(nib.load(path).dataobj)
            for path in (
                folder / "data" / "labels" / f"{row['id']}.nii.gz",
                folder / "run" / "predicted" / f"{row['id']}.nii.gz",
            )
        )
        assert set(np.unique(said)) == {0, 1, 3}
        known = truth != 255
        for name, values in (("whole", (1, 3)), ("core", (3,)), ("shell", (1,))):
            ours, theirs = np.isin(said, values) & known, np.isin(truth, values) & known
            expected = 2 * (ours & theirs).sum() / (ours.sum() + theirs.sum())
            assert float(row[f"dice_{name}"]) == pytest.approx(expected, abs=1e-5)


def test_a_prediction_does_to_its_label_map_what_the_run_did(nested):
    folder, _ = nested
    case = next(row["id"] for row in rows_of(folder / "run" / "predictions.csv") if row["role"] == "test")
    scan = folder / "data" / "images" / f"{case}.nii.gz"
    run = Run(folder / "run")
    assert [each.name for each in run.operations] == ["largest_component", "threshold"]
    (prediction,) = predict_scans(run, [str(scan)], folder / "new", probabilities=True)
    again = np.asarray(nib.load(folder / "run" / "predicted" / f"{case}.nii.gz").dataobj)
    assert np.mean(prediction.labels.volume() != again) < 0.002
    whole, core = (
        np.asarray(nib.load(folder / "new" / f"{case}_p_{name}.nii.gz").dataobj) for name in ("whole", "core")
    )
    assert np.array_equal(prediction.labels.volume() == 3, core > 0.6)
    assert whole.sum() > core.sum()
    volumes = {name: prediction.row[f"volume_{name}"] for name in ("whole", "core", "shell")}
    assert volumes["whole"] == pytest.approx(volumes["core"] + volumes["shell"])


def test_a_cohort_that_ignores_another_value_is_no_external_test(nested, tmp_path):
    folder, _ = nested
    other = spheres(tmp_path / "other", count=4, codes="LAI")
    study = yaml.safe_load(other.read_text(encoding="utf-8"))
    study["cohort"]["target"] |= {"labels": {1: "shell", 3: "core"}, "ignore": 254}
    other.write_text(yaml.safe_dump(study), encoding="utf-8")
    with pytest.raises(CohortError, match="ignores the label value 254, but the run ignores 255"):
        evaluate_run(folder / "run", load_study(other), cache=folder / "cache")


def test_auto_chooses_on_validation_cases_once(nested, tmp_path):
    folder, path = nested
    study = load_study(
        path, ["evaluate.postprocess=auto", "split.validation=0.65", "train.epochs=2", "train.class_weights=none"]
    )
    train_study(study, tmp_path / "run", cache=folder / "cache")
    record = json.loads((tmp_path / "run" / "postprocess.json").read_text(encoding="utf-8"))
    validation = [row for row in rows_of(tmp_path / "run" / "split.csv") if row["role"] == "validation"]
    assert record["subjects"] == len(validation) >= 5
    assert [next(iter(each["operation"])) for each in record["tried"]][:12] == ["threshold"] * 12
    record["operations"] = [{"fill_holes": {"of": "core"}}]
    (tmp_path / "run" / "postprocess.json").write_text(json.dumps(record), encoding="utf-8")
    evaluate_run(tmp_path / "run", cache=folder / "cache")
    assert json.loads((tmp_path / "run" / "postprocess.json").read_text(encoding="utf-8")) == record


def test_an_operation_on_nothing_is_refused_before_anything_is_done(nested, tmp_path):
    _, path = nested
    study = load_study(path).model_copy(
        update={"evaluate": load_study(path).evaluate.model_copy(update={"postprocess": "auto"})}
    )
    study = study.model_copy(update={"split": study.split.model_copy(update={"validation": 0.0})})
    with pytest.raises((StudyError, CohortError), match="'auto' chooses on validation cases"):
        train_study(study, tmp_path / "run")


def test_folds_do_together_what_most_of_them_chose(tmp_path):
    chosen = [(FillHoles("a"), LargestComponent()), (LargestComponent(),), (LargestComponent(), FillHoles("a")), ()]
    run = run_of(tmp_path, chosen)
    assert join_postprocess(run) == (LargestComponent(),)
    assert json.loads((tmp_path / "postprocess.json").read_text(encoding="utf-8"))["operations"] == record_of(
        [LargestComponent()]
    )


def test_folds_that_chose_other_numbers_take_their_median(tmp_path):
    chosen = [(RemoveSmall("a", 12.0), Threshold("a", 0.4)), (RemoveSmall("a", 15.0),), (RemoveSmall("a", 12.5),)]
    run = run_of(tmp_path, chosen)
    assert join_postprocess(run) == (RemoveSmall("a", 12.5),)


def run_of(folder, chosen):
    members = [folder / f"fold-{i}" for i in range(len(chosen))]
    for member, operations in zip(members, chosen, strict=True):
        member.mkdir()
        (member / "postprocess.json").write_text(json.dumps({"operations": record_of(operations)}), encoding="utf-8")
    study = SimpleNamespace(evaluate=SimpleNamespace(postprocess="auto"))
    return SimpleNamespace(folder=folder, members=members, task=SegmentTask({1: "a"}), study=study)
