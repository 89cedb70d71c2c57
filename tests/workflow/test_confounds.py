"""Motion on its way from preparation to the run folder."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from voxtempo.cohort import Case
from voxtempo.prepare import build_steps, prepare_cohort
from voxtempo.prepare.rigid import MOTION_COLUMNS
from voxtempo.scans import Geometry, Scan, write_scan
from voxtempo.workflow.confounds import write_motion

PARTS = (((46, 44, 20), (14, 18, 9)), ((30, 60, 28), (7, 7, 7)), ((64, 36, 16), (6, 9, 6)))  # centre and width, mm


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def cases(tmp_path):
    """Two series with names that would be one file's name, one of which is shifted by 2 mm in its last volumes."""
    geometry = Geometry.from_spacing((24, 24, 12), (4.0, 4.0, 4.0))
    place = np.indices(geometry.shape).transpose(1, 2, 3, 0) * 4.0
    found = []
    for number, (name, shift) in enumerate({"a/1": 0.0, "a:1": 2.0}.items()):
        volumes = []
        for t in range(4):
            there = place - (shift * (t > 1), 0, 0)
            parts = [((there - centre) ** 2 / (2.0 * np.array(width) ** 2)).sum(axis=-1) for centre, width in PARTS]
            volumes.append(1000 * np.exp(-np.array(parts)).sum(axis=0))
        scan = Scan(np.array(volumes, np.float32)[..., None], geometry, 2.5)
        path = write_scan(scan, tmp_path / "data" / f"{number}.nii.gz")
        found.append(Case(name, name, {"bold": path}))
    return found


def test_motion_of_every_prepared_series_is_written_and_summed_up(tmp_path, cases):
    steps = build_steps([{"motion": {"reference": "first"}}, "normalise"])
    prepared = prepare_cohort(cases, steps, tmp_path / "cache", channels=["bold"], workers=1)
    write_motion(tmp_path / "motion", prepared)
    summary = read(tmp_path / "motion" / "summary.csv")
    assert [(row["id"], row["file"]) for row in summary] == [("a/1", "a_1.csv"), ("a:1", "a_1-2.csv")]
    assert float(summary[0]["mean_framewise_displacement"]) == 0
    assert float(summary[1]["max_framewise_displacement"]) == pytest.approx(2.0, abs=0.1)
    assert float(summary[1]["mean_framewise_displacement"]) == pytest.approx(2 / 3, abs=0.05)
    assert [row["displaced_volumes"] for row in summary] == ["0", "1"]
    assert float(summary[1]["mean_dvars"]) < 0.3 * float(summary[1]["mean_dvars_before"])
    rows = read(tmp_path / "motion" / "a_1-2.csv")
    assert list(rows[0]) == ["volume", "time", *MOTION_COLUMNS, "framewise_displacement", "dvars", "dvars_before"]
    assert [float(row["time"]) for row in rows] == [0, 2.5, 5, 7.5]
    np.testing.assert_allclose([float(row["trans_x"]) for row in rows], [0, 0, 2, 2], atol=0.02)


def test_nothing_is_written_where_no_motion_is_known(tmp_path, cases):
    prepared = prepare_cohort(cases, build_steps(["normalise"]), tmp_path / "cache", channels=["bold"], workers=1)
    write_motion(tmp_path / "motion", prepared)
    assert not (tmp_path / "motion").exists()
