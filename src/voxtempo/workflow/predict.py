"""New scans through a finished run: label maps on their own grid, probabilities, values, time courses."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from voxtempo.errors import ScanError, StudyError, VoxTempoError
from voxtempo.feed import FeedCase, Voxels
from voxtempo.inference import Answer, Predictor, Run
from voxtempo.inference.native import native_label_map, native_probabilities
from voxtempo.inference.structures import volumes_of
from voxtempo.learning.recipe import other_time
from voxtempo.learning.tasks import ClassifyTask, RegressTask, SegmentTask
from voxtempo.prepare import prepare_scan
from voxtempo.report.chart import png
from voxtempo.report.course_chart import draw_course, draw_values
from voxtempo.scans import Scan, read_scan, stack_channels, write_scan
from voxtempo.scans.atomic import atomic_file
from voxtempo.workflow.examples import course_rows
from voxtempo.workflow.records import write_csv, write_json
from voxtempo.workflow.voice import Voice

SUMMARY = "predictions.json"


@dataclass(frozen=True)
class Prediction:
    """What was found in one scan.

    ``row`` is its line of ``predictions.csv``; ``labels`` its label map and ``probabilities`` the
    probability of each label (a channel each, float32), both on the native grid (segment); ``course`` the
    decision over time (series) as rows; ``note`` says what had to be assumed.
    """

    id: str
    row: dict[str, Any]
    labels: Scan | None = None
    probabilities: Scan | None = None
    course: tuple[dict[str, Any], ...] = ()
    note: str = ""


def predict_scan(run: Run, scan: Scan, case_id: str, probabilities: bool = False) -> Prediction:
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
    _refuse_misfit(prepared, predictor, case_id)
    trained, seconds = predictor.recipe.repetition_time, prepared.repetition_time
    note = f"{case_id}: no repetition time, taken to be {trained:g} s as in training" if trained and not seconds else ""
    case = FeedCase(case_id, Voxels(prepared.data), prepared.geometry.spacing, repetition_time=seconds or trained)
    if isinstance(task, SegmentTask):
        answer = predictor.answer(case)
        assert answer.probabilities is not None
        labels = native_label_map(answer.probabilities, prepared.geometry, native, task, case_id, predictor.operations)
        volumes = {f"volume_{name}": ml for name, ml in volumes_of(labels, task).items()}
        chances = None
        if probabilities:
            chances = native_probabilities(answer.probabilities, prepared.geometry, native, task, case_id)
        return Prediction(case_id, {"id": case_id, **volumes, "status": "ok"}, labels, chances)
    answer = predictor.course(case) if predictor.recipe.kind == "series" else predictor.answer(case)
    row: dict[str, Any] = {"id": case_id, **_verdict(answer, case_id, task), "status": "ok"}
    return Prediction(case_id, row, course=tuple(course_rows(predictor, answer.course)), note=note)


def _refuse_misfit(scan: Scan, predictor: Predictor, case_id: str) -> None:
    """Refuse a prepared scan of another kind or shape than the network takes."""
    kind, wanted = predictor.recipe.kind, predictor.recipe.input_shape[:-1]
    shape = scan.data.shape[1:4]
    if kind == "series":
        if scan.volumes < wanted[0]:
            found = "one volume" if scan.volumes == 1 else f"a series of {scan.volumes} volumes"
            raise StudyError(f"{case_id}: the network takes windows of {wanted[0]} volumes, but the scan is {found}.")
        trained, seconds = predictor.recipe.repetition_time, scan.repetition_time
        if other_time(trained, seconds):
            raise StudyError(
                f"{case_id}: the network was trained on volumes {trained:g} s apart, but those of the scan are {seconds:g} s "
                "apart after the run's preparation, so its windows would last differently long. A study whose 'prepare' has "
                f"the step 'resample_time' ({trained:g} s) takes series of any repetition time."
            )
        wanted = wanted[1:]
    elif scan.volumes > 1:
        raise StudyError(f"{case_id}: the network takes {kind}s, but the scan is a series of {scan.volumes} volumes.")
    if kind == "volume" and shape[2] == 1:
        raise StudyError(f"{case_id}: the network takes volumes, but the scan is a single slice.")
    whole = predictor.study.sample is not None and predictor.study.sample.kind in ("volume", "window")
    if whole and shape != (*wanted, 1)[:3]:
        raise StudyError(
            f"{case_id}: the network takes {' x '.join(map(str, (*wanted, 1)[:3]))} voxels, but after the run's preparation "
            f"the scan has {' x '.join(map(str, shape))}. A study whose 'prepare' ends with 'resample' and 'crop_pad' takes "
            "scans of any size."
        )


def _verdict(answer: Answer, case_id: str, task: Any) -> dict[str, Any]:
    said = answer.units[case_id]
    if isinstance(task, RegressTask):
        return {"predicted": float(said[0])}
    assert isinstance(task, ClassifyTask)
    probabilities = {f"p_{name}": float(p) for name, p in zip(task.classes, said, strict=True)}
    return {"predicted": task.classes[int(said.argmax())], **probabilities}


def predict_scans(
    run: Run, scans: Sequence[str], out: Path, voice: Voice | None = None, series: str | None = None,
    probabilities: bool = False,
) -> list[Prediction]:  # fmt: skip
    """Predict files and write ``predictions.csv``, ``predictions.json``, label maps, time courses (CSV, PNG) into ``out``.

    Parameters
    ----------
    run : finished run.
    scans : files or DICOM folders; of a network with several channels "t1.nii.gz,flair.nii.gz", in the study's order.
    out : folder, made if it does not exist.
    voice : progress.
    series : number or UID of the series to take from DICOM folders; by default as the study says.
    probabilities : write the probability of each label too (segment), as ``<id>_p_<label>.nii.gz``.

    A scan that fails gets a row whose status says why; the others are still predicted.

    Raises
    ------
    RunError : the run is not finished or damaged.
    ScanError : there is no such file, or a prediction would take the place of a scan.
    StudyError : an argument names another number of files than the network has channels, or ``out`` has other files in it.
    """
    voice = voice or Voice()
    run.refuse_unfinished()
    run.refuse_changed_files()
    ids = _ids(scans)
    for spec in scans:
        _refuse_missing(_files(run, spec))
    _refuse_overwriting(run, scans, ids, out)
    _make_writable(out)
    _load_network(run)
    predictions = []
    for number, (spec, case_id) in enumerate(zip(scans, ids, strict=True)):
        try:
            prediction = predict_scan(run, _read(run, spec, series), case_id, probabilities)
            _write(out, prediction)
        except VoxTempoError as error:
            prediction = Prediction(case_id, {"id": case_id, "status": str(error)})
        predictions.append(prediction)
        if prediction.note:
            voice.say(prediction.note)
        voice.bar("predict", number + 1, len(scans), case_id)
    rows = [{"scan": spec, **p.row} for spec, p in zip(scans, predictions, strict=True)]
    write_csv(out / "predictions.csv", [_ordered(row) for row in rows])
    write_json(out / SUMMARY, {"run": str(run.folder), "study": run.study.name, "predictions": rows})
    return predictions


def _make_writable(folder: Path) -> None:
    """Make a folder, and be sure that a file can be written there before anything is computed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ScanError(f"--out {folder} cannot be written to: {error.strerror or error}.") from None


