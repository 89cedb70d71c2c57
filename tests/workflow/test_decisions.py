"""Threshold and line of bias: chosen on validation cases alone, written once, applied to rows, to figures, and to new scans."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from cohorts import disks, write_study

from voxtempo.cohort import Case, Cohort, Fold, build_cohort, load_study, sides_of
from voxtempo.cohort.sections.evaluate import Evaluate
from voxtempo.errors import LeakageError, RunError, StudyError
from voxtempo.inference import Judged
from voxtempo.inference.decisions import age_bias_in, decided, decision_curve_of, say_class, threshold_in
from voxtempo.inference.figures import metrics_of
from voxtempo.inference.judged import refuse_rows_of_others
from voxtempo.learning.cases import event_unit
from voxtempo.learning.choices import check_choices
from voxtempo.learning.tasks import ClassifyTask, RegressTask
from voxtempo.workflow.age_bias import join_age_bias, settle_age_bias
from voxtempo.workflow.threshold import join_threshold, settle_threshold
from voxtempo.workflow.voice import Voice

CLASSES = ClassifyTask(("healthy", "ill"))
AGES = RegressTask(50.0, 15.0)
COUNT = 60


def _study(**evaluate):
    return SimpleNamespace(
        evaluate=Evaluate(**{"intervals": 100, **evaluate}), split=SimpleNamespace(seed=0)
    )  # all that judging asks of a study


def _cohort():
    cases = tuple(Case(f"c{i}", f"p{i}", {}, group=f"p{i}") for i in range(2 * COUNT))
    ids = tuple(case.id for case in cases)
    return sides_of(Cohort(cases), Fold(0, "fold 0", (), ids[:COUNT], ids[COUNT:]))


SIDES = _cohort()


def _row(i, truth, role):
    return {"id": f"c{i}", "subject": f"p{i}", "group": f"p{i}", "role": role, "truth": truth, "status": "ok"}


def _classified(first, role, seed=0, rare=0.3):
    """Probabilities that are too low: ill people get 0.3, healthy ones 0.1."""
    rng = np.random.default_rng([seed, first])
    rows = []
    for i in range(first, first + COUNT):
        ill = rng.random() < rare
        p = float(np.clip(rng.normal(0.3 if ill else 0.1, 0.07), 0.001, 0.999))
        said = {"predicted": CLASSES.classes[int(p > 0.5)], "p_healthy": 1 - p, "p_ill": p}
        rows.append(_row(i, CLASSES.classes[int(ill)], role) | said)
    rows[0] |= {"predicted": "", "p_healthy": np.nan, "p_ill": np.nan, "status": "the scan cannot be read"}
    return Judged(tuple(rows))


def _aged(first, role):
    rng = np.random.default_rng(first)
    rows = []
    for i in range(first, first + COUNT):
        age = float(rng.uniform(20, 80))
        rows.append(_row(i, age, role) | {"predicted": 50 + 0.5 * (age - 50) + float(rng.normal(0, 2))})
    rows[3] |= {"predicted": np.nan, "status": "the scan cannot be read"}
    return Judged(tuple(rows))


def test_a_threshold_is_chosen_on_validation_and_used_on_the_test(tmp_path):
    study, said = _study(threshold="youden"), []
    validation, test = _classified(0, "validation"), _classified(COUNT, "test")
    settle_threshold(tmp_path, study, SIDES.validation, validation, CLASSES, _voice(said))
    record = json.loads((tmp_path / "threshold.json").read_text(encoding="utf-8"))
    assert 0.1 < record["threshold"] < 0.3
    assert (record["positive"], record["chosen_on"], record["subjects"]) == ("ill", "validation", COUNT)
    assert "'ill'" in said[0]
    before, after = metrics_of(test, CLASSES, study), metrics_of(decided(tmp_path, test, CLASSES), CLASSES, study)
    assert before["per_class"]["ill"]["recall"].value < 0.1
    assert after["at_threshold"]["sensitivity"].value > 0.8
    assert after["at_threshold"]["threshold"] == pytest.approx(record["threshold"])
    assert after["balanced_accuracy"].value > before["balanced_accuracy"].value + 0.3
    assert after["auc"] == before["auc"]
    for row in decided(tmp_path, test, CLASSES).rows:
        called = "ill" if row["p_ill"] >= record["threshold"] else "healthy"
        assert row["predicted"] == (called if row["status"] == "ok" else "")
    assert say_class(CLASSES, np.array([0.75, 0.25]), threshold_in(tmp_path)) == "ill"
    assert say_class(CLASSES, np.array([0.75, 0.25]), None) == "healthy"


def test_a_target_is_reached_on_validation_and_the_choice_is_made_once(tmp_path):
    validation = _classified(0, "validation")
    settle_threshold(tmp_path, _study(threshold={"sensitivity": 0.9}), SIDES.validation, validation, CLASSES, Voice())
    chosen = threshold_in(tmp_path)
    figures = metrics_of(decided(tmp_path, validation, CLASSES), CLASSES, _study(prevalence=0.01))["at_threshold"]
    assert figures["sensitivity"].value >= 0.9
    assert figures["prevalence"] == 0.01
    assert figures["positive_predictive_value_at_prevalence"].value < figures["positive_predictive_value"].value
    other = _study(threshold={"specificity": 0.99})
    settle_threshold(tmp_path, other, SIDES.validation, _classified(0, "validation", 1), CLASSES, Voice())
    assert threshold_in(tmp_path) == chosen
    settle_threshold(tmp_path / "none", _study(), SIDES.validation, validation, CLASSES, Voice())
    assert threshold_in(tmp_path / "none") is None
    assert decided(tmp_path / "none", validation, CLASSES) == validation


def test_too_few_of_a_class_choose_nothing(tmp_path):
    rare = Judged(tuple(row for row in _classified(0, "validation").rows if row["truth"] == "healthy"))
    settle_threshold(tmp_path, _study(threshold="youden"), SIDES.validation, rare, CLASSES, Voice())
    assert threshold_in(tmp_path) == 0.5
    assert "fewer than 5" in json.loads((tmp_path / "threshold.json").read_text(encoding="utf-8"))["rule"]
    nobody = tmp_path / "nobody"
    nobody.mkdir()
    settle_threshold(nobody, _study(threshold="youden"), SIDES.validation, Judged(()), CLASSES, Voice())
    assert threshold_in(nobody) == 0.5


def test_rows_of_another_side_are_refused(tmp_path):
    test = _classified(COUNT, "test")
    with pytest.raises(LeakageError, match="not of the validation side"):
        settle_threshold(tmp_path, _study(threshold="youden"), SIDES.validation, test, CLASSES, Voice())
    with pytest.raises(LeakageError, match="not of the validation side"):
        settle_age_bias(tmp_path, _study(), SIDES.validation, _aged(COUNT, "test"), AGES, Voice())
    assert not list(tmp_path.iterdir())


def test_rows_find_their_cases_by_events_and_by_ids_with_an_at_sign():
    cases = tuple(Case(name, name, {}, group=name) for name in ("run", "left@rest", "other"))
    validation = sides_of(Cohort(cases), Fold(0, "fold 0", (), ("run", "left@rest"), ("other",))).validation
    for ids in (["run", "left@rest"], [event_unit("run", 2.5), event_unit("left@rest", 1.0)]):
        refuse_rows_of_others(validation, Judged(tuple({"id": each} for each in ids)))
    for stranger in ("other", event_unit("other", 2.5), "left", "rest"):
        with pytest.raises(LeakageError, match="not of the validation side"):
            refuse_rows_of_others(validation, Judged(({"id": stranger},)))


def test_several_scans_of_a_subject_share_a_threshold(tmp_path):
    study = _study(threshold="youden", by="subject")
    twice = [row | {"id": f"{row['id']}"} for row in _classified(0, "validation").rows for _ in range(2)]
    settle_threshold(tmp_path, study, SIDES.validation, Judged(tuple(twice)), CLASSES, Voice())
    test = decided(tmp_path, _classified(COUNT, "test"), CLASSES)
    by_case, by_subject = metrics_of(test, CLASSES, study), metrics_of(test, CLASSES, study, "subject")
    assert by_subject["confusion"]["counts"] == by_case["confusion"]["counts"]
    assert by_subject["at_threshold"]["threshold"] == pytest.approx(by_case["at_threshold"]["threshold"])


def test_the_line_of_bias_is_fitted_on_validation_and_stands_beside_the_raw_figures(tmp_path):
    study, said = _study(), []
    settle_age_bias(tmp_path, study, SIDES.validation, _aged(0, "validation"), AGES, _voice(said))
    line = age_bias_in(tmp_path)
    assert line.slope == pytest.approx(0.5, abs=0.05)
    assert "x true" in said[0]
    raw = _aged(COUNT, "test")
    test = decided(tmp_path, raw, AGES)
    before, after = metrics_of(raw, AGES, study), metrics_of(test, AGES, study)
    assert "corrected" not in before
    assert {name: after[name] for name in before} == before
    assert after["gap_correlation"].value < -0.8
    assert abs(after["corrected"]["gap_correlation"].value) < 0.5
    assert after["corrected"]["mae_given_truth"].value < after["mae"].value
    for row in test.rows:
        assert row["expected"] == pytest.approx(line.intercept + line.slope * row["truth"])
        if row["status"] == "ok":
            assert row["corrected_gap"] == pytest.approx(row["predicted"] - row["expected"])
    assert metrics_of(test, AGES, study, "subject")["corrected"].keys() == after["corrected"].keys()


def test_too_few_cases_show_no_line_and_a_study_may_want_none(tmp_path):
    few = Judged(_aged(0, "validation").rows[:9])
    settle_age_bias(tmp_path, _study(), SIDES.validation, few, AGES, Voice())
    assert age_bias_in(tmp_path) is None
    assert "fewer than 10" in json.loads((tmp_path / "age_bias.json").read_text(encoding="utf-8"))["rule"]
    none = tmp_path / "none"
    none.mkdir()
    settle_age_bias(none, _study(bias_correction=False), SIDES.validation, _aged(0, "validation"), AGES, Voice())
    assert not list(none.iterdir())


def test_folds_together_have_the_mean_of_what_each_chose(tmp_path):
    members = tuple(tmp_path / f"fold-{i}" for i in range(2))
    for i, member in enumerate(members):
        member.mkdir()
        (member / "threshold.json").write_text(json.dumps({"threshold": 0.2 + 0.2 * i}), encoding="utf-8")
        (member / "age_bias.json").write_text(json.dumps({"intercept": 10.0 + i, "slope": 0.5}), encoding="utf-8")
    run = SimpleNamespace(folder=tmp_path, members=members, study=_study(threshold="youden"), task=CLASSES)
    join_threshold(run)
    assert threshold_in(tmp_path) == pytest.approx(0.3)
    run.task = AGES
    join_age_bias(run)
    assert age_bias_in(tmp_path).intercept == pytest.approx(10.5)
    (members[0] / "age_bias.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RunError, match=r"age_bias\.json is damaged"):
        join_age_bias(run)


def test_the_decision_curve_is_of_two_classes(tmp_path):
    test = _classified(COUNT, "test")
    curve = decision_curve_of(test, CLASSES, _study())
    assert curve["positive"] == "ill"
    assert len(curve["model"]) == len(curve["thresholds"]) == 99
    assert decision_curve_of(test, ClassifyTask(("a", "b", "c")), _study()) == {}
    assert decision_curve_of(_aged(0, "test"), AGES, _study()) == {}


@pytest.mark.parametrize("wanted", ["youden", {"sensitivity": 0.9}, {"specificity": 1.0}])
def test_a_study_of_two_classes_may_want_a_threshold_and_no_other(wanted, tmp_path):
    path = disks(tmp_path, subjects=4, slices=1)
    text = yaml.safe_load(path.read_text(encoding="utf-8"))
    text["evaluate"] |= {"threshold": wanted, "prevalence": 0.2}
    study = load_study(write_study(path, **text))
    assert study.evaluate.threshold == wanted
    assert not check_choices(study, build_cohort(study))
    text["cohort"]["target"]["column"] = "id"  # a class for every case
    many = load_study(write_study(path, **text))
    found = {problem.where: problem.message for problem in check_choices(many, build_cohort(many))}
    assert "there are 4" in found["evaluate.threshold"]
    assert "there are 4" in found["evaluate.prevalence"]
    text["task"] = "regress"
    with pytest.raises(StudyError, match=r"'evaluate\.threshold' is for two classes"):
        load_study(write_study(path, **text))


@pytest.mark.parametrize(
    "wanted", [{"sensitivity": 1.5}, {"precision": 0.9}, {"sensitivity": 0.9, "specificity": 0.9}, 0.4]
)
def test_other_ways_to_choose_a_threshold_are_refused(wanted, tmp_path):
    path = disks(tmp_path, subjects=4, slices=1)
    text = yaml.safe_load(path.read_text(encoding="utf-8"))
    text["evaluate"]["threshold"] = wanted
    with pytest.raises(StudyError, match="threshold"):
        load_study(write_study(path, **text))


def _voice(said):
    return SimpleNamespace(say=said.append)
