"""DICOM from the front door: folders of slices as a cohort, from ``new`` and ``check`` to the prediction of a folder."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from cohorts import write_study, write_table

from voxtempo.cli.main import main
from voxtempo.scans import Geometry, Scan, read_scan, write_scan


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("VOXTEMPO_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def cohort(series_maker) -> Path:
    """Nine heads, a folder of DICOM files each, with a bright box and its label map; the boxes of b are brighter."""
    root = series_maker.folder
    rows = []
    for i in range(9):
        voxels = series_maker.voxels(seed=i, high=200)
        voxels[:, 2:6, 2:5, 1:4] += 900 + 900 * (i % 2)
        folder = series_maker.classic(voxels, name=f"series/p{i}")
        scan = read_scan(folder)
        label = (scan.data > 500).astype(np.uint8)
        write_scan(Scan(label, scan.geometry, kind="label"), root / "labels" / f"p{i}.nii.gz")
        rows.append({"id": f"p{i}", "group": "ab"[i % 2], "folder": f"series/p{i}"})
    write_table(root / "cohort.csv", rows)
    return root


def study(root: Path, task: str, target: dict, network: str, **more) -> Path:
    return write_study(
        root / f"{task}.yaml", name=f"dicom-{task}", task=task,
        cohort={"table": "cohort.csv", "scans": {"mr": "series/{id}"}, "target": target, **more},
        split={"folds": 3, "seed": 1}, augment="none", network={"name": network, "widths": [4, 8]},
        train={"epochs": 1, "batch": 2}, evaluate={"intervals": 100},
    )  # fmt: skip


def problems(shown: str) -> str:
    return shown[shown.index("Problems\n") :]


def test_folders_are_checked_prepared_trained_and_predicted(cohort: Path, tmp_path: Path, capsys):
    path = study(cohort, "classify", {"column": "group"}, "resnet3d")
    assert main(["check", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "9 images decoded: 0 groups of identical images" in shown
    assert "shape: 8 x 6 x 5 (9)" in shown
    for expected in ("9 new", "0 new, 9 from the cache"):
        assert main(["prepare", str(path), "--workers", "1"]) == 0
        assert expected in capsys.readouterr().out
    assert main(["train", str(path), "--out", str(tmp_path / "run")]) == 0
    assert main(["evaluate", str(tmp_path / "run")]) == 0
    folders = [str(cohort / "series" / name) for name in ("p0", "p1")]
    assert main(["predict", str(tmp_path / "run"), *folders, "--out", str(tmp_path / "said")]) == 0
    with (tmp_path / "said" / "predictions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["id"], row["status"]) for row in rows] == [("p0", "ok"), ("p1", "ok")]


def test_label_maps_of_folders_come_back_on_the_scanner_grid(cohort: Path, tmp_path: Path):
    target = {"mask": "labels/{id}.nii.gz", "labels": {1: "box"}}
    path = study(cohort, "segment", target, "unet3d", series=1)  # the number is for the folders, not for the label maps
    assert main(["check", str(path)]) == 0
    assert main(["train", str(path), "--out", str(tmp_path / "run")]) == 0
    assert main(["predict", str(tmp_path / "run"), str(cohort / "series" / "p0"), "--out", str(tmp_path / "o")]) == 0
    said, truth = (nib.load(p) for p in (tmp_path / "o" / "p0.nii.gz", cohort / "labels" / "p0.nii.gz"))
    assert said.shape == truth.shape
    assert np.allclose(said.affine, truth.affine, atol=1e-4)


def test_a_folder_with_two_series_asks_which(cohort: Path, series_maker, tmp_path: Path, capsys):
    path = study(cohort, "classify", {"column": "group"}, "resnet3d")
    assert main(["train", str(path), "--out", str(tmp_path / "run")]) == 0
    series_maker.classic(series_maker.voxels(seed=77), name="series/p0/second", number=2)
    capsys.readouterr()
    assert main(["check", str(path)]) == 1
    said = problems(capsys.readouterr().out)
    assert "p0: holds 2 series, choose one by its number or UID (in a study 'cohort.series: NUMBER'" in said
    assert said.count("ERROR") == 1
    assert main(["check", str(path), "--set", "cohort.series=1"]) == 0
    predict = ["predict", str(tmp_path / "run"), str(cohort / "series" / "p0"), "--out", str(tmp_path / "o")]
    assert main(predict) == 2
    assert main([*predict, "--series", "1"]) == 0


@pytest.mark.parametrize("damage", ["cut", "empty", "gone"])
def test_damaged_folders(damage: str, cohort: Path, capsys):
    folder = cohort / "series" / "p3"
    files = sorted(folder.iterdir())
    if damage == "cut":
        middle = sorted(files, key=lambda file: read_scan(file).geometry.affine[2, 3])[2]
        middle.write_bytes(middle.read_bytes()[:400])
    else:
        for file in files:
            file.unlink()
        if damage == "gone":
            folder.rmdir()
    path = study(cohort, "classify", {"column": "group"}, "resnet3d")
    assert main(["check", str(path)]) == (2 if damage == "gone" else 1)
    shown = capsys.readouterr()
    assert str(folder) in shown.out + shown.err
    assert "Traceback" not in shown.out + shown.err


def test_new_finds_folders_named_in_a_table_or_after_its_ids(cohort: Path, tmp_path: Path):
    for columns, template in (("id,group,folder", "{folder}"), ("id,group", "series/{id}")):
        text = "\n".join(",".join(line.split(",")[: columns.count(",") + 1]) for line in _rows(cohort))
        (cohort / "some.csv").write_text(text, encoding="utf-8")
        out = tmp_path / f"{columns.count(',')}.yaml"
        assert main(["new", str(cohort / "some.csv"), "--out", str(out), "--task", "classify"]) == 0
        assert template in out.read_text(encoding="utf-8")
        assert main(["check", str(out), "--set", "split={folds: 3}"]) == 0


def _rows(cohort: Path) -> list[str]:
    return (cohort / "cohort.csv").read_text(encoding="utf-8").split()


def test_new_takes_folders_of_folders_for_classes_and_says_what_is_missing(series_maker, tmp_path: Path, capsys):
    root = series_maker.folder / "heads"
    for i in range(8):
        series_maker.classic(series_maker.voxels(seed=i), name=f"heads/{'ad' if i % 2 else 'cn'}/p{i}")
    out = tmp_path / "study.yaml"
    assert main(["new", str(root), "--out", str(out)]) == 0
    assert main(["check", str(out), "--set", "split={folds: 2}"]) == 0
    assert "classes: ad, cn" in capsys.readouterr().out
    assert main(["new", str(root), "--out", str(tmp_path / "s.yaml"), "--task", "segment"]) == 2
    assert "found 8 folders of DICOM files but no truth to segment" in capsys.readouterr().err
    assert main(["new", str(root / "ad" / "p1"), "--out", str(tmp_path / "s.yaml")]) == 2
    assert "is a single folder of DICOM files" in capsys.readouterr().err
    write_scan(Scan(np.zeros((1, 4, 4, 4, 1), np.uint8), Geometry.from_spacing((4, 4, 4))), root / "ref.nii.gz")
    assert main(["new", str(root), "--out", str(tmp_path / "s.yaml")]) == 2
    assert "a study has scans of one kind" in capsys.readouterr().err
