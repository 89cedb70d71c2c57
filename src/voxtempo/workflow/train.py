"""From a study to a finished run folder: prepare, fit, judge, write, report."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from voxtempo.cohort import Fold, Study, label_volumes, shout, summarise, write_split
from voxtempo.inference import Network, Predictor, Run
from voxtempo.inference.run import POOLING
from voxtempo.learning import backend
from voxtempo.learning.train import Trained, train_fold
from voxtempo.learning.weights import write_weights
from voxtempo.networks.keras_seam import choose_backend
from voxtempo.networks.local_weights import refuse_unusable
from voxtempo.planning import explain
from voxtempo.prepare import build_steps, file_hashes, step_records
from voxtempo.report import write_report
from voxtempo.scans import content_hash
from voxtempo.workflow.confounds import write_motion
from voxtempo.workflow.continuing import continued, leaks_are_known, plan_lines, write_plan
from voxtempo.workflow.failures import told
from voxtempo.workflow.harmonising import harmonise, lens_in
from voxtempo.workflow.holding import held
from voxtempo.workflow.judging import judge_folds, judge_run
from voxtempo.workflow.looks import record_look
from voxtempo.workflow.records import (
    claim_folder,
    library_versions,
    manifest,
    peak_memory_mb,
    refuse_foreign,
    write_csv,
    write_json,
    write_text,
)
from voxtempo.workflow.setup import Setup, prepare, set_up, whole_fold
from voxtempo.workflow.tuning import choose_values, read_choice, with_choice
from voxtempo.workflow.voice import Voice
from voxtempo.workflow.watching import watch_of


def train_study(
    study: Study,
    out: Path,
    fold: int | str | None = None,
    *,
    cache: Path | None = None,
    workers: int = 2,
    voice: Voice | None = None,
    known_leaks: bool = False,
) -> Run:
    """Train a study and return its finished run. A run that was interrupted goes on where it stopped.

    Parameters
    ----------
    study : from ``load_study``.
    out : run folder; made if it does not exist.
    fold : number of the fold, "all", or None for fold 0.
    cache : folder of prepared cases.
    workers : processes that prepare.
    voice : progress.
    known_leaks : whether the split may leak, to show what that does; the run says so everywhere, and remembers it.

    Raises
    ------
    VoxTempoError : what is wrong with the study, the data or the folder; another process writes into the folder.
    Interrupted : asked to stop; the same call continues.
    """
    voice = voice or Voice()
    refuse_foreign(out)
    with held(out):
        choose_backend()
        setup = set_up(continued(study, out), workers, voice, known_leaks=known_leaks or leaks_are_known(out))
        if setup.leaks is not None:
            voice.say(shout(setup.leaks))
        for line in explain(setup.plan):
            voice.say(line)
        voice.warn(setup.problems)
        if fold == "all":
            train_all_folds(setup, out, cache, workers, voice, study)
        else:
            if fold is None and len(setup.folds) > 1:
                voice.say(f"fold: 0 of {len(setup.folds)} (--fold K chooses another, --fold all runs all)")
            train_one_fold(setup, out, int(fold or 0), cache, workers, voice, study)
    return Run(out)


def train_one_fold(
    setup: Setup,
    out: Path,
    index: int,
    cache: Path | None = None,
    workers: int = 2,
    voice: Voice | None = None,
    asked: Study | None = None,
) -> None:
    """Train one fold into a run folder; ``asked`` is the study as its file says it, for values that are tuned."""
    voice = voice or Voice()
    fold, asked = setup.fold(index), asked or setup.study
    setup = with_choice(setup, out, asked)
    if claim_folder(out, setup.study, f"fold {index}"):
        _say_finished(out, voice)
        return
    if setup.study.network.name is not None and not (out / "checkpoints").is_dir():
        refuse_unusable(setup.study.network.options)
    clock = time.monotonic()
    prepared = prepare(setup, cache, workers, lambda done, total: voice.bar("prepare", done, total, ""))
    seconds = {"prepare": time.monotonic() - clock}
    if setup.study.tune is not None and read_choice(out, asked) is None:
        sides = setup.sides(fold)
        with told(setup.study):
            choose_values(setup, fold, sides.training, sides.validation, prepared, out, asked, voice)
        setup = with_choice(setup, out, asked)
        claim_folder(out, setup.study, f"fold {index}")
    _write_beginning(out, setup, fold)
    write_motion(out / "motion", prepared)
    seen = harmonise(setup, setup.sides(fold), prepared, out, voice)
    places = [out, *(out / f"network-{number}" for number in range(1, setup.study.train.networks))]
    trained = []
    for number, place in enumerate(places):
        if len(places) > 1:
            voice.say(f"network {number + 1} of {len(places)}")
        with told(setup.study):
            study = _from_seed(setup.study, number)
            watch = watch_of(setup.study, place, voice)
            trained.append(train_fold(study, setup.cohort, setup.sides(fold), seen, place / "checkpoints", watch))
    seconds["train"] = sum(each.progress.seconds for each in trained)
    for each, place in reversed(list(zip(trained, places, strict=True))):
        _write_network(place, each)
    clock = time.monotonic()
    lens = lens_in(out)
    predictor = Predictor([Network(each.model, each.recipe, each.pooling, lens) for each in trained], setup.study)
    judge_run(out, setup, fold, prepared, predictor, voice)
    record_look(out, "train", setup.cohort, fold.test)
    seconds["evaluate"] = time.monotonic() - clock
    write_json(out / "manifest.json", _manifest(setup, fold, trained[0], plan_lines(out), seconds))
    write_report(out)


def _from_seed(study: Study, number: int) -> Study:
    """Return the study of one network among several: each has a seed of its own."""
    return study.model_copy(update={"train": study.train.model_copy(update={"seed": study.train.seed + number})})


def _write_network(folder: Path, trained: Trained) -> None:
    """Write a network, how its windows are weighed, and how its training went."""
    write_text(folder / "network.json", trained.recipe.dumps())
    write_csv(folder / "history.csv", trained.progress.history)
    if trained.pooling is not None:
        trained.pooling.save(folder / POOLING)
    write_weights(trained.model, folder / "weights.safetensors")


def train_all_folds(
    setup: Setup,
    out: Path,
    cache: Path | None = None,
    workers: int = 2,
    voice: Voice | None = None,
    asked: Study | None = None,
) -> None:
    """Train every fold into ``fold-K`` folders and judge them together.

    With a fixed test set the folds' networks answer together on it; without one every case was the test once, and those
    answers are pooled.
    """
    voice = voice or Voice()
    if claim_folder(out, setup.study, "all folds"):
        _say_finished(out, voice)
        return
    whole = whole_fold(setup)
    _write_beginning(out, setup, whole)
    for fold in setup.folds:
        voice.say(f"fold {fold.index}: {fold.name}")
        with held(out / f"fold-{fold.index}"):
            train_one_fold(setup, out / f"fold-{fold.index}", fold.index, cache, workers, voice, asked)
    clock = time.monotonic()
    prepared = prepare(setup, cache, workers)
    write_motion(out / "motion", prepared)
    run = Run(out)
    judge_folds(run, setup, whole, prepared, voice)
    record_look(out, "train", setup.cohort, whole.test)
    histories = [_read_manifest(member) for member in run.members]
    seconds = {key: sum(h["seconds"][key] for h in histories) for key in ("prepare", "train")}
    seconds["evaluate"] = sum(h["seconds"]["evaluate"] for h in histories) + time.monotonic() - clock
    record = manifest(
        setup.study,
        {"index": "all", "name": f"all {len(setup.folds)} folds"},
        plan_lines(out),
        backend=histories[0]["backend"],
        versions=histories[0]["versions"],
        network=histories[0]["network"],
        inputs=histories[0]["inputs"],
        seconds=seconds,
        peak_memory_mb=max(h["peak_memory_mb"] or 0 for h in histories),
        **setup.leak_record(whole),
    )
    write_json(out / "manifest.json", record)
    write_report(out)


def _say_finished(out: Path, voice: Voice) -> None:
    voice.say(f"{out}: already finished")
    if not (out / "report.html").is_file():
        write_report(out)


def _write_beginning(out: Path, setup: Setup, fold: Fold) -> None:
    """Write what is known before training."""
    write_plan(out, setup.plan)
    write_split(out / "split.csv", setup.cohort, fold)
    volumes = label_volumes(setup.cohort, setup.geometry)
    summary = summarise(setup.cohort, fold, setup.problems, volumes)
    write_json(out / "cohort.json", {**summary, **setup.leak_record(fold)})
    steps = build_steps(setup.study.prepare or [])
    write_json(out / "prepare.json", {"steps": step_records(steps), "files": file_hashes(steps)})


def _manifest(
    setup: Setup, fold: Fold, trained: Trained, plan: Sequence[str], seconds: Mapping[str, float]
) -> dict[str, Any]:
    progress = trained.progress
    files = sorted(
        {path for case in setup.cohort for path in (*case.scans.values(), *([case.mask] if case.mask else []))}
    )
    weights = trained.recipe.options.get("weights")
    if isinstance(weights, str) and Path(weights).is_file():
        files.append(Path(weights))
    versions = backend.versions()
    return manifest(
        setup.study,
        {"index": fold.index, "name": fold.name},
        plan,
        backend=next(name for name in versions if name != "keras"),
        versions={**versions, **library_versions()},
        accelerator=backend.accelerator(),
        network={"name": trained.recipe.name, "parameters": int(trained.model.count_params())},
        inputs={str(path): content_hash(path) for path in files},
        seconds={key: round(value, 1) for key, value in seconds.items()},
        epochs={"done": progress.epoch, "best": progress.best_epoch},
        peak_memory_mb=peak_memory_mb(),
        **setup.leak_record(fold),
    )


def _read_manifest(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "manifest.json").read_text(encoding="utf-8")))