def _refuse_missing(files: Sequence[Path]) -> None:
    for file in files:
        if not file.exists():
            raise ScanError(f"{file}: no such file or folder. Nothing was predicted.")


def _refuse_overwriting(run: Run, scans: Sequence[str], ids: Sequence[str], out: Path) -> None:
    """Refuse to write where something would be lost: into a run, over a scan, among files that no prediction wrote."""
    if out.is_file():
        raise StudyError(f"--out {out} is a file, expected a folder.")
    if (out / "metrics.json").exists() or (out / "network.json").exists():
        raise StudyError(f"--out {out} is a run folder, whose own predictions would be lost. Choose another folder.")
    inputs = {file.resolve() for spec in scans for file in _files(run, spec)}
    lost = [path for case_id in ids if (path := out / f"{case_id}.nii.gz").resolve() in inputs]
    if lost:
        raise ScanError(f"{lost[0]}: the prediction would take the place of this scan. Choose another --out.")
    if out.is_dir() and any(out.iterdir()) and not (out / SUMMARY).is_file():
        raise StudyError(
            f"--out {out} holds files that no prediction wrote: nothing was touched. Choose another folder."
        )


def _load_network(run: Run) -> None:
    """Load the network(s) now, so that one that cannot be loaded is one error and not a failure of every scan."""
    _ = run.predictor


def _ordered(row: dict[str, Any]) -> dict[str, Any]:
    leading = ("id", "status", "predicted")
    return {key: row[key] for key in (*leading, *(k for k in row if k not in leading)) if key in row}


def _write(out: Path, prediction: Prediction) -> None:
    if prediction.labels is not None:
        write_scan(prediction.labels, out / f"{prediction.id}.nii.gz")
    if prediction.probabilities is not None:
        for place, name in enumerate(prediction.probabilities.channels):
            one = prediction.probabilities.with_data(
                prediction.probabilities.data[..., place : place + 1], channels=(name,)
            )
            write_scan(one, out / f"{prediction.id}_p_{name}.nii.gz")
    if prediction.course:
        write_csv(out / f"{prediction.id}_course.csv", prediction.course)
        with atomic_file(out / f"{prediction.id}_course.png") as file:
            file.write(_course_picture(prediction))


def _course_picture(prediction: Prediction) -> bytes:
    """Return the time course of the decision as a PNG picture."""
    course = prediction.course
    time = np.array([row["time"] for row in course], np.float64)
    said = prediction.row["predicted"]
    if "value" in course[0]:
        values = np.array([row["value"] for row in course], np.float64)
        return png(draw_values(time, values, np.full_like(values, np.nan)), f"{prediction.id}: {said:.4g}")
    classes = [key.removeprefix("p_") for key in course[0] if key.startswith("p_")]
    scores = np.array([[row[f"p_{name}"] for name in classes] for row in course], np.float64)
    return png(draw_course(time, scores, [""] * len(course), classes), f"{prediction.id}: {said}")


def _read(run: Run, spec: str, series: str | None) -> Scan:
    series = series or run.study.cohort.series
    names = list(run.study.cohort.scans)
    return stack_channels(
        [
            read_scan(file, series=series if file.is_dir() else None, channel=name)
            for file, name in zip(_files(run, spec), names, strict=True)
        ]
    )


def _files(run: Run, spec: str) -> list[Path]:
    """Return the files of one argument, one a channel."""
    names = list(run.study.cohort.scans)
    if len(names) == 1 and spec and Path(spec).exists():  # a comma may also be part of a name
        return [Path(spec)]
    files = [Path(part) for part in spec.split(",") if part]
    if len(files) != len(names):
        raise StudyError(
            f"'{spec}' names {len(files)} file{'' if len(files) == 1 else 's'}, but the network takes {len(names)} "
            f"channel{'' if len(names) == 1 else 's'}: {', '.join(names)}. The files of one scan are one argument, separated "
            "by commas."
        )
    return files


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
