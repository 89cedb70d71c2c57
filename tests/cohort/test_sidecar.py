"""What sidecars and tables beside a series say of its slices and its confounds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from voxtempo.cohort.confounds import read_confounds
from voxtempo.cohort.sidecar import read_timing
from voxtempo.errors import CohortError


def sidecar(path: Path, **said: object) -> Path:
    path.write_text(json.dumps(said), encoding="utf-8")
    return path


def test_the_more_special_sidecar_counts(tmp_path: Path) -> None:
    general = sidecar(tmp_path / "a.json", RepetitionTime=2, SliceTiming=[0, 1, 0.5])
    special = sidecar(tmp_path / "b.json", RepetitionTime=1.5)
    assert read_timing("x", [general, special]) == (1.5, (0.0, 1.0, 0.5))
    assert read_timing("x", []) == (None, ())


@pytest.mark.parametrize(("direction", "expected"), [("k", (0.0, 1.0, 0.5)), ("k-", (0.5, 1.0, 0.0)), ("j", ())])
def test_slice_times_run_along_the_third_axis(tmp_path: Path, direction: str, expected: tuple[float, ...]) -> None:
    said = sidecar(tmp_path / "a.json", SliceTiming=[0, 1, 0.5], SliceEncodingDirection=direction)
    assert read_timing("x", [said])[1] == expected


@pytest.mark.parametrize("times", ["0 1", [0, "1"], [0, -1], [True, 1], [0, 5000]])
def test_impossible_slice_times_are_refused(tmp_path: Path, times: object) -> None:
    with pytest.raises(CohortError, match="SliceTiming"):
        read_timing("x", [sidecar(tmp_path / "a.json", SliceTiming=times)])


def test_confounds_are_the_numeric_columns(tmp_path: Path) -> None:
    path = tmp_path / "c.tsv"
    path.write_text("trans_x\tdvars\tnote\n0.1\tn/a\ta\n0.2\t1.5\tb\n", encoding="utf-8")
    found = read_confounds(path, 2)
    assert list(found) == ["trans_x", "dvars"]
    np.testing.assert_array_equal(found["dvars"], [np.nan, 1.5])
    with pytest.raises(CohortError, match="2 rows, but the series has 3 volumes"):
        read_confounds(path, 3)
    path.write_text("note\na\n", encoding="utf-8")
    with pytest.raises(CohortError, match="no column holds numbers"):
        read_confounds(path, 1)
