"""Writes a simulated cohort as a BIDS dataset, with everything that is true of it under derivatives/truth."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from voxtempo.scans import Geometry, Scan, write_scan
from voxtempo.simulate.motion import MOTION_COLUMNS

if TYPE_CHECKING:
    from voxtempo.simulate.bold import Bold, Run, Subject

TASK = "blocks"
VERSION = "1.10.0"
GENERATOR = "voxtempo simulate"
COLUMNS = {
    "group": "control or patient; they differ in nothing but the frontal region's course (not at all in 'conditions')",
    "age": "years, unrelated to the scans",
    "sex": "F or M, unrelated to the scans",
    "amplitude": "response at a region's peak, per cent of the signal of grey matter",
}


def write_dataset(folder: Path, options: Bold, people: Sequence[Subject]) -> None:
    """Write the dataset's description, participants, README, and the truth about each participant."""
    truth = folder / "derivatives" / "truth"
    truth.mkdir(parents=True, exist_ok=True)
    made_by = {"GeneratedBy": [{"Name": GENERATOR, "Description": "voxtempo simulate bold"}], "License": "CC0"}
    general = {"BIDSVersion": VERSION, **made_by}
    _json(folder / "dataset_description.json", {"Name": "Simulated BOLD", "DatasetType": "raw", **general})
    _json(truth / "dataset_description.json", {"Name": "Truth", "DatasetType": "derivative", **general})
    _json(truth / "simulation.json", asdict(options))
    _json(folder / "participants.json", {name: {"Description": text} for name, text in COLUMNS.items()})
    _table(folder / "participants.tsv", ("participant_id", *COLUMNS), [
        (who.id, who.group, who.age, who.sex, who.amplitude) for who in people
    ])  # fmt: skip
    _table(truth / "responses.tsv", ("participant_id", "amplitude", "frontal_lag"), [
        (who.id, who.amplitude, who.lag) for who in people
    ])  # fmt: skip
    (folder / ".bidsignore").write_text("*.yaml\n", encoding="utf-8")
    (folder / "README").write_text(
        "A simulated BOLD cohort: every number in it is known and none of it comes from a person.\n"
        "derivatives/truth holds the options, each subject's activation maps, amplitude and head motion.\n",
        encoding="utf-8",
    )


def write_run(folder: Path, subject: str, number: int, run: Run) -> None:
    """Write one run: the scan, its sidecar, its events, and the motion it truly had."""
    name = f"{subject}_task-{TASK}_run-{number}"
    func = folder / subject / "func"
    write_scan(run.scan, func / f"{name}_bold.nii.gz")
    _json(func / f"{name}_bold.json", {"TaskName": TASK, "RepetitionTime": run.scan.repetition_time})
    rows = [(block.onset, block.duration, block.trial_type) for block in run.blocks]
    _table(func / f"{name}_events.tsv", ("onset", "duration", "trial_type"), rows)
    truth = folder / "derivatives" / "truth" / subject / "func"
    _table(truth / f"{name}_desc-motion_timeseries.tsv", MOTION_COLUMNS, run.motion.tolist())
    courses = np.stack(list(run.courses.values()), axis=1)
    _table(truth / f"{name}_desc-courses_timeseries.tsv", tuple(run.courses), courses.round(6).tolist())


def write_subject_truth(
    folder: Path, subject: str, geometry: Geometry, activation: Mapping[str, NDArray[np.float32]]
) -> None:
    """Write a subject's activation maps (per cent) and labels of where each exceeds half of its largest value."""
    truth = folder / "derivatives" / "truth" / subject / "func"
    labels = np.zeros(geometry.shape, np.uint8)
    for value, (region, strength) in enumerate(activation.items(), start=1):
        scan = Scan(strength[None, ..., None], geometry, channels=(region,))
        write_scan(scan, truth / f"{subject}_task-{TASK}_desc-{region}_statmap.nii.gz")
        labels[strength > strength.max() / 2] = value
    name = f"{subject}_task-{TASK}_desc-activation_dseg"
    write_scan(Scan(labels[None, ..., None], geometry, kind="label"), truth / f"{name}.nii.gz")
    _table(truth / f"{name}.tsv", ("index", "name"), enumerate(activation, start=1))


def is_simulation(folder: Path) -> bool:
    """Return whether ``folder`` holds a dataset that a simulation wrote."""
    try:
        record: Any = json.loads((folder / "dataset_description.json").read_text(encoding="utf-8"))
        return any(entry.get("Name") == GENERATOR for entry in record["GeneratedBy"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _json(path: Path, record: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _table(path: Path, columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(columns), *("\t".join(str(value) for value in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
