"""New scans through a finished run: label maps on their own grid, probabilities, values, time courses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from voxtempo.assess.uncertainty import entropy
from voxtempo.errors import StudyError, VoxTempoError
from voxtempo.feed import FeedCase, Voxels
from voxtempo.harmonise import About
from voxtempo.inference import Answer, Predictor, Run
from voxtempo.inference.decisions import say_class, threshold_in
from voxtempo.inference.native import native_label_map, native_map, native_probabilities
from voxtempo.inference.outer_masks import outer_masks
from voxtempo.inference.promise import Promise, promise_in
from voxtempo.inference.structures import volumes_of
from voxtempo.learning.recipe import other_time
from voxtempo.learning.tasks import ClassifyTask, RegressTask, SegmentTask
from voxtempo.prepare import prepare_scan
from voxtempo.scans import Geometry, Scan
from voxtempo.workflow.examples import course_rows
from voxtempo.workflow.harmonising import refuse_unknown
from voxtempo.workflow.likeness import blank_channels, likeness_of
from voxtempo.workflow.prediction import Prediction, write_prediction
from voxtempo.workflow.records import write_csv, write_json
from voxtempo.workflow.scan_arguments import (
    SUMMARY,
    files_of,
    make_writable,
    names_of,
    places_of,
    read_argument,
    refuse_missing,
    refuse_overwriting,
    rows_to_keep,
)
from voxtempo.workflow.scan_facts import abouts_of, adapted_predictor
from voxtempo.workflow.voice import Voice


def predict_scan(
    run: Run,
    scan: Scan,
    case_id: str,
    probabilities: bool = False,
    about: About | None = None,
    predictor: Predictor | None = None,
    uncertainty: bool = False,
) -> Prediction:
    """Return the prediction for a scan in memory, which has the run's channels in their order.

    Parameters
    ----------
    run : finished.
    scan : not yet prepared.
    case_id : its name in the result.
    probabilities : of each label too (segment).
    about : its site and covariates, for a run that harmonises.
    predictor : in place of the run's own, where that was adapted to new sites.
    uncertainty : also as maps, with the outer masks that the run promises (segment).

    Raises
    ------
    VoxTempoError : the scan cannot be prepared as the network expects, or has another shape or number of channels.
    """
    about = about or About(case_id)
    refuse_unknown(run, [about])
    predictor, task = predictor or run.predictor, run.task
    channels = list(run.study.cohort.scans)
    if len(scan.channels) != len(channels):
        raise StudyError(
            f"{case_id}: the network takes {len(channels)} channels ({', '.join(channels)}), found {len(scan.channels)}."
        )
    prepared, native, _ = prepare_scan(scan, run.steps)
    _refuse_misfit(prepared, predictor, case_id)
    trained, seconds = predictor.recipe.repetition_time, prepared.repetition_time
    note = _told(
        run, scan, f"no repetition time, taken to be {trained:g} s as in training" if trained and not seconds else ""
    )
    case = FeedCase(
        case_id,
        Voxels(prepared.data),
        prepared.geometry.spacing,
        repetition_time=seconds or trained,
        row=about.row,
        site=about.site,
    )
    if isinstance(task, SegmentTask):
        answer = predictor.answer(case)
        assert answer.probabilities is not None
        labels = native_label_map(answer.probabilities, prepared.geometry, native, task, case_id, predictor.operations)
        volumes = {f"volume_{name}": ml for name, ml in volumes_of(labels, task).items()}
        chances = None
        if probabilities:
            chances = native_probabilities(answer.probabilities, prepared.geometry, native, task, case_id)
        maps = _uncertain(answer, task, prepared.geometry, native, promise_in(run.folder)) if uncertainty else ()
        row = {"id": case_id, **volumes, **answer.certainty[case_id], "status": "ok", "note": note}
        return Prediction(case_id, row, labels, chances, maps=maps)
    answer = predictor.course(case) if predictor.recipe.kind == "series" else predictor.answer(case)
    row = {"id": case_id, **_verdict(answer, case_id, task, threshold_in(run.folder)), **answer.certainty[case_id]}
    promise = promise_in(run.folder)
    if promise is not None and run.study.cohort.target.events is None:  # what is promised of events is not of series
        row |= promise.columns(task, answer.said[case_id], row)
    row |= {"status": "ok", "note": note}
    return Prediction(case_id, row, course=tuple(course_rows(predictor, answer.course)))


def _told(run: Run, scan: Scan, assumed: str) -> str:
    """Return what a user should know of the scan beside its prediction."""
    blank = blank_channels(scan)
    told = [
        assumed,
        f"{' and '.join(blank)} {'holds' if len(blank) == 1 else 'hold'} one value only" if blank else "",
        likeness_of(run.folder).unlike(scan.geometry),
    ]
    return "; ".join(filter(None, told))


def _uncertain(
    answer: Answer, task: SegmentTask, prepared: Geometry, native: Geometry, promise: Promise | None
) -> tuple[Scan, ...]:
    """Return the entropy of every voxel, of several answers also the mutual information, and the promised outer masks."""
    assert answer.probabilities is not None
    whole = entropy(answer.probabilities, independent=bool(task.regions))
    maps = [native_map(whole, prepared, native, "entropy", answer.case)]
    if answer.expected_entropy is not None:
        shared = np.maximum(whole - answer.expected_entropy, 0)
        maps.append(native_map(shared, prepared, native, "mutual_information", answer.case))
    masks = outer_masks(promise, answer, prepared, native, task) if promise is not None else []
    return (*maps, *(each.with_data(each.data, channels=(f"outer_{each.channels[0]}",)) for each in masks))


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


def _verdict(answer: Answer, case_id: str, task: Any, threshold: float | None) -> dict[str, Any]:
    said = answer.units[case_id]
    if isinstance(task, RegressTask):
        return {"predicted": float(said[0])}
    assert isinstance(task, ClassifyTask)
    probabilities = {f"p_{name}": float(p) for name, p in zip(task.classes, said, strict=True)}
    return {"predicted": say_class(task, said, threshold), **probabilities}


def predict_scans(
    run: Run, scans: Sequence[str], out: Path, voice: Voice | None = None, series: str | None = None,
    probabilities: bool = False, site: str | None = None, values: Sequence[str] = (), table: Path | None = None,
    uncertainty: bool = False,
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
    site : of all scans, for a run that harmonises.
    values : "column=value" of all scans, for the covariates of such a run.
    table : with a row a scan, where sites and covariates differ; see ``abouts_of``.
    uncertainty : write maps of it too (segment): ``<id>_entropy.nii.gz``, of several answers
        ``<id>_mutual_information.nii.gz``, and ``<id>_outer_<label>.nii.gz`` where the run promises something.

    A scan that fails gets a row whose status says why; the others are still predicted. Rows of other scans that this run
    predicted into ``out`` before are kept.

    Raises
    ------
    RunError : the run is not finished or damaged.
    ScanError : there is no such file, or a prediction would take the place of a scan.
    StudyError : an argument names another number of files than the network has channels, or ``out`` has other files in it.
    """
    voice = voice or Voice()
    run.refuse_unfinished()
    run.refuse_changed_files()
    ids = names_of(scans)
    for spec in scans:
        refuse_missing(files_of(run, spec))
    refuse_overwriting(run, scans, ids, out)
    kept, adapted_before = rows_to_keep(run, scans, ids, out)
    abouts = abouts_of(run, ids, site, values, table)
    refuse_unknown(run, list(abouts.values()))
    make_writable(out)
    _load_network(run)
    predictor, adapted = adapted_predictor(run, scans, abouts, series, out)
    for name, count in adapted.items():
        voice.say(f"harmonise: adapted to site '{name}' by its {count} scans")
    predictions = []
    for number, (spec, case_id) in enumerate(zip(scans, ids, strict=True)):
        try:
            prediction = predict_scan(
                run, read_argument(run, spec, series), case_id, probabilities, abouts[case_id], predictor, uncertainty
            )
            write_prediction(out, prediction)
        except VoxTempoError as error:
            prediction = Prediction(case_id, {"id": case_id, "status": str(error)})
        predictions.append(prediction)
        if prediction.row.get("note"):
            voice.say(f"{case_id}: {prediction.row['note']}")
        voice.bar("predict", number + 1, len(scans), case_id)
    rows = [*kept]
    for spec, prediction in zip(scans, predictions, strict=True):
        rows.append({"scan": spec, "files": places_of(run, spec), **prediction.row})
    write_csv(out / "predictions.csv", [_ordered(row) for row in rows])
    summary = {
        "run": str(run.folder),
        "weights_sha256": run.weights_sha256,
        "study": run.study.name,
        "predictions": rows,
    }
    adapted = {**adapted_before, **adapted}
    write_json(out / SUMMARY, {**summary, "adapted_to": adapted} if adapted else summary)
    return predictions


def _load_network(run: Run) -> None:
    """Load the network(s) now, so that one that cannot be loaded is one error and not a failure of every scan."""
    _ = run.predictor


def _ordered(row: dict[str, Any]) -> dict[str, Any]:
    leading = ("id", "status", "predicted")
    last = ("note",)
    between = (key for key in row if key not in (*leading, *last, "files"))
    return {key: row[key] for key in (*leading, *between, *last) if key in row}
