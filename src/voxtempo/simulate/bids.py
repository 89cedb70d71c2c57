"""Writes a simulated cohort as a BIDS dataset, with everything that is true of it under derivatives/truth."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxtempo.scans import Geometry, Scan, write_scan
from voxtempo.simulate.design import Block
from voxtempo.simulate.simulation import Progress, Simulation

VERSION = "1.10.0"
GENERATOR = "voxtempo simulate"


def write_dataset(
    folder: Path,
    title: str,
    options: Simulation,
    columns: Mapping[str, str],
    people: Iterable[Sequence[Any]],
    truth: str,
) -> None:
    """Write the dataset's description, participants and README, and the options that made it.

    Parameters
    ----------
    folder : of the dataset.
    title : its name.
    options : the simulation.
    columns : of participants.tsv after participant_id, with what each means.
    people : a row of participants.tsv each.
    truth : what derivatives/truth holds of each participant, for the README, such as "amplitude and head motion".
    """
    derived = folder / "derivatives" / "truth"
    derived.mkdir(parents=True, exist_ok=True)
    made_by = {"GeneratedBy": [{"Name": GENERATOR, "Description": f"{GENERATOR} {options.name}"}], "License": "CC0"}
    general = {"BIDSVersion": VERSION, **made_by}
    _json(folder / "dataset_description.json", {"Name": title, "DatasetType": "raw", **general})
    _json(derived / "dataset_description.json", {"Name": "Truth", "DatasetType": "derivative", **general})
    _json(derived / "simulation.json", asdict(options))
    _json(folder / "participants.json", {name: {"Description": text} for name, text in columns.items()})
    write_table(folder / "participants.tsv", ("participant_id", *columns), people)
    (folder / ".bidsignore").write_text("*.yaml\n", encoding="utf-8")
    (folder / "README").write_text(
        "A simulated BOLD cohort: every number in it is known and none of it comes from a person.\n"
        f"derivatives/truth holds the options, each subject's {truth}.\n",
        encoding="utf-8",
    )


def write_series(folder: Path, name: str, scan: Scan, blocks: Sequence[Block] = ()) -> None:
    """Write a run, its sidecar and, if there is a design, its events; ``name`` is "sub-01_task-blocks_run-1"."""
    func = folder / name.split("_")[0] / "func"
    write_scan(scan, func / f"{name}_bold.nii.gz")
    task = name.split("task-")[1].split("_")[0]
    _json(func / f"{name}_bold.json", {"TaskName": task, "RepetitionTime": scan.repetition_time})
    if blocks:
        rows = [(block.onset, block.duration, block.trial_type) for block in blocks]
        write_table(func / f"{name}_events.tsv", ("onset", "duration", "trial_type"), rows)


def write_courses(folder: Path, name: str, courses: Mapping[str, NDArray[np.float64]]) -> None:
    """Write what each region's signal truly did over time (t,)."""
    table = np.stack(list(courses.values()), axis=1)
    path = truth_folder(folder, name) / f"{name}_desc-courses_timeseries.tsv"
    write_table(path, tuple(courses), table.round(6).tolist())


def write_maps(folder: Path, name: str, geometry: Geometry, activation: Mapping[str, NDArray[np.float32]]) -> None:
    """Write activation maps (per cent) and labels of where each exceeds half of its largest value."""
    truth = truth_folder(folder, name)
    labels = np.zeros(geometry.shape, np.uint8)
    for value, (region, strength) in enumerate(activation.items(), start=1):
        scan = Scan(strength[None, ..., None], geometry, channels=(region,))
        write_scan(scan, truth / f"{name}_desc-{region}_statmap.nii.gz")
        labels[strength > strength.max() / 2] = value
    label = f"{name}_desc-activation_dseg"
    write_scan(Scan(labels[None, ..., None], geometry, kind="label"), truth / f"{label}.nii.gz")
    write_table(truth / f"{label}.tsv", ("index", "name"), enumerate(activation, start=1))


def truth_folder(folder: Path, name: str) -> Path:
    """Return where the truth about a run or subject lies; ``name`` begins with the subject."""
    return folder / "derivatives" / "truth" / name.split("_")[0] / "func"


def write_each(write: Callable[[int], None], count: int, progress: Progress | None) -> None:
    """Call ``write`` with 0 to ``count`` - 1, one at a time on each core, and report every one that is done."""
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        waiting = [pool.submit(write, number) for number in range(count)]
        try:
            for done, future in enumerate(as_completed(waiting), start=1):
                future.result()
                if progress is not None:
                    progress(done, count)
        finally:
            for future in waiting:
                future.cancel()


def is_simulation(folder: Path) -> bool:
    """Return whether ``folder`` holds a dataset that a simulation wrote."""
    try:
        record: Any = json.loads((folder / "dataset_description.json").read_text(encoding="utf-8"))
        return any(entry.get("Name") == GENERATOR for entry in record["GeneratedBy"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a tab-separated table with a header line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(columns), *("\t".join(str(value) for value in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _json(path: Path, record: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
