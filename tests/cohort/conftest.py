"""Small cohorts made on the spot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXTEMPO_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def real_studies(real_data: Callable[[str], Path]) -> Path:
    """The folder of the published study files, beside the data."""
    folder = real_data("hippocampus").parents[1] / "studies"
    if not folder.is_dir():
        pytest.skip(f"the study files are not at {folder}")
    return folder


def _save_nifti(
    path: Path, data: np.ndarray, spacing: Sequence[float] = (1, 1, 1), repetition_time: float = 0.0
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(data, np.diag([*spacing, 1.0]))
    image.header.set_xyzt_units("mm", "sec")
    if data.ndim == 4:
        image.header.set_zooms((*spacing, repetition_time))
    nib.save(image, path)
    return path


@pytest.fixture
def save_nifti() -> Callable[..., Path]:
    return _save_nifti


@pytest.fixture
def save_png() -> Callable[[Path, np.ndarray], Path]:
    def save(path: Path, pixels: np.ndarray) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
        return path

    return save


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    """Twelve subjects with a T1, a label map (values 1 and 2), age, sex and site; returns the folder."""
    rng = np.random.default_rng(0)
    lines = ["id,subject,age,sex,site"]
    for i in range(12):
        name = f"case{i}"
        _save_nifti(tmp_path / "t1" / f"{name}.nii.gz", rng.integers(0, 200, (6, 7, 5)).astype(np.int16))
        labels = np.zeros((6, 7, 5), np.uint8)
        labels[1:3], labels[3:5] = 1, 2
        _save_nifti(tmp_path / "labels" / f"{name}.nii.gz", labels)
        lines.append(f"{name},person{i},{20 + 3 * i},{'FM'[i % 2]},{'AB'[i // 6]}")
    (tmp_path / "cohort.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


STUDY = """\
name: small
task: classify
cohort:
  table: cohort.csv
  subject: subject
  scans: {t1: "t1/{id}.nii.gz"}
  target: {column: sex}
split: {folds: 4, seed: 3}
"""


@pytest.fixture
def study_file(volumes: Path) -> Path:
    """The study file of ``volumes``."""
    path = volumes / "study.yaml"
    path.write_text(STUDY, encoding="utf-8")
    return path
