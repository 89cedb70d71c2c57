"""From which probability a run says the second of two classes: as the study wants it chosen on the validation cases."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from voxtempo.assess import HALF, sensitivity_threshold, specificity_threshold, youden_threshold
from voxtempo.cohort import Study, ValidationView, fitted_on
from voxtempo.inference import Judged, Run
from voxtempo.inference.decisions import THRESHOLD, threshold_in
from voxtempo.inference.figures import judged_units
from voxtempo.inference.judged import refuse_rows_of_others
from voxtempo.learning.tasks import ClassifyTask, LearningTask
from voxtempo.workflow.records import write_json
from voxtempo.workflow.voice import Voice

ENOUGH = 5
"""Validation subjects of each class, fewer than which choose no threshold."""


@fitted_on(ValidationView, "validation")
def settle_threshold(
    out: Path, study: Study, validation: ValidationView, judged: Judged, task: LearningTask, voice: Voice
) -> None:
    """Choose the threshold of a run and write it, where the study wants one.

    Parameters
    ----------
    out : run folder. What its ``threshold.json`` says is not chosen again.
    study : complete.
    validation : the only cases that a threshold is chosen on.
    judged : what the run says of them.
    task : with two classes.
    voice : told what was chosen.
    """
    wanted = study.evaluate.threshold
    if wanted == "none" or not isinstance(task, ClassifyTask):
        return
    if not (out / THRESHOLD).is_file():
        refuse_rows_of_others(validation, judged)
        record = _chosen(study, judged, task)
        write_json(out / THRESHOLD, record)
        voice.say(f"threshold: '{record['positive']}' from {record['threshold']:.3g} on ({record['rule']})")


def _chosen(study: Study, judged: Judged, task: ClassifyTask) -> dict[str, Any]:
    people = Counter(truth for truth, _ in {(str(row["truth"]), row["group"]) for row in judged.rows})
    record: dict[str, Any] = {
        "positive": task.classes[1],
        "threshold": HALF,
        "rule": f"fewer than {ENOUGH} validation subjects of a class, so one half",
        "chosen_on": "validation",
        "subjects": len({row["group"] for row in judged.rows}),
    }
    if min(people[name] for name in task.classes) < ENOUGH:
        return record
    answers, truth, _ = judged_units(judged.rows, task, study.evaluate.by)
    scores, positive = answers[:, 1], np.array([str(value) == task.classes[1] for value in truth])
    if np.isnan(scores).all():
        return record | {"rule": "every validation case failed, so one half"}
    wanted = study.evaluate.threshold
    if isinstance(wanted, dict):
        name, target = next(iter(wanted.items()))
        choose = sensitivity_threshold if name == "sensitivity" else specificity_threshold
        return record | {"threshold": choose(scores, positive, target), "rule": f"{name} of {target:g} or more"}
    return record | {"threshold": youden_threshold(scores, positive), "rule": "largest sensitivity + specificity"}


def join_threshold(run: Run) -> None:
    """Write the mean of the folds' thresholds into the run's folder."""
    if run.study.evaluate.threshold == "none" or not isinstance(run.task, ClassifyTask):
        return
    chosen = [each for each in map(threshold_in, run.members) if each is not None]
    record = {
        "positive": run.task.classes[1],
        "threshold": float(np.mean(chosen or [HALF])),
        "rule": f"mean of the thresholds of {len(chosen)} folds",
    }
    write_json(run.folder / THRESHOLD, record)
