"""One prediction, and the files it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from voxtempo.report.chart import png
from voxtempo.report.course_chart import draw_course, draw_values
from voxtempo.scans import Scan, write_scan
from voxtempo.scans.atomic import atomic_file
from voxtempo.workflow.records import write_csv


@dataclass(frozen=True)
class Prediction:
    """What was found in one scan.

    ``row`` is its line of ``predictions.csv``; ``labels`` its label map and ``probabilities`` the
    probability of each label (a channel each, float32), both on the native grid (segment); ``course`` the
    decision over time (series) as rows; ``maps`` are further maps on the native grid, each named by its channel:
    entropies, outer masks (segment).
    """

    id: str
    row: dict[str, Any]
    labels: Scan | None = None
    probabilities: Scan | None = None
    course: tuple[dict[str, Any], ...] = ()
    maps: tuple[Scan, ...] = ()


def write_prediction(out: Path, prediction: Prediction) -> None:
    """Write a label map, its probabilities and further maps, or a time course (CSV and picture) into a folder."""
    if prediction.labels is not None:
        write_scan(prediction.labels, out / f"{prediction.id}.nii.gz")
    if prediction.probabilities is not None:
        for place, name in enumerate(prediction.probabilities.channels):
            one = prediction.probabilities.with_data(
                prediction.probabilities.data[..., place : place + 1], channels=(name,)
            )
            write_scan(one, out / f"{prediction.id}_p_{name}.nii.gz")
    for each in prediction.maps:
        write_scan(each, out / f"{prediction.id}_{each.channels[0]}.nii.gz")
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
