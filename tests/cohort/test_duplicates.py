"""Identical images: found by pixels, kept together, told by column."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from voxtempo.cohort import (
    Case,
    Cohort,
    Split,
    build_cohort,
    cache_root,
    duplicate_problems,
    find_duplicates,
    join_duplicates,
    load_study,
    straddles,
)
from voxtempo.cohort import images as module
from voxtempo.cohort.duplicates import DuplicateReport
from voxtempo.cohort.images import look_at_image
from voxtempo.cohort.leakage.known import cohort_to_split
from voxtempo.cohort.leakage.similar import Likeness

Save = Callable[[Path, np.ndarray], Path]


@pytest.fixture
def pictures(tmp_path: Path, save_png: Save) -> Cohort:
    """a = b (same class, other folder, other file bytes), c = d (other class), e alone, f and g blank."""
    rng = np.random.default_rng(0)
    one, two, three = (rng.integers(0, 255, (8, 9)) for _ in range(3))
    blank = np.full((8, 9), 7)
    rows = [("a", one, "x", "train"), ("b", one, "x", "test"), ("c", two, "x", "train"), ("d", two, "y", "train"),
            ("e", three, "y", "test"), ("f", blank, "x", "train"), ("g", blank, "y", "test")]  # fmt: skip
    cases = []
    for name, pixels, label, side in rows:
        path = save_png(tmp_path / f"{name}.png", pixels)
        if name == "b":
            from PIL import Image

            Image.open(path).save(path, compress_level=0)
        cases.append(Case(name, f"s-{name}", {"mr": path}, label, row={"id": name, "my_split": side, "other": side}))
    return Cohort(tuple(cases), ("x", "y"))


def test_groups_conflicts_and_blanks(pictures: Cohort):
    assert pictures["a"].scans["mr"].read_bytes() != pictures["b"].scans["mr"].read_bytes()
    report = find_duplicates(pictures)
    assert report.groups == (("a", "b"), ("c", "d"))
    assert report.conflicts == (("c", "d"),)
    assert report.blank == ("f", "g")
    assert (report.redundant, report.images) == (2, 7)


def test_joined_groups_tie_subjects(pictures: Cohort):
    joined = join_duplicates(pictures, find_duplicates(pictures))
    assert {case.id: case.group for case in joined} == {
        "a": "s-a", "b": "s-a", "c": "s-c", "d": "s-c", "e": "s-e", "f": "s-f", "g": "s-g",
    }  # fmt: skip
    assert [case.subject for case in joined] == [case.subject for case in pictures]


def test_joining_is_transitive_over_subjects():
    cases = tuple(Case(f"{s}{i}", s, {}, "x") for s in "pqrt" for i in range(2))
    report = DuplicateReport((("q0", "r1"), ("p1", "q1")))
    joined = join_duplicates(Cohort(cases), report)
    assert {case.subject: case.group for case in joined} == {"p": "p", "q": "p", "r": "p", "t": "t"}
    backwards = join_duplicates(Cohort(cases[::-1]), DuplicateReport(report.groups[::-1]))
    assert {c.id: c.group for c in backwards} == {c.id: c.group for c in joined}


def test_straddled_columns_are_those_that_speak_of_a_split(pictures: Cohort):
    report = find_duplicates(pictures)
    (straddle,) = straddles(pictures, report)
    assert (straddle.column, straddle.groups) == ("my_split", (("a", "b"),))
    assert (straddle.cases, straddle.total) == ({"test": 1, "train": 1}, {"test": 3, "train": 4})
    assert [s.column for s in straddles(pictures, report, "other")] == ["my_split", "other"]


def test_problems_name_the_cases(pictures: Cohort):
    problems = duplicate_problems(pictures, find_duplicates(pictures))
    assert [(p.severity, p.where) for p in problems] == [
        ("error", "duplicates"), ("warning", "my_split"), ("warning", "duplicates"), ("warning", "scans"),
    ]  # fmt: skip
    assert "c (x) = d (y)" in problems[0].message
    assert "a = b" in problems[1].message


@pytest.mark.parametrize(
    ("split", "known_leaks", "kept"),
    [
        (Split(), True, True),
        (Split(column="my_split"), False, True),
        (Split(column="my_split"), True, False),
        (Split(by="case"), True, False),
    ],
)
def test_copies_are_said_to_stay_together_only_where_they_do(pictures: Cohort, split, known_leaks, kept):
    report = find_duplicates(pictures)
    near = Likeness("a", "b", 0.99, "mirrored")
    report = replace(report, near=(("a", "b"),), likenesses=(near,))
    told = [
        p.message for p in duplicate_problems(pictures, report, split, known_leaks=known_leaks) if "; each" in p.message
    ]
    assert len(told) == 2
    assert [("is kept on one side of every split" in message) for message in told] == [kept] * 2
    cut = cohort_to_split(join_duplicates(pictures, report), split, known_leaks)
    assert (cut["a"].group == cut["b"].group) is kept


def test_a_second_look_decodes_only_what_changed(pictures: Cohort, monkeypatch: pytest.MonkeyPatch, save_png: Save):
    first = find_duplicates(pictures)
    looked: list[Path] = []

    def spy(path: Path, series: str | None = None) -> dict[str, object]:
        looked.append(path)
        return look_at_image(path, series)

    monkeypatch.setattr(module, "look_at_image", spy)
    assert find_duplicates(pictures) == first
    assert looked == []
    changed = save_png(pictures["b"].scans["mr"], np.arange(72).reshape(8, 9))
    os.utime(changed, ns=(1, 1))
    assert find_duplicates(pictures).groups == (("c", "d"),)
    assert looked == [changed]
    (store,) = (cache_root() / "facts" / "images-2").iterdir()
    whole = store.read_bytes()
    store.write_text("{broken", encoding="utf-8")
    assert find_duplicates(pictures).groups == (("c", "d"),)
    assert len(looked) == 8
    assert store.read_bytes() == whole


def test_unreadable_images_are_collected(pictures: Cohort):
    path = pictures["e"].scans["mr"]
    path.write_bytes(path.read_bytes()[:60])
    pictures["a"].scans["mr"].unlink()
    report = find_duplicates(pictures)
    assert sorted(case_id for case_id, _ in report.unreadable) == ["a", "e"]
    assert all(str(pictures[case_id].scans["mr"]) in message for case_id, message in report.unreadable)
    assert report.groups == (("c", "d"),)


def test_series_agree_across_types_scales_and_compression(tmp_path: Path):
    data = np.random.default_rng(0).integers(0, 100, (4, 5, 3, 7))
    nib.save(nib.Nifti1Image(data.astype(np.int16), np.eye(4)), tmp_path / "a.nii.gz")
    nib.save(nib.Nifti1Image(data.astype(np.float64), np.eye(4)), tmp_path / "b.nii")
    other = data.copy()
    other[0, 0, 0, 6] += 1
    nib.save(nib.Nifti1Image(other.astype(np.int16), np.eye(4)), tmp_path / "c.nii")
    nib.save(nib.Nifti1Image(data[..., :6].astype(np.int16), np.eye(4)), tmp_path / "d.nii")
    prints = [look_at_image(tmp_path / name)["pixels"] for name in ("a.nii.gz", "b.nii", "c.nii", "d.nii")]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3


def test_intensities_are_those_of_all_volumes_and_leave_out_what_is_no_number(tmp_path: Path):
    data = np.random.default_rng(0).normal(3, 2, (6, 5, 4, 3)).astype(np.float32)
    data[:3] = 0
    data[0, 0, 0, 0], data[5, 4, 3, 2] = np.nan, np.inf
    nib.save(nib.Nifti1Image(data, np.eye(4)), tmp_path / "a.nii")
    found, finite = look_at_image(tmp_path / "a.nii"), data[np.isfinite(data)]
    assert found["not_finite"] == 2
    assert found["zeros"] == pytest.approx((finite == 0).mean())
    assert (found["mean"], found["deviation"]) == pytest.approx((finite.mean(), finite.std()))


def test_long_series_are_hashed_without_holding_them(tmp_path: Path):
    import tracemalloc

    nib.save(nib.Nifti1Image(np.ones((32, 32, 20, 100), np.float32), np.eye(4)), tmp_path / "a.nii")
    tracemalloc.start()
    look_at_image(tmp_path / "a.nii")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 * 32 * 20 * 100 * 4 / 5


def test_tumour2d_counts(real_studies: Path):
    cohort = build_cohort(load_study(real_studies / "tumour2d.yaml"))
    report = find_duplicates(cohort)
    assert (len(report.groups), report.redundant, len(report.conflicts)) == (223, 286, 0)
    exact = replace(report, near=())
    (straddle,) = straddles(cohort, exact)
    assert (straddle.column, len(straddle.groups)) == ("source_split", 157)
    assert (straddle.cases["Testing"], straddle.total["Testing"]) == (183, 292)
    assert len({case.group for case in join_duplicates(cohort, exact)}) == 2155
    assert (len(report.near), sum(pair.same for pair in report.likenesses), len(report.near_conflicts)) == (35, 48, 2)
    (straddle,) = straddles(cohort, report)
    assert (len(straddle.groups), straddle.cases["Testing"]) == (145, 190)
    assert len({case.group for case in join_duplicates(cohort, report)}) == 2113
