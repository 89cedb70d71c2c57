"""Judge the cases of a run and write what was found: predictions, label maps, examples, metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from voxtempo.cohort import Case, Cohort, Fold, Study, truth_of
from voxtempo.inference import Judged, Predictor, Run, judge
from voxtempo.inference.certainty_metrics import certainty_of
from voxtempo.inference.decisions import decided, decision_curve_of
from voxtempo.inference.figures import baseline_of, metrics_of
from voxtempo.inference.judge import Look, told_again
from voxtempo.inference.outer_masks import Outer, looks
from voxtempo.inference.promise import Promise, promise_in
from voxtempo.inference.run import mirror_in, operations_in
from voxtempo.inference.subgroups import gaps_of, subgroups_of
from voxtempo.learning.tasks import SegmentTask
from voxtempo.prepare import PreparedCase
from voxtempo.scans import Scan, write_scan
from voxtempo.workflow.age_bias import join_age_bias
from voxtempo.workflow.examples import write_examples
from voxtempo.workflow.mirror import join_mirror
from voxtempo.workflow.postprocess import join_postprocess
from voxtempo.workflow.promise import join_promise
from voxtempo.workflow.records import write_metrics, write_predictions
from voxtempo.workflow.settling import settle
from voxtempo.workflow.setup import Setup
from voxtempo.workflow.threshold import join_threshold
from voxtempo.workflow.voice import Voice


def judge_run(
    out: Path, setup: Setup, fold: Fold, prepared: Mapping[str, PreparedCase], predictor: Predictor, voice: Voice
) -> None:
    """Judge test and validation cases and write predictions, label maps, examples and metrics."""
    predictor, validation = settle(out, setup, fold, prepared, predictor, voice)
    cases = setup.cohort.only(fold.validation)
    alone = _each_alone(predictor, setup.study, validation, cases, prepared)
    test = judge_test(
        out, predictor, setup.cohort.only(fold.test), prepared, keep_label_maps(out / "predicted"),
        lambda done, total: voice.bar("test", done, total, ""),
    )  # fmt: skip
    validation = decided(out, validation, predictor.task)
    write_judgement(out, setup, setup.cohort, fold, prepared, predictor, test, validation, alone)


def judge_test(
    folder: Path,
    predictor: Predictor,
    cases: Sequence[Case],
    prepared: Mapping[str, PreparedCase],
    look: Look,
    progress: Callable[[int, int], None] | None = None,
) -> Judged:
    """Return judged test cases with all that a run folder says is to be made of their answers, and what it promises of them."""
    task, promise = predictor.task, promise_in(folder)
    if not isinstance(task, SegmentTask) or promise is None:
        return decided(folder, judge(predictor, cases, prepared, "test", look, progress), task)
    outer = Outer(task, prepared, promise)
    return outer.beside(judge(predictor, cases, prepared, "test", looks(look, outer), progress))


def _each_alone(
    predictor: Predictor, study: Study, validation: Judged, cases: Sequence[Case], prepared: Mapping[str, PreparedCase]
) -> list[dict[str, Any]]:
    """Return the validation figures of each network by itself, where several answer together."""
    if len(predictor.networks) == 1 or not validation.rows:
        return []
    task, alone = predictor.task, []
    for place in range(len(predictor.networks)):
        one = predictor.only(place).with_calibrations(())
        if isinstance(task, SegmentTask):
            judged = judge(one, cases, prepared, "validation")
        else:
            judged = told_again(
                replace(validation, said=tuple(said[place : place + 1] for said in validation.said)), one
            )
        alone.append({"seed": one.recipe.seed, **metrics_of(judged, task, study, study.evaluate.by)})
    return alone


def judge_folds(run: Run, setup: Setup, whole: Fold, prepared: Mapping[str, PreparedCase], voice: Voice) -> None:
    """Judge a run of all folds: the ensemble on a fixed test set, or every fold on its own test."""
    predictor = run.predictor.with_operations(join_postprocess(run)).with_mirror(join_mirror(run))
    validation: list[Judged] = []
    tests: list[Judged] = []
    fixed = all(fold.test == setup.folds[0].test for fold in setup.folds)
    look = keep_label_maps(run.folder / "predicted")
    join_threshold(run)
    join_age_bias(run)
    join_promise(run)
    judges: dict[str, Predictor] = {}
    first = 0
    for place, fold in enumerate(setup.folds):
        member, count = run.members[place], len(run.networks[place])
        own = predictor.only(first, count).with_operations(operations_in(member, predictor.task))
        single = own.with_mirror(mirror_in(member))
        first += count
        judged = judge(single, setup.cohort.only(fold.validation), prepared, "validation")
        validation.append(decided(member, judged, run.task))
        if not fixed:
            tests.append(judge_test(member, single, setup.cohort.only(fold.test), prepared, look))
            judges |= dict.fromkeys(fold.test, single)
        voice.bar("judge", place + 1, len(setup.folds), "")
    if fixed:
        tests = [judge_test(run.folder, predictor, setup.cohort.only(whole.test), prepared, look)]
    joined = Judged.joined(tests), Judged.joined(validation)
    write_judgement(run.folder, setup, setup.cohort, whole, prepared, predictor, *joined, judges=judges)


def write_judgement(
    out: Path,
    setup: Setup,
    cohort: Cohort,
    fold: Fold,
    prepared: Mapping[str, PreparedCase],
    predictor: Predictor,
    test: Judged,
    validation: Judged,
    alone: Sequence[dict[str, Any]] = (),
    judges: Mapping[str, Predictor] = MappingProxyType({}),
) -> dict[str, Any]:
    """Write predictions.csv, examples and metrics.json; return the metrics.

    ``judges`` names the network(s) that judged a test case, where those are not the predictor.
    """
    study, task = setup.study, predictor.task
    write_predictions(out / "predictions.csv", [*validation.rows, *test.rows])
    write_examples(out / "examples", predictor, cohort, prepared, test, out / "predicted", judges)
    # In a run of all folds every case trained some network, also where each was the test of another.
    trained = cohort.only(fold.train) or cohort.cases
    training_truth = [truth for case in trained for truth in truth_of(case)]
    metrics = judgement(study, cohort, predictor, test, training_truth, promise_in(out))
    if validation.rows:
        metrics["validation"] = metrics_of(validation, task, study, study.evaluate.by)
    if alone:
        metrics["validation_alone"] = list(alone)
    metrics |= setup.leak_record(fold)
    write_metrics(out / "metrics.json", metrics)
    return metrics


def judgement(
    study: Study,
    cohort: Cohort,
    predictor: Predictor,
    test: Judged,
    training_truth: Sequence[Any] = (),
    promise: Promise | None = None,
) -> dict[str, Any]:
    """Return the content of ``metrics.json`` for judged test cases."""
    task, by = predictor.task, study.evaluate.by
    if not test.rows:
        return {"test": {}}
    metrics: dict[str, Any] = {"test": metrics_of(test, task, study, by)}
    if by == "subject":
        metrics["test_by_case"] = metrics_of(test, task, study, "case")
    baseline = baseline_of(test, predictor.tasks, study, training_truth or None, by)
    if baseline:
        metrics["baseline"] = baseline
    curve = decision_curve_of(test, task, study)
    if curve:
        metrics["decision_curve"] = curve
    if study.evaluate.subgroups:
        metrics["subgroups"] = subgroups_of(test, task, study, cohort.cases)
        metrics["gaps"] = gaps_of(test, task, study, cohort.cases, metrics["subgroups"])
    return metrics | certainty_of(test, predictor, study, cohort.cases, promise)


def keep_label_maps(folder: Path) -> Callable[[Any, Any, Scan | None], None]:
    """Return a function that writes each case's label map into ``folder``."""

    def look(case: Any, answer: Any, labels: Scan | None) -> None:
        if labels is not None:
            write_scan(labels, folder / f"{case.id}.nii.gz")

    return look
