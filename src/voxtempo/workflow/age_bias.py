"""The pull of a regression towards the mean, as the validation cases show it: a line for the corrected gap."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from voxtempo.assess import fit_age_bias
from voxtempo.cohort import Study, ValidationView, fitted_on
from voxtempo.errors import VoxTempoError
from voxtempo.inference import Judged, Run
from voxtempo.inference.decisions import AGE_BIAS, age_bias_in
from voxtempo.inference.figures import judged_units
from voxtempo.inference.judged import refuse_rows_of_others
from voxtempo.learning.tasks import LearningTask, RegressTask
from voxtempo.workflow.records import write_json
from voxtempo.workflow.voice import Voice

ENOUGH = 10
"""Validation subjects, fewer than which show no line."""


@fitted_on(ValidationView, "validation")
def settle_age_bias(
    out: Path, study: Study, validation: ValidationView, judged: Judged, task: LearningTask, voice: Voice
) -> None:
    """Fit the line of a run's age bias and write it, unless the study wants none.

    It is fitted on validation and not on training cases: those the network has learned by heart, and shows little bias on.

    Parameters
    ----------
    out : run folder. What its ``age_bias.json`` says is not fitted again.
    study : complete.
    validation : the only cases that the line is fitted on.
    judged : what the run says of them.
    task : of the run; other tasks than regression have no line.
    voice : told what was found.
    """
    if not study.evaluate.bias_correction or not isinstance(task, RegressTask):
        return
    if not (out / AGE_BIAS).is_file():
        refuse_rows_of_others(validation, judged)
        record = _fitted(judged, task, study.evaluate.by)
        write_json(out / AGE_BIAS, record)
        line = "none" if record["slope"] is None else f"{record['intercept']:.3g} + {record['slope']:.3g} x true"
        voice.say(f"bias: {line} ({record['rule']})")


def _fitted(judged: Judged, task: RegressTask, by: str) -> dict[str, Any]:
    subjects = len({row["group"] for row in judged.rows})
    record: dict[str, Any] = {"intercept": None, "slope": None, "fitted_on": "validation", "subjects": subjects}
    if subjects < ENOUGH:
        return record | {"rule": f"fewer than {ENOUGH} validation subjects"}
    answers, truth, _ = judged_units(judged.rows, task, by)
    try:
        line = fit_age_bias(answers[:, 0], np.asarray(truth, dtype=np.float64))
    except VoxTempoError as error:
        return record | {"rule": str(error)}
    return record | line.as_json() | {"rule": "least squares, predicted over true"}


def join_age_bias(run: Run) -> None:
    """Write the mean of the folds' lines, of those that have one, into the run's folder."""
    if not run.study.evaluate.bias_correction or not isinstance(run.task, RegressTask):
        return
    lines = [line for line in map(age_bias_in, run.members) if line is not None]
    record = {
        "intercept": float(np.mean([line.intercept for line in lines])) if lines else None,
        "slope": float(np.mean([line.slope for line in lines])) if lines else None,
        "rule": f"mean of the lines of {len(lines)} folds",
    }
    write_json(run.folder / AGE_BIAS, record)
