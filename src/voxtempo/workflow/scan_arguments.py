"""What ``predict`` is given: which files make a scan, what each is called, and where nothing would be lost by writing."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from voxtempo.errors import ScanError, StudyError
from voxtempo.inference import Run
from voxtempo.scans import Scan, read_scan, stack_channels

SUMMARY = "predictions.json"


def read_argument(run: Run, spec: str, series: str | None) -> Scan:
    """Return the scan that an argument names, with the run's channels."""
    series = series or run.study.cohort.series
    names = list(run.study.cohort.scans)
    return stack_channels(
        [
            read_scan(file, series=series if file.is_dir() else None, channel=name)
            for file, name in zip(files_of(run, spec), names, strict=True)
        ]
    )


def files_of(run: Run, spec: str) -> list[Path]:
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


def names_of(scans: Sequence[str]) -> list[str]:
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


def make_writable(folder: Path) -> None:
    """Make a folder, and be sure that a file can be written there before anything is computed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ScanError(f"--out {folder} cannot be written to: {error.strerror or error}.") from None


def refuse_missing(files: Sequence[Path]) -> None:
    """Raise a ``ScanError`` for a file that is not there."""
    for file in files:
        if not file.exists():
            raise ScanError(f"{file}: no such file or folder. Nothing was predicted.")


def refuse_overwriting(run: Run, scans: Sequence[str], ids: Sequence[str], out: Path) -> None:
    """Refuse to write where something would be lost: into a run, over a scan, among files that no prediction wrote."""
    if out.is_file():
        raise StudyError(f"--out {out} is a file, expected a folder.")
    if (out / "metrics.json").exists() or (out / "network.json").exists():
        raise StudyError(f"--out {out} is a run folder, whose own predictions would be lost. Choose another folder.")
    inputs = {place for spec in scans for place in places_of(run, spec)}
    lost = [path for case_id in ids if str((path := out / f"{case_id}.nii.gz").resolve()) in inputs]
    if lost:
        raise ScanError(f"{lost[0]}: the prediction would take the place of this scan. Choose another --out.")
    if out.is_dir() and any(out.iterdir()) and not (out / SUMMARY).is_file():
        raise StudyError(
            f"--out {out} holds files that no prediction wrote: nothing was touched. Choose another folder."
        )


def rows_to_keep(
    run: Run, scans: Sequence[str], ids: Sequence[str], out: Path
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Return the rows of earlier predictions in a folder, but for those of scans that are predicted again.

    With them comes to how many scans of which sites those predictions were adapted.

    Raises
    ------
    StudyError : they are of another run, or an id now names another scan; or they are damaged.
    """
    now = {case_id: places_of(run, spec) for case_id, spec in zip(ids, scans, strict=True)}
    rows, adapted = _earlier(run, out)
    kept = []
    for row in rows:
        places = row["files"]
        if row["id"] in now and places != now[row["id"]]:
            raise StudyError(
                f"--out {out} holds the prediction of {', '.join(places)} as '{row['id']}', which is also the name of "
                f"{', '.join(now[row['id']])}. Choose another --out, or give both scans to one command."
            )
        if places not in now.values():
            kept.append(row)
    return kept, adapted


def places_of(run: Run, spec: str) -> list[str]:
    """Return where the files of one argument lie, from wherever it is asked."""
    return [str(file.resolve()) for file in files_of(run, spec)]


def _earlier(run: Run, out: Path) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Return the rows that earlier predictions wrote into a folder, and the sites that these were adapted to."""
    if not (out / SUMMARY).is_file():
        return [], {}
    try:
        summary = json.loads((out / SUMMARY).read_text(encoding="utf-8"))
        by, rows = Path(summary["run"]), [dict(row) for row in summary["predictions"]]
        weights, adapted = summary.get("weights_sha256"), dict(summary.get("adapted_to", {}))
        for row in rows:
            row.setdefault("files", [str(Path(part).resolve()) for part in row["scan"].split(",")])
            if not all(isinstance(said, str) for said in (row["id"], row["scan"], *row["files"])):
                raise TypeError("a row has no id or no scan")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StudyError(f"{out / SUMMARY} is damaged: {error}. Choose another --out.") from None
    same = by.resolve() == run.folder.resolve() if weights is None else weights == run.weights_sha256
    if not same:
        raise StudyError(
            f"--out {out} holds predictions of another run, {by}, or of what it was before it was trained anew, which would "
            "be lost. Choose another folder."
        )
    return rows, adapted
