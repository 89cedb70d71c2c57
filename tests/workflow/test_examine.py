"""One look at a study for all who need it: strict for training, complete for ``check``."""

from __future__ import annotations

from pathlib import Path

import pytest
from heads import Row, cohort_of_heads, head, write_head

from voxtempo.cohort import load_study
from voxtempo.errors import CohortError, LeakageError
from voxtempo.workflow import examine as module
from voxtempo.workflow.examine import examine
from voxtempo.workflow.setup import set_up


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXTEMPO_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 heads, of two of which a mirrored copy stands in the other folder."""
    folder = tmp_path_factory.mktemp("twins")

    def folders(rows: list[Row]) -> None:
        for place, row in enumerate(rows):
            row["folder"] = "Testing" if place % 4 == 0 else "Training"
        for place in (0, 4):
            write_head(folder, f"copy{'abcde'[place]}", head(place)[::-1])
            rows.append({**rows[place], "id": f"copy{'abcde'[place]}", "folder": "Training"})

    return cohort_of_heads(folder, 24, change=folders)


def test_a_sound_study_looks_the_same_to_both(twins: Path):
    study = load_study(twins)
    loose, strict = examine(study, strict=False), set_up(study)
    assert (loose.folds, loose.cohort, loose.duplicates) == (strict.folds, strict.cohort, strict.duplicates)
    assert loose.problems == strict.problems
    assert loose.plan is not None
    assert loose.plan.study == strict.study
    assert strict.leaks is None
    assert loose.leaks == ()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ("train.loss=dice", CohortError, "train.loss"),
        ("split.folds=60", CohortError, "60 folds"),
        ("split={by: case}", LeakageError, "split.by"),
        ("split={column: folder, only: [Test]}", CohortError, "Did you mean 'Testing'"),
        ("evaluate.coverage=0.99", CohortError, "evaluate.coverage"),
    ],
)
def test_an_error_ends_a_strict_look_and_is_one_of_the_findings_of_another(twins: Path, change, error, words):
    study = load_study(twins, [change])
    with pytest.raises(error, match=words):
        set_up(study)
    seen = examine(study, strict=False)
    errors = [str(problem) for problem in seen.problems if problem.severity == "error"]
    assert len(errors) == 1
    assert words in errors[0]
    assert seen.duplicates is not None
    assert len(seen.duplicates.near) == 2


def test_headers_alone_tell_nothing_of_copies(twins: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "find_duplicates", lambda *given: pytest.fail("voxels were read"))
    seen = examine(load_study(twins), strict=False, headers_only=True)
    assert seen.duplicates is None
    assert len(seen.folds) == 4


def test_without_warnings_of_leakage_copies_are_tied_and_leaks_refused_all_the_same(
    twins: Path, monkeypatch: pytest.MonkeyPatch
):
    study = load_study(twins, ["split={column: folder}"])
    full = set_up(study)
    monkeypatch.setattr(module, "find_leakage", lambda *given: pytest.fail("was looked for"))
    bare = set_up(study, leakage=False)
    assert (bare.folds, bare.cohort, bare.duplicates) == (full.folds, full.cohort, full.duplicates)
    assert {problem.where for problem in bare.problems} <= {problem.where for problem in full.problems}
    with pytest.raises(LeakageError, match=r"split\.by"):
        set_up(load_study(twins, ["split={by: case}"]), leakage=False)


def test_permuted_truths_are_no_conflict_of_copies(twins: Path):
    seen = examine(load_study(twins, ["cohort.target.shuffle=3"]), strict=False)
    assert seen.duplicates is not None
    assert seen.duplicates.near_conflicts
    assert not any("different truths" in problem.message for problem in seen.problems)


def test_a_published_division_is_one_fold(twins: Path):
    (fold,) = set_up(load_study(twins, ["split={column: folder, only: [Testing]}"])).folds
    assert (fold.index, fold.name, len(fold.test)) == (0, "folder=Testing", 6)
    assert not {"copya", "copye"} & {*fold.train, *fold.validation, *fold.test}
