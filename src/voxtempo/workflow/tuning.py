"""Values chosen inside the training cases of a fold: each candidate is trained and judged on inner folds.

Inner folds divide what is the training and validation of the outer fold, so the outer test has no part in the choice, and its
figures are those of the whole procedure (nested cross-validation: Varma and Simon 2006, BMC Bioinformatics 7:91). Each inner
fold has three sides of its own: train, validation (epochs), and the inner test, whose figure decides.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from voxtempo.cohort import (
    Cohort,
    Fold,
    Study,
    TrainingView,
    ValidationView,
    dump_study,
    fitted_on,
    make_folds,
    refuse_errors,
    with_values,
)
from voxtempo.errors import RunError, StudyError
from voxtempo.inference import Network, Predictor, judge
from voxtempo.inference.figures import metrics_of
from voxtempo.learning.choices import check_fit
from voxtempo.learning.fit import Watch
from voxtempo.learning.train import train_fold
from voxtempo.metrics import criterion_of, higher_is_better, path_to
from voxtempo.planning import plan_study
from voxtempo.prepare import PreparedCase
from voxtempo.workflow.candidates import Values, candidates
from voxtempo.workflow.continuing import continued
from voxtempo.workflow.harmonising import harmonise, lens_in
from voxtempo.workflow.records import digest, write_json, write_text
from voxtempo.workflow.setup import Setup
from voxtempo.workflow.voice import Voice

TUNING, TRIALS = "tuning.json", "tuning"


def inner_folds(study: Study, cohort: Cohort, training: TrainingView, validation: ValidationView) -> tuple[Fold, ...]:
    """Return the inner folds of an outer one: all its cases but those of the test, divided as the study divides.

    With ``split.column`` each value that is left is held out once, as the outer folds do; with ``split.only`` too, which tests
    on some values and not on others, the cases are divided by subject.
    """
    assert study.tune is not None
    pool = replace(cohort, cases=cohort.only([case.id for view in (training, validation) for case in view]))
    column = study.split.column if study.split.only is None else None
    folds = None if column else study.tune.folds
    split = study.split.model_copy(update={"test": None, "column": column, "only": None, "folds": folds})
    return make_folds(pool, split)


def with_choice(setup: Setup, out: Path, asked: Study) -> Setup:
    """Return the setup with the values that this run has chosen, if it has, and what follows from them planned anew.

    Parameters
    ----------
    setup : of the study.
    out : run folder of one fold.
    asked : the study as its file says it: what it leaves open is planned for the chosen values.
    """
    chosen = read_choice(out, asked)
    if chosen is None or setup.study.tune is None:
        return setup
    return _planned(setup, continued(with_values(_base(setup, asked), chosen["chosen"]), out))


def read_choice(out: Path, asked: Study) -> dict[str, Any] | None:
    """Return what a run has chosen and why; None if it has not, or if that was for another study than ``asked``.

    Raises
    ------
    RunError : the record is damaged.
    """
    path = out / TUNING
    if not path.is_file():
        return None
    try:
        record = dict(json.loads(path.read_text(encoding="utf-8")))
        made_for = record.get("asked")
        return {**record, "chosen": dict(record["chosen"])} if made_for in (None, digest(dump_study(asked))) else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is damaged: {error}. Delete it, and the values are chosen again.") from None


@fitted_on(ValidationView, "validation")
@fitted_on(TrainingView, "training")
def choose_values(
    setup: Setup,
    fold: Fold,
    training: TrainingView,
    validation: ValidationView,
    prepared: Mapping[str, PreparedCase],
    out: Path,
    asked: Study,
    voice: Voice,
) -> None:
    """Train every candidate on every inner fold and write what came of it, and which is the best, into the run folder.

    What is finished is not done again after an interruption. Of candidates that are equally good the first is taken.

    Parameters
    ----------
    setup, fold : the study and its outer fold.
    training, validation : its sides, which the inner folds divide.
    prepared : by id.
    out : run folder.
    asked : the study as its file says it.
    voice : progress.

    Raises
    ------
    StudyError : a candidate cannot be trained, or the metric is defined on no inner fold.
    """
    tune = setup.study.tune
    assert tune is not None
    metric = tune.metric or criterion_of(setup.study.task)
    tried, folds = (
        candidates(tune, setup.study.split.seed),
        inner_folds(setup.study, setup.cohort, training, validation),
    )
    setups = [_planned(setup, with_values(_base(setup, asked), values)) for values in tried]
    for own in setups:
        refuse_errors(check_fit(own.study, own.cohort, own.geometry))
    scores: list[list[float | None]] = []
    for number, (values, own) in enumerate(zip(tried, setups, strict=True)):
        scores.append([])
        for inner in folds:
            place = out / TRIALS / digest([_alone(own.study), metric, inner.train, inner.validation, inner.test])
            voice.say(f"tune: {_told(values)} ({number + 1} of {len(tried)}), inner {inner.name} of {len(folds)}")
            scores[-1].append(_score(own, inner, prepared, place, metric, voice))
    judged = comparable(scores, metric)
    rows: list[dict[str, Any]] = [
        {"values": values, "scores": own, "mean": float(np.mean(same)), "deviation": _spread(same)}
        for values, own, same in zip(tried, scores, judged, strict=True)
    ]
    sign = 1.0 if higher_is_better(metric) else -1.0
    best = max(range(len(rows)), key=lambda place: (sign * rows[place]["mean"], -place))
    counted = f"{len(judged[0])} of {len(folds)}" if len(judged[0]) < len(folds) else str(len(folds))
    voice.say(f"tune: {_told(tried[best])} chosen by {metric} {rows[best]['mean']:.4g} over {counted} inner folds")
    record = {
        "fold": fold.index, "metric": metric, "inner_folds": len(folds), "tried": rows, "chosen": tried[best],
        "asked": digest(dump_study(asked)),
    }  # fmt: skip
    write_json(out / TUNING, record)
    shutil.rmtree(out / TRIALS, ignore_errors=True)


def _alone(study: Study) -> str:
    """Return a candidate's study, whatever else was tried."""
    return dump_study(study.model_copy(update={"tune": None}))


