"""The files of a run folder, written whole or not at all."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from voxtempo.assess import as_json
from voxtempo.cohort import dump_study
from voxtempo.cohort.study import Study
from voxtempo.errors import StudyError
from voxtempo.inference.judged import Row
from voxtempo.scans.atomic import atomic_file
from voxtempo.workflow.holding import LOCK

HEADLINE = "# VoxTempo study, complete; "
PLAN = "plan.json"
COMMAND: ContextVar[str] = ContextVar("COMMAND", default="")
"""The command line that trains, as a shell takes it; empty where Python called."""

METRICS_VERSION = 2
"""Of the form of metrics.json, which docs/run-folder.md describes; runs before had no such key."""

LIBRARIES = ("numpy", "scipy", "numba", "nibabel", "pydicom", "SimpleITK", "scikit-learn")


def digest(content: Any) -> str:
    """Return a name that is the same for the same JSON content only."""
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with atomic_file(path) as file:
        file.write(text.encode())


def write_json(path: Path, content: Any) -> None:
    """Write figures and plain values as JSON; what is undefined is null."""
    write_text(path, json.dumps(as_json(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_metrics(path: Path, metrics: Mapping[str, Any]) -> None:
    """Write ``metrics.json``: the version of its form, the names of the parts it holds, and the parts."""
    write_json(path, {"version": METRICS_VERSION, "holds": list(metrics), **metrics})


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV; the columns are those of all rows in order of appearance."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows([{key: _plain(value) for key, value in row.items()} for row in rows])
    write_text(path, text.getvalue())


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return "" if value != value else f"{value:.6g}"
    return value


def write_predictions(path: Path, rows: Sequence[Row]) -> None:
    """Write one row a case (or event); the status comes last."""
    write_csv(path, [{**{k: v for k, v in row.items() if k != "status"}, "status": row["status"]} for row in rows])


def claim_folder(folder: Path, study: Study, fold: str) -> bool:
    """Make a run folder, or take up the one that is there; return whether it holds a finished run of this very study.

    A folder whose run failed before its first update has nothing to lose: a corrected study takes it over.

    Raises
    ------
    StudyError : the folder holds a run of another study, or other files.
    """
    refuse_foreign(folder)
    text = f"{HEADLINE}{fold}\n" + dump_study(study)
    path = folder / "study.yaml"
    if path.is_file():
        there = path.read_text(encoding="utf-8")
        if there == text:
            return (folder / "manifest.json").is_file()
        if any(folder.glob("weights.safetensors")) or any(folder.glob("checkpoints/*")) or any(folder.glob("fold-*")):
            raise StudyError(
                f"{folder} holds a run of another study, of other settings or of another fold ({_difference(there, text)}). "
                "Choose another --out, or delete that folder."
            )
        (folder / PLAN).unlink(missing_ok=True)
    write_text(path, text)
    return False


def refuse_foreign(folder: Path) -> None:
    """Raise a ``StudyError`` where a run may not be written: a file, or a folder with other files in it.

    A folder of nothing but folds, which were trained one by one, may become a run of all folds.
    """
    try:
        inside = [path for path in folder.iterdir() if path.name != LOCK] if folder.exists() else []
        ours = not inside or _is_run(folder) or all(path.name.startswith("fold-") and _is_run(path) for path in inside)
    except OSError:
        ours = False
    if not ours:
        raise StudyError(f"{folder} exists and is no run folder: nothing in it was touched. Choose another --out.")


def _is_run(folder: Path) -> bool:
    try:
        return (folder / "study.yaml").read_text(encoding="utf-8").startswith(HEADLINE)
    except (OSError, ValueError):
        return False


def _difference(there: str, now: str) -> str:
    """Return in words what the first differing values of two study files are."""
    first, second = _values(there), _values(now)
    told = [
        f"{key}: {first.get(key, 'nothing')} there, {second.get(key, 'nothing')} now"
        for key in dict.fromkeys((*first, *second))
        if first.get(key) != second.get(key)
    ]
    return "; ".join(told[:3]) + (f" and {len(told) - 3} more" if len(told) > 3 else "")


def _values(text: str) -> dict[str, str]:
    """Return a study file's values by key path, and which fold it is of."""
    found = {"fold": text.split("\n", 1)[0].removeprefix(HEADLINE)}

    def walk(node: Any, place: str) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                walk(value, f"{place}.{key}" if place else str(key))
        else:
            found[place] = str(node)

    with suppress(yaml.YAMLError):
        walk(yaml.safe_load(text), "")
    return found


def manifest(study: Study, fold: dict[str, Any], plan: Sequence[str], **more: Any) -> dict[str, Any]:
    """Return what is to be remembered of how a run came to be."""
    return {
        "voxtempo": version("voxtempo"),
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": COMMAND.get(),
        "study": study.name,
        "task": study.task,
        "seed": study.train.seed,
        "fold": fold,
        "machine": machine(),
        "plan": list(plan),
        **more,
    }


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that shape the numbers."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def machine() -> dict[str, Any]:
    """Return what this machine is."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(pages / 2**30, 1),
        "system": platform.system(),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def peak_memory_mb() -> float | None:
    """Return the largest memory this process has had, in MiB, where the system tells.

    On Linux not by ``getrusage``, whose maximum begins with that of the process that started this one.
    """
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 2**10, 1)
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)
