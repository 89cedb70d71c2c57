"""Geometry, time and label maps: every kind of misfit is named with its case."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np

from voxtempo.cohort import Case, Cohort, Event, check_geometry, check_masks

Save = Callable[..., Path]


def volume(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 99, shape).astype(np.int16)


def found(report_or_problems) -> list[tuple[str, str]]:
    problems = getattr(report_or_problems, "problems", report_or_problems)
    return [(p.severity, p.where) for p in problems]


def test_a_uniform_cohort_has_no_problems(tmp_path: Path, save_nifti: Save):
    cases = tuple(
        Case(f"c{i}", f"s{i}", {"t1": save_nifti(tmp_path / f"{i}.nii.gz", volume(4, 5, 6), (1, 2, 3))})
        for i in range(3)
    )
    report = check_geometry(Cohort(cases))
    assert report.problems == ()
    assert report.counts["shape"] == {"4 x 5 x 6": 3}
    assert report.counts["spacing (mm)"] == {"1 x 2 x 3": 3}
    assert report.counts["data type"] == {"int16": 3}
    assert report.repetition_times == {"c0": None, "c1": None, "c2": None}
    assert not report.is_series


def test_odd_orientation_and_spacing_are_named(tmp_path: Path, save_nifti: Save):
    cases = [Case(f"c{i}", f"s{i}", {"t1": save_nifti(tmp_path / f"{i}.nii", volume(4, 5, 6))}) for i in range(4)]
    nib.save(nib.Nifti1Image(volume(4, 5, 6), np.diag([-1, -1, 1, 1])), tmp_path / "flip.nii")
    cases.append(Case("flipped", "s8", {"t1": tmp_path / "flip.nii"}))
    cases.append(Case("coarse", "s9", {"t1": save_nifti(tmp_path / "coarse.nii", volume(4, 5, 6), (2, 2, 2))}))
    report = check_geometry(Cohort(tuple(cases)))
    assert found(report) == [("warning", "orientation"), ("warning", "spacing (mm)")]
    assert "1 of 6 scans differ from the usual RAS: flipped (LPS)" in report.problems[0].message
    assert "coarse (2 x 2 x 2)" in report.problems[1].message


def test_masks_and_channels_must_share_the_grid(tmp_path: Path, save_nifti: Save):
    t1 = save_nifti(tmp_path / "t1.nii", volume(4, 5, 6))
    other = save_nifti(tmp_path / "t2.nii", volume(4, 5, 7))
    shifted = np.diag([1.0, 1, 1, 1])
    shifted[0, 3] = 0.5
    nib.save(nib.Nifti1Image(volume(4, 5, 6), shifted), tmp_path / "mask.nii")
    report = check_geometry(Cohort((Case("a", "a", {"t1": t1, "t2": other}, mask=tmp_path / "mask.nii"),)))
    assert found(report) == [("error", "a"), ("error", "a")]
    assert "'t2' lies on another grid than 't1': 4 x 5 x 7" in report.problems[0].message
    assert "'mask'" in report.problems[1].message
    assert "origin (0.5, 0, 0)" in report.problems[1].message


def test_a_channel_may_be_called_mask(tmp_path: Path, save_nifti: Save):
    path = save_nifti(tmp_path / "m.nii", volume(4, 5, 6))
    report = check_geometry(Cohort((Case("a", "a", {"mask": path}),)))
    assert list(report.headers["a"]) == ["mask"]
    assert report.masks == {}


def test_unreadable_files_are_named(tmp_path: Path, save_nifti: Save):
    good = save_nifti(tmp_path / "good.nii", volume(4, 5, 6))
    (tmp_path / "bad.nii.gz").write_bytes(b"\x1f\x8b\x08 nonsense")
    report = check_geometry(Cohort((Case("a", "a", {"t1": good}), Case("b", "b", {"t1": tmp_path / "bad.nii.gz"}))))
    assert found(report) == [("error", "b")]
    assert str(tmp_path / "bad.nii.gz") in report.problems[0].message
    assert list(report.headers) == ["a"]


def test_repetition_times_are_counted(tmp_path: Path, save_nifti: Save):
    times = [2.0, 2.0, 2.0, 1.5]
    cases = tuple(
        Case(f"r{i}", f"s{i}", {"bold": save_nifti(tmp_path / f"{i}.nii", volume(4, 4, 3, 10), (2, 2, 2), time)})
        for i, time in enumerate(times)
    )
    report = check_geometry(Cohort(cases))
    assert found(report) == []  # what preparation makes of them is for the planning to judge
    assert report.is_series
    assert report.counts["repetition time (s)"] == {"2": 3, "1.5": 1}


def test_sidecar_and_header_are_compared(tmp_path: Path, save_nifti: Save):
    path = save_nifti(tmp_path / "r.nii", volume(4, 4, 3, 10), (2, 2, 2), 2.0)
    assert check_geometry(Cohort((Case("r", "r", {"b": path}, repetition_time=2.0),))).problems == ()
    report = check_geometry(Cohort((Case("r", "r", {"b": path}, repetition_time=2.5),)))
    assert found(report) == [("warning", "r")]
    events = (Event(3.0, 1.0, "a"),)
    for sidecar, severity in ((2.05, "warning"), (2.5, "error"), (0.002, "error")):
        report = check_geometry(Cohort((Case("r", "r", {"b": path}, repetition_time=sidecar, events=events),)))
        assert found(report) == [(severity, "r")]


def test_events_need_a_series_and_lie_inside_it(tmp_path: Path, save_nifti: Save):
    path = save_nifti(tmp_path / "r.nii", volume(4, 4, 3, 10), (2, 2, 2), 2.0)
    static = save_nifti(tmp_path / "s.nii", volume(4, 4, 3))
    inside, late = Event(3.0, 1.0, "a"), Event(20.0, 1.0, "b")
    one = check_geometry(Cohort((Case("r", "r", {"b": path}, events=(inside, late)),)))
    assert found(one) == [("warning", "r")]
    assert "1 of 2 events start outside the scan (0 to 20 s): b at 20 s" in one.problems[0].message
    every = check_geometry(Cohort((Case("r", "r", {"b": path}, events=(late,)),)))
    assert found(every) == [("error", "r")]
    without = check_geometry(Cohort((Case("s", "s", {"b": static}, events=(inside,)),)))
    assert found(without) == [("error", "s")]
    timeless = save_nifti(tmp_path / "t.nii", volume(4, 4, 3, 10), (2, 2, 2), 0.0)
    report = check_geometry(Cohort((Case("t", "t", {"b": timeless}, events=(inside,)),)))
    assert found(report) == [("error", "t")]
    assert "no repetition time" in report.problems[0].message


def test_volumes_and_series_do_not_mix(tmp_path: Path, save_nifti: Save):
    series = save_nifti(tmp_path / "r.nii", volume(4, 4, 3, 10), (1, 1, 1), 2.0)
    static = save_nifti(tmp_path / "s.nii", volume(4, 4, 3))
    report = check_geometry(Cohort((Case("r", "r", {"b": series}), Case("s", "s", {"b": static}))))
    assert ("error", "volumes") in found(report)


def mask(path: Path, *values: int) -> Path:
    data = np.zeros((4, 4, 4), np.uint8)
    data.flat[: len(values)] = values
    nib.save(nib.Nifti1Image(data, np.eye(4)), path)
    return path


def test_label_maps_are_compared_with_the_names(tmp_path: Path):
    values = {"a": (1, 2), "b": (1, 7), "c": (), "d": (1, 2)}
    cases = tuple(Case(name, name, {}, mask=mask(tmp_path / f"{name}.nii", *held)) for name, held in values.items())
    problems = check_masks(Cohort(cases, labels={1: "one", 2: "two", 3: "three"}))
    told = {p.message.split(":")[0]: p.severity for p in problems}
    assert told == {
        "the label maps hold values that 'labels' does not name": "error",
        "1 of 4 maps hold no named label": "warning",
        "label 2 (two) is absent in 1 of 4 maps": "note",
        "no map holds label 3 (three).": "error",
    }
    assert any("does not name: 7 (in 1 maps); it names 1 (one)" in p.message for p in problems)


def test_a_map_with_fractions_is_an_error(tmp_path: Path):
    nib.save(nib.Nifti1Image(np.full((3, 3, 3), 0.5, np.float32), np.eye(4)), tmp_path / "f.nii")
    (problem,) = check_masks(Cohort((Case("f", "f", {}, mask=tmp_path / "f.nii"),)))
    assert problem.severity == "error"
    assert "f.nii" in problem.message