def _base(setup: Setup, asked: Study) -> Study:
    """Return the study with sample and preparation as planned, and the rest that tuning may change as the file says it."""
    return setup.study.model_copy(update={"network": asked.network, "train": asked.train, "augment": asked.augment})


def _planned(setup: Setup, study: Study) -> Setup:
    return replace(setup, plan=plan_study(study, setup.cohort, setup.geometry, setup.plan.fingerprint))


def comparable(scores: Sequence[Sequence[float | None]], metric: str) -> list[list[float]]:
    """Return the figures of each candidate on the inner folds that tell candidates apart.

    An inner fold on which the figure is defined for none is left out (a test of one class has no AUC). Where it is defined for
    others only (a candidate that always says the same has no correlation), a candidate gets the worst of theirs.

    >>> comparable([[0.8, None, 0.6], [0.7, None, None]], "correlation")
    [[0.8, 0.6], [0.7, 0.6]]

    Raises
    ------
    StudyError : it is defined nowhere.
    """
    worst = min if higher_is_better(metric) else max
    known = [[score for score in fold if score is not None] for fold in zip(*scores, strict=True)]
    if not any(known):
        raise StudyError(
            f"tune.metric: {metric} is defined on none of the {len(known)} inner folds, so nothing can be chosen by it. "
            "Take fewer inner folds (tune.folds), or another metric."
        )
    return [
        [worst(others) if score is None else score for score, others in zip(own, known, strict=True) if others]
        for own in scores
    ]


def _score(
    setup: Setup, inner: Fold, prepared: Mapping[str, PreparedCase], place: Path, metric: str, voice: Voice
) -> float | None:
    """Return the figure of one candidate on the test of one inner fold, None where it has none; what is finished is read."""
    done = place / "score.json"
    if done.is_file():
        score = json.loads(done.read_text(encoding="utf-8"))[metric]
        return None if score is None else float(score)
    study, sides = setup.study, setup.sides(inner)
    watch = Watch(step=lambda at, total, loss: voice.bar("tune", at, total, f"loss {loss:.4f}"))
    seen = harmonise(setup, sides, prepared, place, voice)
    trained = train_fold(study, setup.cohort, sides, seen, place / "checkpoints", watch)
    predictor = Predictor([Network(trained.model, trained.recipe, trained.pooling, lens_in(place))], study)
    judged = judge(predictor, sides.test.cases, prepared, "test")
    figures = metrics_of(judged, trained.recipe.learning_task, study, study.evaluate.by)
    figure: Any = figures
    for key in path_to(metric, study.task):
        figure = figure[key]
    score = None if figure.value is None else float(figure.value)
    write_text(done, json.dumps({metric: score}))
    shutil.rmtree(place / "checkpoints", ignore_errors=True)
    return score


def _spread(scores: list[float]) -> float | None:
    return float(np.std(scores, ddof=1)) if len(scores) > 1 else None


def _told(values: Values) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())
