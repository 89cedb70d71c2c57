"""How much every case moved, written where a person and the report find it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxtempo.prepare import PreparedCase
from voxtempo.prepare.rigid import MOTION_COLUMNS
from voxtempo.workflow.records import write_csv

WRITTEN = (*MOTION_COLUMNS, "framewise_displacement", "dvars", "dvars_before")
FAR = 0.5
"""Millimetres of framewise displacement above which a volume counts as displaced (Power et al. 2012)."""


def write_motion(folder: Path, prepared: Mapping[str, PreparedCase]) -> None:
    """Write ``<id>.csv`` for every series whose motion is known, and ``summary.csv`` with a row for each; else nothing.

    Parameters
    ----------
    folder : made if there is something to write.
    prepared : case id -> prepared case. Known is what the step ``motion`` or a table of confounds told.
    """
    summary: list[dict[str, Any]] = []
    for case_id, case in prepared.items():
        courses = {name: np.array(case.confounds[name], np.float64) for name in WRITTEN if name in case.confounds}
        if "framewise_displacement" not in courses:
            continue
        folder.mkdir(parents=True, exist_ok=True)
        name = _file_name(case_id, {"summary.csv", *(row["file"] for row in summary)})
        write_csv(folder / name, _rows(courses, case.image.repetition_time))
        summary.append({"id": case_id, "file": name, **_figures(courses)})
    if summary:
        write_csv(folder / "summary.csv", summary)


def _rows(courses: Mapping[str, NDArray[np.float64]], repetition_time: float | None) -> list[dict[str, Any]]:
    """Return a row a volume; its time is that of the volume's start, in seconds."""
    volumes = len(courses["framewise_displacement"])
    return [
        {
            "volume": t,
            **({} if repetition_time is None else {"time": t * repetition_time}),
            **{name: float(course[t]) for name, course in courses.items()},
        }
        for t in range(volumes)
    ]


def _figures(courses: Mapping[str, NDArray[np.float64]]) -> dict[str, Any]:
    """Return what is told of one case; the first volume, which has none before it, does not count."""
    moved = courses["framewise_displacement"][1:]
    moved = moved[np.isfinite(moved)]
    figures: dict[str, Any] = {
        "volumes": len(courses["framewise_displacement"]),
        "mean_framewise_displacement": float(moved.mean()) if moved.size else float("nan"),
        "max_framewise_displacement": float(moved.max()) if moved.size else float("nan"),
        "displaced_volumes": int((moved > FAR).sum()),
    }
    for name in ("dvars", "dvars_before"):
        if name in courses:
            change = courses[name][1:]
            figures[f"mean_{name}"] = float(np.nanmean(change)) if np.isfinite(change).any() else float("nan")
    return figures


def _file_name(case_id: str, taken: set[str]) -> str:
    """Return a file's name for a case: its id, without letters that paths mind, and unlike those that are taken."""
    stem = "".join(c if c.isalnum() or c in "-_." else "_" for c in case_id)
    names = (f"{stem}{mark}.csv" for mark in ("", *(f"-{number}" for number in range(2, len(taken) + 3))))
    return next(name for name in names if name not in taken)
