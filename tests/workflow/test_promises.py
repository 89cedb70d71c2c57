"""What a run settles on its validation cases about certainty: refused where it cannot be, fitted once, joined over folds."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest

from voxtempo.cohort import Case, Cohort, Fold, Study, sides_of
from voxtempo.errors import LeakageError
from voxtempo.inference import Judged
from voxtempo.inference.judge import answer_columns
from voxtempo.inference.promise import promise_in
from voxtempo.learning.tasks import ClassifyTask
from voxtempo.workflow.calibration import ENOUGH, settle_calibration
from voxtempo.workflow.promise import check_certainty, join_promise, settle_promise
from voxtempo.workflow.voice import Voice

CLASSES = ClassifyTask(("a", "b"))
COUNT = 40
CASES = tuple(Case(f"c{i}", f"p{i // 2}", {}, group=f"p{i // 2}") for i in range(COUNT))
IDS = tuple(case.id for case in CASES)
VIEW = sides_of(Cohort(CASES), Fold(0, "fold 0", (), IDS, ())).validation


def asked(task: str = "classify", train=None, network=None, **evaluate) -> Study:
    target = {"mask": "m", "labels": {1: "x"}} if task == "segment" else {"column": "y"}
    return Study.model_validate(
        {
            "name": "s", "task": task, "cohort": {"table": "t", "scans": {"a": "a"}, "target": target},
            "evaluate": {"mirror": "none", **evaluate}, "train": {"dropout": 0.0, **(train or {})},
            "network": network or {"name": "resnet3d"},
        }
    )  # fmt: skip


def complaints(study: Study, subjects: int = 20) -> list[str]:
    fold = Fold(0, "fold 0", (), IDS[: 2 * subjects], ())
    return [f"{problem.where}: {problem.message}" for problem in check_certainty(study, Cohort(CASES), [fold])]


@pytest.mark.parametrize(
    ("study", "subjects", "message"),
    [
        (asked(coverage=0.9), 8, "needs 9 validation subjects, and there are 8.*to 0.88 or less"),
        (asked(coverage=0.95), 18, "needs 19 validation subjects, and there are 18"),
        (asked("regress", calibrate="temperature"), 20, "evaluate.calibrate: .*the task is regress"),
        (asked(conformity="absolute"), 20, "'absolute' is no score for the task classify: it has lac, aps, raps"),
        (asked("segment", conformity="lac"), 20, "'lac' is no score for the task segment: it has none to choose"),
        (asked("regress", conformity="normalised"), 20, "one answer has none.*evaluate.samples"),
        (asked(samples=5), 20, "'resnet3d' is trained without. Set 'train.dropout'"),
    ],
)
def test_what_cannot_be_had_is_refused_before_training(study, subjects, message):
    (found,) = complaints(study, subjects)
    assert re.search(message, found), found


@pytest.mark.parametrize(
    ("study", "subjects"),
    [
        (asked(), 1),
        (asked(coverage=0.9, calibrate="vector", conformity="raps"), 9),
        (asked("regress", coverage=0.5, conformity="normalised", samples=3, train={"dropout": 0.1}), 1),
        (asked("regress", conformity="normalised", train={"networks": 2}), 20),
        (asked(samples=5, network={"name": "vit_gru"}), 20),
        (asked(samples=5, network={"name": "cnn_transformer", "drop_path": 0.1}), 20),
        (asked(samples=5, network={"python": "own.py:build"}), 20),
    ],
)
def test_what_can_be_had_is_not(study, subjects):
    assert complaints(study, subjects) == []


def judged(seed: int = 0, count: int = COUNT) -> Judged:
    """Return what an overconfident network says of some cases."""
    rng = np.random.default_rng(seed)
    rows, said = [], []
    for case in CASES[:count]:
        logit = rng.normal(0, 1)
        truth = CLASSES.classes[int(rng.random() < 1 / (1 + np.exp(-logit)))]
        p = 1 / (1 + np.exp(-3 * logit))
        said.append(np.array([[[1 - p, p]]], np.float32))
        row = {"id": case.id, "subject": case.subject, "group": case.group, "truth": truth, "status": "ok"}
        rows.append(row | answer_columns(CLASSES, said[-1][0, 0]))
    return Judged(tuple(rows), said=tuple(said))


class Networks(SimpleNamespace):
    """All that settling asks of a predictor."""

    def with_calibrations(self, calibrations):
        return Networks(**{**vars(self), "calibrations": calibrations})


PREDICTOR = Networks(task=CLASSES, networks=(0, 1), calibrations=())


def test_a_map_is_fitted_once_and_given_to_every_network(tmp_path):
    said: list[str] = []
    study = asked(calibrate="temperature")
    voice = SimpleNamespace(say=said.append)
    made = settle_calibration(tmp_path, study, VIEW, judged(), PREDICTOR, voice)
    assert len(made.calibrations) == 2
    assert made.calibrations[0].values["temperature"] > 1.5
    record = json.loads((tmp_path / "calibration.json").read_text(encoding="utf-8"))
    assert record["log_loss_after"] < record["log_loss_before"]
    assert (record["subjects"], record["cases"]) == (COUNT // 2, COUNT)
    again = settle_calibration(tmp_path, study, VIEW, judged(1), PREDICTOR, voice)
    assert again.calibrations == made.calibrations
    assert len(said) == 1
    assert settle_calibration(tmp_path / "no", asked(), VIEW, judged(), PREDICTOR, voice) is PREDICTOR


def test_few_subjects_or_one_class_calibrate_nothing(tmp_path):
    study = asked(calibrate="isotonic")
    few = judged(count=2 * ENOUGH - 2)
    one = judged().with_rows(row | {"truth": "a"} for row in judged().rows)
    for place, (each, rule) in enumerate([(few, "fewer than"), (one, "one class")]):
        folder = tmp_path / str(place)
        folder.mkdir()
        made = settle_calibration(folder, study, VIEW, each, PREDICTOR, Voice())
        assert made.calibrations[0].neutral
        assert rule in json.loads((folder / "calibration.json").read_text(encoding="utf-8"))["rule"]


def test_cases_of_another_side_fit_nothing(tmp_path):
    part = sides_of(Cohort(CASES), Fold(0, "fold 0", IDS[:2], IDS[2:], ())).validation
    with pytest.raises(LeakageError):
        settle_calibration(tmp_path, asked(calibrate="vector"), part, judged(), PREDICTOR, Voice())
    with pytest.raises(LeakageError):
        settle_promise(tmp_path, asked(coverage=0.8), part, judged(), None, CLASSES, Voice())
    assert not list(tmp_path.iterdir())


def test_what_all_folds_say_together_gets_the_median_of_their_promises(tmp_path):
    study, folders = asked(coverage=0.8, conformity="aps"), []
    for number in range(3):
        folders.append(tmp_path / f"fold-{number}")
        folders[-1].mkdir()
        settle_promise(folders[-1], study, VIEW, judged(number), None, CLASSES, Voice())
    single = [promise_in(folder) for folder in folders]
    joined = join_promise(SimpleNamespace(folder=tmp_path, members=folders, study=study))
    assert joined.quantile == pytest.approx(np.median([each.quantile for each in single]))
    assert (joined.coverage, joined.conformity) == (0.8, "aps")
    assert promise_in(tmp_path).quantile == pytest.approx(joined.quantile)
    assert join_promise(SimpleNamespace(folder=tmp_path, members=folders, study=asked())) is None
