"""``voxtempo new``: what it writes must load, and what exists must stay."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from voxtempo.cli import new
from voxtempo.cohort import Cohort, Study, build_cohort, load_study
from voxtempo.errors import CohortError, StudyError


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    new.add(parser.add_subparsers())
    parsed = parser.parse_args(["new", *arguments])
    return int(parsed.run(parsed))


def made(source: Path, out: Path, *options: str) -> tuple[Study, Cohort]:
    assert run(str(source), "--out", str(out), *options) == 0
    study = load_study(out)
    return study, build_cohort(study)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXTEMPO_CACHE", str(tmp_path_factory.mktemp("cache")))


def save(path: Path, labels: int = 0, volumes: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(str(path)))
    shape = (4, 4, 4, volumes) if volumes else (4, 4, 4)
    data = rng.integers(0, labels + 1, shape) if labels else rng.integers(0, 99, shape)
    nib.save(nib.Nifti1Image(data.astype(np.uint8), np.eye(4)), path)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A folder with a table, T1 scans and two kinds of label maps; people have two rows each."""
    lines = ["scan_id,patient,age,sex,scanner"]
    for i in range(12):
        save(tmp_path / "data" / "t1" / f"x[{i}].nii.gz")
        save(tmp_path / "data" / "seg" / f"x[{i}].nii.gz", labels=9)
        save(tmp_path / "data" / "seg3" / f"x[{i}].nii.gz", labels=3)
        lines.append(f"x[{i}],p{i // 2},{30 + i},{'FM'[i // 2 % 2]},{'AB'[i // 6]}")
    (tmp_path / "data" / "people.csv").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path / "data"


def test_a_table_with_scans_named_after_its_ids(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    study, cohort = made(table, tmp_path / "sub" / "study.yaml")
    assert (study.task, study.cohort.target.column) == ("regress", "age")
    assert (study.cohort.id, study.cohort.subject, study.cohort.site) == ("scan_id", "patient", "scanner")
    assert study.cohort.scans == {"t1": "t1/{scan_id}.nii.gz"}
    assert (len(cohort), len(cohort.subjects)) == (12, 6)
    assert "guessed: column 'patient' names the person" in capsys.readouterr().out


def test_the_task_that_is_asked_for(table: Path, tmp_path: Path):
    study, cohort = made(table / "people.csv", tmp_path / "a.yaml", "--task", "classify")
    assert study.cohort.target.column == "sex"
    study, cohort = made(table, tmp_path / "b.yaml", "--task", "segment")
    assert study.cohort.target.mask == "seg3/{scan_id}.nii.gz"
    assert list(cohort.labels) == [1, 2, 3]


def test_nothing_is_overwritten_unless_forced(table: Path, tmp_path: Path):
    out = tmp_path / "study.yaml"
    out.write_text("mine", encoding="utf-8")
    with pytest.raises(StudyError, match=r"study\.yaml exists already"):
        run(str(table), "--out", str(out))
    assert out.read_text(encoding="utf-8") == "mine"
    made(table, out, "--force")


def test_a_folder_for_each_class(tmp_path: Path):
    rng = np.random.default_rng(0)
    for side in ("Training", "Testing"):
        for label in ("no", "yes"):
            folder = tmp_path / "pictures" / side / label
            folder.mkdir(parents=True)
            for i in range(3):
                Image.fromarray(rng.integers(0, 255, (8, 8)).astype(np.uint8)).save(folder / f"image({i}).png")
    out = tmp_path / "study.yaml"
    study, cohort = made(tmp_path / "pictures", out)
    assert study.task == "classify"
    assert cohort.classes == ("no", "yes")
    assert len(cohort) == 12
    assert {case.row["source_split"] for case in cohort} == {"Training", "Testing"}
    assert (tmp_path / "study_cohort.csv").exists()
    assert not (tmp_path / "pictures" / "cohort.csv").exists()


def test_images_beside_labels(tmp_path: Path):
    for i in range(5):
        save(tmp_path / "pairs" / "images" / f"s{i}.nii.gz")
        save(tmp_path / "pairs" / "labels" / f"s{i}.nii.gz", labels=2)
    save(tmp_path / "pairs" / "images" / "unlabelled.nii.gz")
    study, cohort = made(tmp_path / "pairs", tmp_path / "study.yaml")
    assert study.task == "segment"
    assert (len(cohort), list(cohort.labels)) == (5, [1, 2])


def test_bids_with_groups_and_with_events(tmp_path: Path):
    root = tmp_path / "bids"
    lines = ["participant_id\tgroup"]
    for i in range(4):
        save(root / f"sub-{i}" / "func" / f"sub-{i}_task-x_bold.nii.gz", volumes=5)
        lines.append(f"sub-{i}\t{'ab'[i % 2]}")
    (root / "participants.tsv").write_text("\n".join(lines), encoding="utf-8")
    study, cohort = made(root, tmp_path / "a.yaml")
    assert (study.cohort.target.column, study.split.folds) == ("group", 4)
    assert cohort.classes == ("a", "b")
    for i in range(4):
        path = root / f"sub-{i}" / "func" / f"sub-{i}_task-x_events.tsv"
        path.write_text("onset\tduration\ttrial_type\n0\t1\tleft\n2\t1\tright\n", encoding="utf-8")
    study, cohort = made(root, tmp_path / "b.yaml")
    assert study.cohort.target.events == "auto"
    assert cohort.classes == ("left", "right")


@pytest.mark.parametrize(
    "make",
    [lambda path: None, lambda path: path.mkdir(), lambda path: path.write_text("a,b\n1,2\n1,3\n", encoding="utf-8")],
)
def test_nothing_to_make_a_study_of(tmp_path: Path, make: Callable[[Path], object]):
    make(tmp_path / "source")
    with pytest.raises(CohortError, match="source"):
        run(str(tmp_path / "source"), "--out", str(tmp_path / "s.yaml"))
    assert not (tmp_path / "s.yaml").exists()


@pytest.mark.parametrize(
    ("name", "task", "cases"),
    [
        ("hippocampus", "segment", 200),
        ("ixi", "regress", 80),
        ("haxby", "classify", 12),
        ("tumour2d", "classify", 2441),
    ],
)
def test_real_folders(real_data: Callable[[str], Path], tmp_path: Path, name: str, task: str, cases: int):
    study, cohort = made(real_data(name), tmp_path / "study.yaml")
    assert (study.task, len(cohort)) == (task, cases)
    assert study.split.column == ("run" if name == "haxby" else None)
