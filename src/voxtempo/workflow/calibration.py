"""Whether a run's probabilities are calibrated, and how: as the study says, fitted on the validation cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from voxtempo.cohort import Study, ValidationView, fitted_on
from voxtempo.inference import Judged, Predictor
from voxtempo.inference.calibration import CALIBRATION, NEUTRAL, calibration_in, fit_calibration, subject_weights
from voxtempo.inference.judged import refuse_rows_of_others
from voxtempo.learning.cases import case_of
from voxtempo.learning.tasks import ClassifyTask
from voxtempo.workflow.records import write_json
from voxtempo.workflow.voice import Voice

ENOUGH = 10
"""Validation subjects, fewer than which calibrate nothing."""


@fitted_on(ValidationView, "validation")
def settle_calibration(
    out: Path, study: Study, validation: ValidationView, judged: Judged, predictor: Predictor, voice: Voice
) -> Predictor:
    """Return the predictor with the calibration of its run; the first time it is fitted and written.

    Parameters
    ----------
    out : run folder. What its ``calibration.json`` says is not fitted again.
    study : complete.
    validation : the only cases that it is fitted on.
    judged : what the networks of the fold say of them, uncalibrated.
    predictor : those networks.
    voice : told what was fitted.
    """
    task, method = predictor.task, study.evaluate.calibrate
    if method == "none" or not isinstance(task, ClassifyTask):
        return predictor
    if not (out / CALIBRATION).is_file():
        refuse_rows_of_others(validation, judged)
        record = _fitted(method, validation, judged, task)
        write_json(out / CALIBRATION, record)
        change = ""
        if record["method"] != "none":
            change = f"log-loss {record['log_loss_before']:.3f}, then {record['log_loss_after']:.3f}; "
        voice.say(f"calibration: {record['method']} ({change}{record['rule']}; {record['subjects']} subjects)")
    found = calibration_in(out) or NEUTRAL
    return predictor.with_calibrations([found] * len(predictor.networks))


def _fitted(method: Any, validation: ValidationView, judged: Judged, task: ClassifyTask) -> dict[str, Any]:
    kept = judged.only(place for place, row in enumerate(judged.rows) if row["status"] == "ok")
    groups = [row["group"] for row in kept.rows]
    record = {"method": "none", "fitted_on": "validation", "subjects": len(set(groups)), "cases": len(groups)}
    if len(set(groups)) < ENOUGH:
        return record | {"rule": f"fewer than {ENOUGH} validation subjects"}
    codes = np.array([task.classes.index(str(row["truth"])) for row in kept.rows])
    if len(np.unique(codes)) < 2:
        return record | {"rule": "the validation cases are all of one class"}
    before = np.array([said.mean(axis=(0, 1)) for said in kept.said], np.float64)
    cases = [case_of(row["id"], validation) for row in kept.rows]
    found = fit_calibration(validation, method, before, codes, cases, groups)

    def loss(probabilities: Any) -> float:
        own = np.clip(np.asarray(probabilities)[np.arange(len(codes)), codes], 1e-7, 1)
        return float(-(subject_weights(groups) @ np.log(own)))

    fits = {"log_loss_before": loss(before), "log_loss_after": loss(found.apply(before))}
    return record | found.as_json() | fits | {"rule": "as the study says, every subject weighing the same"}
