"""A test set that is looked at again is counted; a run that leaks on purpose says so in every file, and goes on saying so."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from cohorts import disks

from voxtempo.cohort import Case, Cohort, Event, cache_root, load_study
from voxtempo.errors import LeakageError, StudyError
from voxtempo.workflow import evaluate_run, train_study
from voxtempo.workflow.evaluate import _refuse_other_cohort
from voxtempo.workflow.looks import looks_in, looks_in_words, record_look
from voxtempo.workflow.records import write_csv, write_json
from voxtempo.workflow.voice import Voice


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXTEMPO_CACHE", str(tmp_path_factory.mktemp("cache")))


def test_looks_are_counted_by_run_and_by_test_set(tmp_path: Path):
    cohort = Cohort(tuple(Case(name, name, {"mr": Path(f"/data/{name}.png")}) for name in "abcdef"))
    for run in ("one", "two"):
        write_json(tmp_path / run / "metrics.json", {"test": {"accuracy": {"value": 0.75}}})
    one, two = tmp_path / "one", tmp_path / "two"
    assert record_look(one, "train", cohort, ("a", "b")) == (1, 1)
    assert record_look(one, "evaluate", cohort, ("b", "a")) == (2, 1)
    assert record_look(two, "train", cohort, ("a", "b")) == (1, 2)
    assert record_look(two, "evaluate", cohort, ("a", "c")) == (1, 1)
    assert record_look(two, "evaluate", cohort, ()) == (0, 0)
    moved = Cohort(tuple(Case(name, name, {"mr": Path(f"/elsewhere/{name}.png")}) for name in "ab"))
    assert record_look(two, "evaluate --on x", moved, ("a", "b")) == (1, 1)
    rows = looks_in(one)
    assert [(row["what"], row["cases"], row["figure"], row["value"], row["runs"]) for row in rows] == [
        ("train", "2", "accuracy", "0.75", "1"), ("evaluate", "2", "accuracy", "0.75", "1"),
    ]  # fmt: skip
    assert looks_in(tmp_path / "nowhere") == []
    assert "too good" in looks_in_words(1, 2)
    assert "too good" not in looks_in_words(1, 1)


def test_other_cases_under_the_same_name_are_refused(tmp_path: Path):
    first = Cohort(tuple(Case(name, name, {"mr": Path(f"/a/{name}.png")}) for name in "ab"))
    moved = Cohort(tuple(Case(name, name, {"mr": Path(f"/b/{name}.png")}) for name in "ab"))
    second = Cohort(tuple(Case(name, name, {"mr": Path(f"/b/{name}.png")}) for name in "cd"))
    events = Cohort(tuple(replace(case, events=(Event(2.0, 1.0, "x"),)) for case in first))
    out = tmp_path / "external-x"
    _refuse_other_cohort("x", first, out)
    write_csv(out / "predictions.csv", [{"id": name} for name in "ab"])
    for same in (first, moved):
        _refuse_other_cohort("x", same, out)
    _refuse_other_cohort("y", second, tmp_path / "external-y")
    for other in (second, events):
        with pytest.raises(StudyError, match=r"said of other cases \(a, b\), whose study is called 'x' too"):
            _refuse_other_cohort("x", other, out)
    write_csv(out / "predictions.csv", [{"id": f"{name}@2s"} for name in "ab"])
    _refuse_other_cohort("x", events, out)


def test_folds_of_one_run_are_one_run(tmp_path: Path):
    cohort = Cohort((Case("a", "a", {"mr": Path("/data/a.png")}),))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "study.yaml").write_text("", encoding="utf-8")
    for number in range(3):
        folder = tmp_path / "run" / f"fold-{number}"
        write_json(folder / "metrics.json", {"test": {}})
        assert record_look(folder, "train", cohort, ("a",)) == (1, 1)
    write_json(tmp_path / "run" / "metrics.json", {"test": {"dice": {"mean": {"value": 0.5}}}})
    assert record_look(tmp_path / "run", "train", cohort, ("a",)) == (1, 1)
    assert looks_in(tmp_path / "run")[0]["figure"] == "dice mean"
    (store,) = (cache_root() / "test-sets").iterdir()
    store.write_text("{broken", encoding="utf-8")
    assert record_look(tmp_path / "run", "evaluate", cohort, ("a",)) == (2, 1)


def test_a_run_that_leaks_says_so_and_goes_on_without_the_flag(tmp_path: Path):
    path = disks(tmp_path / "data", subjects=12, slices=3)
    study = load_study(path, ["split.by=case", "split.test=0.25", "split.folds=null", "train.epochs=1"])
    out, said = tmp_path / "run", []
    with pytest.raises(LeakageError, match="--i-know-this-leaks"):
        train_study(study, out, cache=tmp_path / "cache")
    voice = Voice(said.append, lambda what, done, total, more: None)
    train_study(study, out, cache=tmp_path / "cache", voice=voice, known_leaks=True)
    assert sum("THIS STUDY LEAKS" in line for line in said) == 1
    records = {
        name: json.loads((out / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("cohort", "metrics", "manifest")
    }
    assert records["cohort"]["leaks"] == records["metrics"]["leaks"] == records["manifest"]["leaks"]
    (leak,) = records["metrics"]["leaks"]
    assert leak["leak"] == "subjects on two sides of the split"
    assert leak["test"] > 0.5 * leak["of"]
    assert records["metrics"]["test"]["accuracy"]["over"] == "subjects"
    assert records["metrics"]["test"]["accuracy"]["n"] < leak["of"]  # resampled by person, of whom there are fewer
    assert "leaks" in (out / "report.html").read_text(encoding="utf-8")
    train_study(study, out, cache=tmp_path / "cache")  # finished, and known to leak
    metrics, _ = evaluate_run(out, cache=tmp_path / "cache", voice=voice)
    assert metrics["leaks"] == records["metrics"]["leaks"]
    assert metrics["test"] == records["metrics"]["test"]
    assert said[-1].startswith("The test cases have been looked at 2 times.")
    with (out / "looks.csv").open(encoding="utf-8") as file:
        assert [row["what"] for row in csv.DictReader(file)] == ["train", "evaluate"]
