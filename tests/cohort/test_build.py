"""From study to cohort: truth, files, and every way they can fail to be there."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from voxtempo.cohort import build_cohort, load_study
from voxtempo.errors import CohortError, StudyError


def edit_table(folder: Path, old: str, new: str) -> None:
    path = folder / "cohort.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_cases_have_files_truth_and_rows(study_file: Path):
    cohort = build_cohort(load_study(study_file, ["cohort.site=site"]))
    assert len(cohort) == 12
    assert cohort.classes == ("F", "M")
    case = cohort["case3"]
    assert case.scans == {"t1": (study_file.parent / "t1" / "case3.nii.gz").resolve()}
    assert (case.subject, case.group, case.target, case.site, case.row["age"]) == ("person3", "person3", "M", "A", "29")
    assert cohort.flow == (("in the table", 12, 12), ("with all files", 12, 12), ("with known truth", 12, 12))


def test_classes_keep_the_order_that_was_asked_for(study_file: Path):
    assert build_cohort(load_study(study_file, ["cohort.target.classes=[M, F]"])).classes == ("M", "F")


def test_regression_targets_are_numbers(study_file: Path):
    cohort = build_cohort(load_study(study_file, ["task=regress", "cohort.target.column=age"]))
    assert [case.target for case in cohort][:3] == [20.0, 23.0, 26.0]
    assert cohort.classes == ()


def test_label_maps_and_their_names(study_file: Path):
    settings = ["task=segment", "cohort.target={mask: 'labels/{id}.nii.gz'}"]
    assert build_cohort(load_study(study_file, settings)).labels == {1: "label1", 2: "label2"}
    named = build_cohort(load_study(study_file, [*settings, "cohort.target.labels={2: b, 1: a}"]))
    assert named.labels == {1: "a", 2: "b"}
    assert list(named.labels) == [1, 2]
    assert named.cases[0].mask == (study_file.parent / "labels" / "case0.nii.gz").resolve()


@pytest.mark.parametrize(
    ("old", "new", "settings", "words"),
    [
        ("20,F", "20,", [], r"1 of 12 cases have no sex: case0.*skip"),
        ("20,F", "n/a,F", ["task=regress", "cohort.target.column=age"], "1 of 12 cases have no age: case0"),
        ("20,F", "old,F", ["task=regress", "cohort.target.column=age"], r"needs numbers in 'age'.*case0 \('old'\)"),
        ("20,F", "20,F", ["cohort.target.column=sexe"], "Did you mean 'sex'"),
        ("20,F", "20,F", ["cohort.id=idd"], "'cohort.id' names the column 'idd'.*Did you mean 'id'"),
        ("20,F", "20,F", ["split.stratify=[agge]"], "'split.stratify'.*Did you mean 'age'"),
        ("20,F", "20,F", ["evaluate.subgroups=[sx]"], "'evaluate.subgroups'"),
        ("20,F", "20,F", ["cohort.target.classes=[F, M, X]"], "no case is X"),
        ("20,F", "20,F", ["cohort.target.classes=[F, X]"], "X"),
        ("20,F", "20,U", ["cohort.target.classes=[F, M]"], "leaves out U"),
        ("case1,", "case0,", [], r"'id' must be unique, but 1 values repeat: case0"),
        ("20,F", "20,F", ["cohort.where={sex: F}"], "two classes or more"),
        ("20,F", "20,F", ["cohort.scans={t1: 't1/{id}.nii'}"], r"12 of 12 .* lack files: case0 \(t1: .*root"),
        ("20,F", "20,F", ["cohort.scans={t1: {suffix: T1w}}"], "give a template"),
        ("20,F", "20,F", ["cohort.target.events=auto"], "'auto' finds events in a BIDS folder"),
        ("20,F", "20,F", ["cohort.table=none.csv"], r"no table at .*none.csv"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(study_file: Path, old: str, new: str, settings: list[str], words: str):
    edit_table(study_file.parent, old, new)
    with pytest.raises(CohortError, match=words) as caught:
        build_cohort(load_study(study_file, settings))
    assert "\n" not in str(caught.value)


def test_missing_files_are_listed_or_skipped_with_a_warning(study_file: Path):
    for i in (2, 5):
        (study_file.parent / "t1" / f"case{i}.nii.gz").unlink()
    with pytest.raises(CohortError, match=r"2 of 12 cases lack files: case2 .* case5 .*missing: skip"):
        build_cohort(load_study(study_file))
    edit_table(study_file.parent, "case7,person7,41,M", "case7,person7,41,n/a")
    cohort = build_cohort(load_study(study_file, ["cohort.missing=skip"]))
    assert len(cohort) == 9
    assert [step[:2] for step in cohort.flow] == [("in the table", 12), ("with all files", 10), ("with known truth", 9)]
    assert ["case2" in p.message for p in cohort.problems] == [True, False]
    assert all(p.severity == "warning" for p in cohort.problems)


def test_a_class_of_one_subject_is_warned_of(study_file: Path):
    edit_table(study_file.parent, "20,F", "20,X")
    cohort = build_cohort(load_study(study_file))
    assert [(p.severity, "'X'" in p.message, "person0" in p.message) for p in cohort.problems] == [
        ("warning", True, True)
    ]


def slices(folder: Path, subjects: int = 6, rows: int = 4) -> Path:
    """A table of several rows a subject, one file for all, and its study."""
    (folder / "x.png").write_bytes(b"")
    lines = ["id,subject,label", *(f"s{s}-{r},s{s},{'ab'[s % 2]}" for s in range(subjects) for r in range(rows))]
    (folder / "cohort.csv").write_text("\n".join(lines), encoding="utf-8")
    path = folder / "study.yaml"
    path.write_text(
        "name: s\ntask: classify\ncohort: {table: cohort.csv, subject: subject, scans: {mr: x.png}, "
        "target: {column: label}}\n",
        encoding="utf-8",
    )
    return path


def test_shuffle_moves_truth_by_subject(tmp_path: Path):
    study = slices(tmp_path)
    plain = build_cohort(load_study(study))
    changed = 0
    for seed in range(5):
        shuffled = build_cohort(load_study(study, [f"cohort.target.shuffle={seed}"]))
        assert Counter(c.target for c in shuffled) == Counter(c.target for c in plain)
        by_subject = {c.subject: set() for c in shuffled}
        for case in shuffled:
            by_subject[case.subject].add(case.target)
        assert all(len(values) == 1 for values in by_subject.values())
        changed += [c.target for c in shuffled] != [c.target for c in plain]
        assert shuffled.problems[-1].where == "cohort.target.shuffle"
    assert changed >= 3


def test_shuffle_does_not_depend_on_the_order_of_rows(tmp_path: Path):
    study = slices(tmp_path)
    first = {c.id: c.target for c in build_cohort(load_study(study, ["cohort.target.shuffle=1"]))}
    header, *lines = (tmp_path / "cohort.csv").read_text(encoding="utf-8").split("\n")
    order = np.random.default_rng(0).permutation(len(lines))
    (tmp_path / "cohort.csv").write_text("\n".join([header, *(lines[i] for i in order)]), encoding="utf-8")
    assert {c.id: c.target for c in build_cohort(load_study(study, ["cohort.target.shuffle=1"]))} == first


def test_label_maps_cannot_be_shuffled(study_file: Path):
    with pytest.raises(StudyError, match="cannot be exchanged"):
        build_cohort(load_study(study_file, ["task=segment", "cohort.target={mask: 'labels/{id}.nii.gz', shuffle: 1}"]))


def series(folder: Path, save_nifti) -> Path:
    rng = np.random.default_rng(0)
    lines = ["id,bold,events"]
    for run in range(4):
        save_nifti(folder / f"r{run}.nii.gz", rng.integers(0, 99, (4, 4, 3, 20)).astype(np.int16), (2, 2, 2), 2.0)
        rows = [f"{onset}\t4\t{'abc'[(i + run) % 3]}" for i, onset in enumerate(range(0, 36, 6))]
        (folder / f"r{run}.tsv").write_text("onset\tduration\ttrial_type\n" + "\n".join(rows), encoding="utf-8")
        lines.append(f"run{run},r{run}.nii.gz,r{run}.tsv")
    (folder / "cohort.csv").write_text("\n".join(lines), encoding="utf-8")
    path = folder / "study.yaml"
    path.write_text(
        "name: e\ntask: classify\ncohort: {table: cohort.csv, scans: {bold: '{bold}'}, "
        "target: {events: '{events}', column: trial_type}}\n",
        encoding="utf-8",
    )
    return path


def test_events_give_classes_and_may_be_narrowed(tmp_path: Path, save_nifti):
    study = series(tmp_path, save_nifti)
    cohort = build_cohort(load_study(study))
    assert cohort.classes == ("a", "b", "c")
    assert [len(c.events) for c in cohort] == [6] * 4
    assert cohort.cases[0].target is None
    narrowed = build_cohort(load_study(study, ["cohort.target.classes=[c, a]"]))
    assert narrowed.classes == ("c", "a")
    assert [len(c.events) for c in narrowed] == [4] * 4
    assert [p.severity for p in narrowed.problems] == ["note"]


def test_shuffled_events_keep_onsets_and_counts(tmp_path: Path, save_nifti):
    study = series(tmp_path, save_nifti)
    plain = build_cohort(load_study(study))
    shuffled = build_cohort(load_study(study, ["cohort.target.shuffle=0"]))
    assert [[e.onset for e in c.events] for c in shuffled] == [[e.onset for e in c.events] for c in plain]
    for one, other in zip(plain, shuffled, strict=True):
        assert Counter(e.label for e in one.events) == Counter(e.label for e in other.events)
    assert [c.events for c in shuffled] != [c.events for c in plain]


def test_published_studies_build(real_studies: Path):
    expected = {
        "alzheimer2d": 4160,
        "haxby": 12,
        "hippocampus": 200,
        "ixi-age": 80,
        "ixi-sex": 80,
        "ixi-tissue": 80,
        "tumour2d": 2441,
    }
    for name, count in expected.items():
        assert len(build_cohort(load_study(real_studies / f"{name}.yaml"))) == count


def test_rows_that_do_not_say_whom_they_come_from_are_told(study_file: Path):
    edit_table(study_file.parent, "person3", "")
    cohort = build_cohort(load_study(study_file))
    (told,) = (problem for problem in cohort.problems if problem.where == "cohort.subject")
    assert "1 of 12 rows have no" in told.message
    assert "case3" in told.message
