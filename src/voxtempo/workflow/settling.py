"""What a run settles on its validation cases before it judges: each choice is made once, written down, and kept.

In this order, each on what those before it leave: mirror images, operations on label maps, calibration, threshold, line of age
bias, and what is promised of new cases. A run that is judged again reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from voxtempo.cohort import Fold
from voxtempo.inference import Judged, Predictor, judge
from voxtempo.inference.judge import told_again
from voxtempo.inference.outer_masks import Misses
from voxtempo.inference.promise import CONFORMAL
from voxtempo.learning.tasks import SegmentTask
from voxtempo.prepare import PreparedCase
from voxtempo.workflow.age_bias import settle_age_bias
from voxtempo.workflow.calibration import settle_calibration
from voxtempo.workflow.mirror import settle_mirror
from voxtempo.workflow.pairs import ValidationMaps
from voxtempo.workflow.postprocess import settle_postprocess
from voxtempo.workflow.promise import settle_promise
from voxtempo.workflow.setup import Setup
from voxtempo.workflow.threshold import settle_threshold
from voxtempo.workflow.voice import Voice


def settle(
    out: Path, setup: Setup, fold: Fold, prepared: Mapping[str, PreparedCase], predictor: Predictor, voice: Voice
) -> tuple[Predictor, Judged]:
    """Return the predictor with all that its run has settled, and what it says of the validation cases, not yet ``decided``.

    The networks are asked about each validation case once for the judgement; classes are calibrated from what was said then.

    Parameters
    ----------
    out : run folder.
    setup, fold : study, cohort, and the fold's validation cases.
    prepared : by id.
    predictor : the run's network(s).
    voice : told what is chosen.
    """
    sides, study, task = setup.sides(fold), setup.study, predictor.task
    validation = sides.validation
    maps = ValidationMaps(validation, prepared)
    predictor = settle_mirror(out, study, setup.cohort, maps, predictor, voice)
    predictor = settle_postprocess(out, study, sides.training, maps, predictor, voice)
    wanted = study.evaluate.coverage is not None and not (out / CONFORMAL).is_file()
    misses = Misses(task, prepared) if isinstance(task, SegmentTask) and wanted else None
    judged = judge(
        predictor.with_calibrations(()), validation.cases, prepared, "validation", misses,
        lambda done, total: voice.bar("validation", done, total, ""),
    )  # fmt: skip
    predictor = settle_calibration(out, study, validation, judged, predictor, voice)
    if predictor.calibrations:
        judged = told_again(judged, predictor)
    settle_threshold(out, study, validation, judged, task, voice)
    settle_age_bias(out, study, validation, judged, task, voice)
    settle_promise(out, study, validation, judged, misses, task, voice)
    return predictor, judged
