"""Judge a finished run again: on its own test cases, or on another cohort (external validation)."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from voxtempo.assess.drop import drops
from voxtempo.cohort import Case, Cohort, Fold, Study, build_cohort, find_duplicates, read_split, truth_of
from voxtempo.cohort.problem import Problem, few
from voxtempo.errors import CohortError, LeakageError, RunError, StudyError
from voxtempo.inference import Run
from voxtempo.inference.judge import truths_of
from voxtempo.inference.promise import promise_in
from voxtempo.inference.run import STUDY
from voxtempo.learning.recipe import other_time
from voxtempo.learning.tasks import ClassifyTask, SegmentTask
from voxtempo.metrics import RULERS
from voxtempo.prepare import PreparedCase
from voxtempo.report import write_report
from voxtempo.workflow.continuing import leaks_are_known
from voxtempo.workflow.harmonising import lenses_for
from voxtempo.workflow.judging import judge_folds, judge_run, judge_test, judgement, keep_label_maps
from voxtempo.workflow.likeness import likeness_of
from voxtempo.workflow.looks import looks_in_words, record_look
from voxtempo.workflow.records import write_metrics, write_predictions
from voxtempo.workflow.setup import prepare, set_up, whole_fold
from voxtempo.workflow.voice import Voice


def evaluate_run(
    folder: Path, on: Study | None = None, *, cache: Path | None = None, workers: int = 2, voice: Voice | None = None
) -> tuple[dict[str, Any], Path]:
    """Judge a run and return the metrics and where they were written.

    Parameters
    ----------
    folder : the run.
    on : another study whose whole cohort is the (external) test; its preparation, sample and network are the run's own.
        Without it the run's own test cases are judged again and its report is written anew.
    cache, workers : for preparation.
    voice : progress.

    Raises
    ------
    RunError : the folder is no finished run, or its scans are no longer where they were.
    LeakageError : a subject or an image of the external cohort was trained on.
    StudyError : the external study has another task, other channels or other classes.
    """
    voice = voice or Voice()
    run = Run(folder)
    run.refuse_unfinished()
    run.refuse_changed_files()
    if on is not None:
        return _external(run, on, cache, workers, voice)
    fold = None if len(run.members) > 1 else _fold_of(run)
    try:
        setup = set_up(run.study, workers, voice, known_leaks=leaks_are_known(folder), leakage=False)
    except CohortError as error:
        raise RunError(
            f"The scans of {folder} cannot be judged again: {error} Where they lay is written in {run.folder / STUDY}; if "
            "they have moved, correct the paths there."
        ) from None
    prepared = prepare(setup, cache, workers, lambda done, total: voice.bar("prepare", done, total, ""))
    if fold is None:
        fold = whole_fold(setup)
        judge_folds(run, setup, fold, prepared, voice)
    else:
        judge_run(folder, setup, fold, prepared, run.predictor, voice)
    looks, runs = record_look(folder, "evaluate", setup.cohort, fold.test)
    voice.say(looks_in_words(looks, runs))
    write_report(folder)
    return run.metrics, folder / "metrics.json"


def _fold_of(run: Run) -> Fold:
    try:
        return read_split(run.folder / "split.csv", _fold_index(run))
    except CohortError as error:
        raise RunError(
            f"{run.folder} does not say which cases were its test: {error} Restore 'split.csv' from a copy of the run "
            "folder, or train the study again into another one."
        ) from None


def _fold_index(run: Run) -> int:
    try:
        manifest = json.loads((run.folder / "manifest.json").read_text(encoding="utf-8"))
        return int(manifest["fold"]["index"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _external(run: Run, on: Study, cache: Path | None, workers: int, voice: Voice) -> tuple[dict[str, Any], Path]:
    study = _as_the_run(run, on)
    setup = set_up(study, workers, voice, leakage=False, folds=False)
    out = run.folder / f"external-{on.name}"
    trained = _trained_on(run, voice)
    refuse_seen(trained, setup.cohort, workers)
    _refuse_other_cohort(on.name, setup.cohort, out)
    _refuse_other_answers(run, setup.cohort)
    prepared = prepare(setup, cache, workers, lambda done, total: voice.bar("prepare", done, total, ""))
    _refuse_other_times(run, prepared)
    voice.warn([*setup.problems, *_unlike(run, prepared)])
    predictor = run.predictor.judged_as(study.evaluate).with_lenses(lenses_for(run, setup.cohort, prepared, out, voice))
    test = judge_test(
        run.folder, predictor, setup.cohort.cases, prepared, keep_label_maps(out / "predicted"),
        lambda done, total: voice.bar("judge", done, total, ""),
    )  # fmt: skip
    training_truth = [truth for case in trained for truth in truth_of(case)]
    metrics = judgement(study, setup.cohort, predictor, test, training_truth, promise_in(run.folder))
    metrics["internal"] = run.metrics.get("test", {})
    drop = drops(metrics["internal"], metrics["test"])
    measured_otherwise = _other_rulers(run.study, study)
    metrics["drop"] = {name: each for name, each in drop.items() if name not in measured_otherwise}
    write_predictions(out / "predictions.csv", test.rows)
    write_metrics(out / "metrics.json", metrics)
    ids = [case.id for case in setup.cohort]
    looks, runs = record_look(run.folder, f"evaluate --on {on.name}", setup.cohort, ids, out / "metrics.json")
    voice.say(looks_in_words(looks, runs))
    write_report(run.folder)
    return json.loads((out / "metrics.json").read_text(encoding="utf-8")), out / "metrics.json"


def _refuse_other_cohort(name: str, cohort: Cohort, out: Path) -> None:
    """Refuse to write over what the run said of other cases, whose study has the same name."""
    try:
        with (out / "predictions.csv").open(encoding="utf-8", newline="") as file:
            before = {row["id"] for row in csv.DictReader(file)}
    except (OSError, ValueError, KeyError, csv.Error):  # nothing, or nothing that could be lost
        return
    now = {unit for case in cohort for unit, _ in truths_of(case)}
    if before != now:
        raise StudyError(
            f"{out} holds what this run said of other cases ({few(sorted(before))}), whose study is called '{name}' too. Give "
            "this study another 'name', or delete that folder."
        )


def _unlike(run: Run, prepared: Mapping[str, PreparedCase]) -> Iterator[Problem]:
    """Yield a warning about scans of an external cohort that are unlike all of the training."""
    known = likeness_of(run.folder)
    found = {case_id: said for case_id, case in prepared.items() if (said := known.unlike(case.native))}
    if found:
        case_id, said = next(iter(found.items()))
        message = f"{len(found)} of {len(prepared)} are unlike those of the training, such as {case_id}: {said}"
        yield Problem("warning", "scans", message)


def _rules_left_open(own: Study, on: Study) -> dict[str, Any]:
    """Return how the run compares label maps with truths, as far as the other study does not say it."""
    return {rule: getattr(own.evaluate, rule) for rule in RULERS if rule not in on.evaluate.model_fields_set}


def _other_rulers(own: Study, on: Study) -> list[str]:
    """Return the metrics that two studies measure differently, so that their difference says nothing of the network."""
    differing = [rule for rule in RULERS if getattr(own.evaluate, rule) != getattr(on.evaluate, rule)]
    return [metric for rule in differing for metric in RULERS[rule]]


def _as_the_run(run: Run, on: Study) -> Study:
    """Return the run's study with the other study's cohort and way of judging.

    What it leaves open of how label maps are compared is as the run has it.
    Nothing is learned from that cohort: its division into folds tests nobody, class weights may name classes that it lacks,
    and it is seen through the lenses that the run's networks learned.
    """
    own = run.study
    if on.task != own.task:
        raise StudyError(f"The run was trained to {own.task}, but study '{on.name}' is to {on.task}.")
    if list(on.cohort.scans) != list(own.cohort.scans):
        raise StudyError(
            f"The run takes the channels {', '.join(own.cohort.scans)}, but study '{on.name}' has {', '.join(on.cohort.scans)}."
        )
    split = on.split.model_copy(update={"by": "subject"})
    return own.model_copy(
        update={
            "name": on.name,
            "cohort": on.cohort,
            "evaluate": on.evaluate.model_copy(update=_rules_left_open(own, on)),
            "split": split,
            "train": own.train.model_copy(update={"class_weights": "none"}),
            "harmonise": [],
        }
    )


def _trained_on(run: Run, voice: Voice) -> tuple[Case, ...]:
    """Return the cases the network(s) learned or were selected from; none, and a word about it, if they have moved."""
    try:
        own = build_cohort(run.study)
        folds = [read_split(member / "split.csv") for member in run.members]
    except CohortError as error:
        voice.say(f"it cannot be checked whether this cohort was trained on: {error}")
        return ()
    return own.only([case_id for fold in folds for case_id in (*fold.train, *fold.validation)])


def refuse_seen(trained: Sequence[Case], external: Cohort, workers: int) -> None:
    """Refuse an external cohort that holds an image that the network has seen, in whatever guise."""
    own = [replace(case, id=f"run {case.id}") for case in trained]
    new = [replace(case, id=f"new {case.id}") for case in external]
    report = find_duplicates(replace(external, cases=(*own, *new)), workers)
    again = [
        case_id.removeprefix("new ")
        for group in report.tied
        if any(member.startswith("run ") for member in group)
        for case_id in group
        if case_id.startswith("new ")
    ]
    if again:
        raise LeakageError(
            f"{len(again)} cases of the external cohort were trained on, as they are or mirrored, turned, resized or encoded "
            f"again ({few(again)}). "
            "An external cohort must be new to the network."
        )


def _refuse_other_times(run: Run, prepared: Mapping[str, PreparedCase]) -> None:
    """Refuse an external cohort whose series have another repetition time than those of the training."""
    trained = run.recipes[0].repetition_time
    times = {case_id: case.image.repetition_time for case_id, case in prepared.items()}
    others = [f"{case_id} ({time:g} s)" for case_id, time in times.items() if time and other_time(trained, time)]
    if others:
        raise CohortError(
            f"The network was trained on volumes {trained:g} s apart, but {len(others)} series of the external cohort have "
            f"another repetition time: {few(others)}. A study whose 'prepare' has the step 'resample_time' takes any."
        )


def _refuse_other_answers(run: Run, external: Cohort) -> None:
    task = run.task
    if isinstance(task, ClassifyTask) and not set(external.classes) <= set(task.classes):
        unknown = sorted(set(external.classes) - set(task.classes))
        raise CohortError(
            f"The external cohort has classes the network never learned: {unknown}. It knows {list(task.classes)}."
        )
    if isinstance(task, SegmentTask) and dict(external.labels) != dict(task.labels):
        raise CohortError(
            f"The external cohort's labels are {dict(external.labels)}, the network's are {dict(task.labels)}."
        )
    if isinstance(task, SegmentTask) and external.ignore not in (None, task.ignore):
        raise CohortError(
            f"The external cohort ignores the label value {external.ignore}, but the run "
            f"{'ignores none' if task.ignore is None else f'ignores {task.ignore}'}: its figures would not be comparable."
        )
