"""New scans through a finished run: label maps on their own grid, probabilities, values, time courses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from voxtempo.errors import StudyError, VoxTempoError
from voxtempo.feed import FeedCase, Voxels
from voxtempo.inference import Answer, Run
from voxtempo.inference.native import native_label_map
from voxtempo.learning.tasks import ClassifyTask, RegressTask, SegmentTask
from voxtempo.prepare import prepare_scan
from voxtempo.scans import Scan, read_scan, stack_channels, write_scan
from voxtempo.workflow.examples import course_rows
from voxtempo.workflow.records import write_csv, write_json
from voxtempo.workflow.voice import Voice


@dataclass(frozen=True)
class Prediction:
    """What was found in one scan.

    ``row`` is its line of ``predictions.csv``; ``labels`` its label map on the native grid (segment); ``course`` the
    decision over time (series) as rows.
    """

    id: str
    row: dict[str, Any]
    labels: Scan | None = None
    course: tuple[dict[str, Any], ...] = ()


def predict_scan(run: Run, scan: Scan, case_id: str) -> Prediction:
    """Return the prediction for a scan in memory, which has the run's channels in their order.

    Raises
    ------
    VoxTempoError : the scan cannot be prepared as the network expects, or has another shape or number of channels.
    """
    predictor, task = run.predictor, run.task
    channels = list(run.study.cohort.scans)
    if len(scan.channels) != len(channels):
        raise StudyError(
            f"{case_id}: the network takes {len(channels)} channels ({', '.join(channels)}), found {len(scan.channels)}."
        )
    prepared, native, _ = prepare_scan(scan, run.steps)
    case = FeedCase(case_id, Voxels(prepared.data), prepared.geometry.spacing, repetition_time=prepared.repetition_time)
    if isinstance(task, SegmentTask):
        answer = predictor.answer(case)
        assert answer.probabilities is not None
        labels = native_label_map(answer.probabilities, prepared.geometry, native, task, case_id)
        ml = native.voxel_volume / 1000
        volumes = {
            f"volume_{name}": float(np.count_nonzero(labels.data == value) * ml) for value, name in task.labels.items()
        }
        return Prediction(case_id, {"id": case_id, **volumes, "status": "ok"}, labels)
    answer = predictor.course(case) if predictor.recipe.kind == "series" else predictor.answer(case)
    row: dict[str, Any] = {"id": case_id, **_verdict(answer, case_id, task), "status": "ok"}
    return Prediction(case_id, row, course=tuple(course_rows(predictor, answer.course)))


def _verdict(answer: Answer, case_id: str, task: Any) -> dict[str, Any]:
    said = answer.units[case_id]
    if isinstance(task, RegressTask):
        return {"predicted": float(said[0])}
    assert isinstance(task, ClassifyTask)
    probabilities = {f"p_{name}": float(p) for name, p in zip(task.classes, said, strict=True)}
    return {"predicted": task.classes[int(said.argmax())], **probabilities}


def predict_scans(run: Run, scans: Sequence[str], out: Path, voice: Voice | None = None) -> list[Prediction]:
    """Predict files and write ``predictions.csv``, ``predictions.json``, label maps and time courses into ``out``.

    Parameters
    ----------
    run : finished run.
    scans : files or DICOM folders; of a network with several channels "t1.nii.gz,flair.nii.gz", in the study's order.
    out : folder, made if it does not exist.
    voice : progress.

    A scan that fails gets a row whose status says why; the others are still predicted.
    """
    voice = voice or Voice()
    ids = _ids(scans)
    _load_network(run)
    predictions = []
    for number, (spec, case_id) in enumerate(zip(scans, ids, strict=True)):
        try:
            prediction = predict_scan(run, _read(run, spec), case_id)
            _write(out, prediction)
        except VoxTempoError as error:
            prediction = Prediction(case_id, {"id": case_id, "status": str(error)})
        predictions.append(prediction)
        voice.bar("predict", number + 1, len(scans), case_id)
    rows = [{"scan": spec, **p.row} for spec, p in zip(scans, predictions, strict=True)]
    write_csv(out / "predictions.csv", [_ordered(row) for row in rows])
    write_json(out / "predictions.json", {"run": str(run.folder), "study": run.study.name, "predictions": rows})
    return predictions


def _load_network(run: Run) -> None:
    """Load the network(s) now, so that one that cannot be loaded is one error and not a failure of every scan."""
    _ = run.predictor


def _ordered(row: dict[str, Any]) -> dict[str, Any]:
    leading = ("id", "status", "predicted")
    return {key: row[key] for key in (*leading, *(k for k in row if k not in leading)) if key in row}


def _write(out: Path, prediction: Prediction) -> None:
    if prediction.labels is not None:
        write_scan(prediction.labels, out / f"{prediction.id}.nii.gz")
    if prediction.course:
        write_csv(out / f"{prediction.id}_course.csv", prediction.course)


def _read(run: Run, spec: str) -> Scan:
    files = [part for part in spec.split(",") if part]
    names = list(run.study.cohort.scans)
    if len(files) != len(names):
        raise StudyError(
            f"'{spec}' names {len(files)} files, but the network takes {len(names)} channels: {', '.join(names)} "
            "(give them as one argument, separated by commas)."
        )
    series = run.study.cohort.series
    return stack_channels(
        [read_scan(file, series=series, channel=name) for file, name in zip(files, names, strict=True)]
    )


def _ids(scans: Sequence[str]) -> list[str]:
    """Return a name for each scan: its file's name without suffixes, with its folder's name where two are alike."""
    paths = [Path(spec.split(",")[0]) for spec in scans]
    names = [_stem(path) for path in paths]
    ids = [
        f"{path.resolve().parent.name}_{name}" if names.count(name) > 1 else name
        for path, name in zip(paths, names, strict=True)
    ]
    return [f"{case_id}_{i}" if ids.count(case_id) > 1 else case_id for i, case_id in enumerate(ids)]


def _stem(path: Path) -> str:
    name = path.name or path.resolve().name
    for suffix in (".nii.gz", ".nii", ".png", ".jpg", ".jpeg", ".dcm", ".npy"):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name
