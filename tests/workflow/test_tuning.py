"""Nested cross-validation: values are chosen inside the outer training cases, and the outer test has no part in it."""

from __future__ import annotations

import json

import pytest
from cohorts import disks

from voxtempo.cohort import Case, Cohort, Fold, Study, dump_study, load_study, sides_of
from voxtempo.cohort.study import Tune
from voxtempo.errors import CohortError, StudyError
from voxtempo.inference import Run
from voxtempo.learning.fit import Interrupted
from voxtempo.workflow import setup, train_study, tuning
from voxtempo.workflow.candidates import candidates
from voxtempo.workflow.records import digest
from voxtempo.workflow.train import train_fold
from voxtempo.workflow.tuning import inner_folds

COHORT = {"table": "t.csv", "scans": {"mr": "{id}.png"}, "target": {"column": "kind"}}


def asked(**tune) -> dict:
    return {"name": "s", "task": "classify", "cohort": COHORT, "tune": tune}


@pytest.mark.parametrize(
    ("tune", "complaint"),
    [
        ({"values": {"split.seed": [1, 2]}}, "'split.seed' cannot be tuned"),
        ({"values": {"train.seed": [1, 2]}}, "no property of the network"),
        ({"values": {"train.rate": []}}, "no values to try"),
        ({"values": {"train.rate": [0.1]}}, "nothing to choose"),
        ({"values": {"train.rate": [0.1, 0.2]}, "metric": "mae"}, "'tune.metric' of task 'classify'"),
        ({"values": {"train.rate": [0.1, 0.2]}, "folds": 1}, "greater than or equal to 2"),
    ],
)
def test_what_cannot_be_tuned_is_refused(tune: dict, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Study.model_validate(asked(**tune))


def test_trials_are_drawn_without_repetition_and_by_the_seed() -> None:
    tune = Tune(values={"train.rate": [0.1, 0.2, 0.3], "network.width": [4, 8, 16]})
    every = candidates(tune, 0)
    assert len(every) == 9
    some = candidates(tune.model_copy(update={"trials": 4}), 0)
    assert len(some) == 4
    assert all(each in every for each in some)
    assert len({json.dumps(each) for each in some}) == 4
    assert some == candidates(tune.model_copy(update={"trials": 4}), 0)
    assert any(some != candidates(tune.model_copy(update={"trials": 4}), seed) for seed in range(1, 5))


@pytest.mark.parametrize(("column", "only"), [(None, None), ("site", None), ("site", ["s0"])])
def test_inner_folds_hold_every_training_case_once_and_no_outer_test(
    column: str | None, only: list[str] | None
) -> None:
    cases = tuple(
        Case(f"{p}_{k}", p, {}, target="ab"[number % 2], row={"site": f"s{number % 4}"})
        for number, p in enumerate("abcdefghijkl")
        for k in range(2)
    )
    cohort = Cohort(cases, classes=("a", "b"))
    split = {"column": column, "only": only} if column else {"folds": 3}
    study = Study.model_validate({**asked(values={"train.rate": [0.1, 0.2]}, folds=4), "split": split})
    side = [case.id for case in cases if case.row["site"] == "s0"] if column else [case.id for case in cases[:8]]
    rest = [case.id for case in cases if case.id not in side]
    outer = Fold(0, "fold 0", tuple(rest[:-4]), tuple(rest[-4:]), tuple(side))
    sides = sides_of(cohort, outer)
    inner = inner_folds(study, cohort, sides.training, sides.validation)
    tested = [case_id for fold in inner for case_id in fold.test]
    assert sorted(tested) == sorted(rest)
    assert len(inner) == (3 if column and not only else 4)
    for fold in inner:
        assert not {*fold.train, *fold.validation, *fold.test} & set(side)
        sides_of(cohort, fold)  # no subject on two sides


def test_an_inner_fold_without_the_figure_does_not_count_and_a_candidate_without_it_gets_the_worst() -> None:
    assert tuning.comparable([[0.5, None, 0.9], [None, None, -0.2]], "correlation") == [[0.5, 0.9], [0.5, -0.2]]
    assert tuning.comparable([[3.0, None], [None, 2.0], [4.0, 5.0]], "mae") == [[3.0, 5.0], [4.0, 2.0], [4.0, 5.0]]
    with pytest.raises(StudyError, match=r"auc is defined on none of the 2 inner folds"):
        tuning.comparable([[None, None]], "auc")


def test_scores_are_those_of_their_own_candidate(tmp_path, monkeypatch) -> None:
    """A tuning that was stopped, and a study that was changed since: nothing of the first counts for the second."""
    path = disks(tmp_path / "cohort")
    trained = []

    def stopped(own, cohort, sides, *more):
        trained.append(own.train.rate)
        if len(trained) == 3:
            raise Interrupted
        return train_fold(own, cohort, sides, *more)

    monkeypatch.setattr(tuning, "train_fold", stopped)
    out, tune = tmp_path / "run", "tune={{values: {{train.rate: {}}}, folds: 2}}"
    with pytest.raises(Interrupted):
        train_study(load_study(path, [tune.format("[0.001, 0.002]"), "train.epochs=1"]), out, 0)
    assert trained == [0.001, 0.001, 0.002]
    train_study(load_study(path, [tune.format("[0.003, 0.001]"), "train.epochs=1"]), out, 0)
    assert trained[3:] == [0.003, 0.003], "the second candidate was tried before, with the same study but for its rate"
    record = json.loads((out / "tuning.json").read_text(encoding="utf-8"))
    assert [row["values"] for row in record["tried"]] == [{"train.rate": 0.003}, {"train.rate": 0.001}]


def test_a_choice_for_another_study_is_none(tmp_path) -> None:
    study, other = (Study.model_validate(asked(values={"train.rate": [0.1, rate]})) for rate in (0.2, 0.3))
    record = {"chosen": {"train.rate": 0.1}, "tried": [], "asked": digest(dump_study(study))}
    (tmp_path / "tuning.json").write_text(json.dumps(record), encoding="utf-8")
    found = tuning.read_choice(tmp_path, study)
    assert found is not None
    assert found["chosen"] == {"train.rate": 0.1}
    assert tuning.read_choice(tmp_path, other) is None


def test_the_better_value_is_chosen_and_an_interrupted_choice_goes_on(tmp_path, monkeypatch) -> None:
    path = disks(tmp_path / "cohort")
    study = load_study(
        path, ["tune={values: {train.rate: [1.0e-9, 0.005], train.batch: [8]}, folds: 2}", "train.epochs=6"]
    )
    seen: list[tuple[str, ...]] = []
    fail_at = 3

    def counted(own, cohort, sides, *more):
        seen.append((own.train.rate, *(case.id for view in (sides.training, sides.validation) for case in view)))
        if len(seen) == fail_at:
            raise Interrupted
        return train_fold(own, cohort, sides, *more)

    monkeypatch.setattr(tuning, "train_fold", counted)
    out = tmp_path / "run"
    with pytest.raises(Interrupted):
        train_study(study, out, 0)
    assert not (out / "tuning.json").is_file()
    run = train_study(study, out, 0)
    assert len(seen) == fail_at + 2  # the first candidate's two inner folds were not trained again
    record = json.loads((out / "tuning.json").read_text(encoding="utf-8"))
    assert record["chosen"] == {"train.rate": 0.005, "train.batch": 8}
    assert [row["values"]["train.rate"] for row in record["tried"]] == [1e-9, 0.005]
    assert record["tried"][1]["mean"] > record["tried"][0]["mean"]
    assert run.study.train.rate == 0.005
    test = {row.split(",")[0] for row in (out / "split.csv").read_text("utf-8").splitlines() if row.endswith(",test")}
    assert test
    assert not any(test & set(ids[1:]) for ids in seen)
    assert not (out / "tuning").exists()
    assert Run(out).metrics["test"]["accuracy"]["value"] is not None
    # The same command finds the finished run; another choice of values is another study.
    count = len(seen)
    train_study(study, out, 0)
    assert len(seen) == count
    with pytest.raises(StudyError, match="another study"):
        train_study(load_study(path, ["tune={values: {train.rate: [0.1, 0.005]}}", "train.epochs=6"]), out, 0)


def test_a_candidate_that_cannot_be_is_refused_before_anything_is_trained(tmp_path, monkeypatch) -> None:
    study = load_study(disks(tmp_path / "cohort"), ["tune={values: {train.rate: [0.1, -1]}}"])
    monkeypatch.setattr(tuning, "train_fold", lambda *given: pytest.fail("something was trained"))
    monkeypatch.setattr(setup, "prepare_cohort", lambda *given, **more: pytest.fail("something was prepared"))
    with pytest.raises(CohortError, match=r"tune\.values: train\.rate=-1 cannot be trained: .*expected above 0"):
        train_study(study, tmp_path / "run", 0)
