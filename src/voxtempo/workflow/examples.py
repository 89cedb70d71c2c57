"""Pictures for the report: the cases worth looking at, as small arrays in the run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxtempo.cohort.case import Case, Cohort
from voxtempo.cohort.study import Window
from voxtempo.errors import VoxTempoError
from voxtempo.feed.event_windows import nearest_volume
from voxtempo.inference import Judged, Predictor
from voxtempo.inference.judged import Row
from voxtempo.inference.structures import without_ignored
from voxtempo.learning.cases import case_of, feed_case
from voxtempo.learning.tasks import ClassifyTask, SegmentTask
from voxtempo.prepare import PreparedCase, regrid
from voxtempo.scans import Scan, read_scan
from voxtempo.workflow.records import write_csv, write_json

LONGEST = 220
SERIES = 3
COURSE_POINTS = 400  # a course is drawn some hundred pixels wide


def write_examples(
    folder: Path,
    predictor: Predictor,
    cohort: Cohort,
    prepared: Mapping[str, PreparedCase],
    judged: Judged,
    label_maps: Path,
    judges: Mapping[str, Predictor],
) -> None:
    """Write ``examples.json`` and its arrays: worst, median and best cases, wrong and right ones, courses over time.

    Courses are those of ``judges``: case id -> the network(s) that judged it, where that is not the predictor.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cases = {case.id: case for case in cohort}
    task = predictor.task
    if isinstance(task, SegmentTask):
        telling = [(cases[row["id"]], row, note) for row, note in _telling(judged)]
        entries = [_segmented(folder, case, cohort.series, label_maps, note, row, task) for case, row, note in telling]
    elif predictor.recipe.kind == "series":
        ids = dict.fromkeys(case_of(row["id"], cases) for row in judged.rows)
        drawn = [cases[each] for each in ids if each in prepared][:SERIES]
        entries = [_course(folder, judges.get(case.id, predictor), case, prepared[case.id]) for case in drawn]
    else:
        entries = [_pictured(folder, row, prepared[row["id"]], note) for row, note in _striking(judged, task)]
    write_json(folder / "examples.json", [entry for entry in entries if entry])


def _telling(judged: Judged) -> list[tuple[Row, str]]:
    """Return the three worst, the median and the best segmentation by mean Dice."""
    ok = [(float(np.mean([f["dice"] for f in by.values()])), row) for row, by in zip(judged.rows, judged.by_label, strict=True)
          if row["status"] == "ok"]  # fmt: skip
    ranked = sorted(ok, key=lambda pair: pair[0])
    if not ranked:
        return []
    places = [(i, "worst") for i in range(min(3, len(ranked)))]
    places += [(len(ranked) // 2, "median"), (len(ranked) - 1, "best")] if len(ranked) > 4 else []
    return [(ranked[i][1], note) for i, note in places]


def _striking(judged: Judged, task: Any) -> list[tuple[Row, str]]:
    """Return the most confident mistakes (or largest errors) and the surest right answer."""
    ok = [row for row in judged.rows if row["status"] == "ok"]
    if isinstance(task, ClassifyTask):
        wrong = sorted((r for r in ok if r["predicted"] != r["truth"]), key=lambda r: -r[f"p_{r['predicted']}"])
        right = sorted((r for r in ok if r["predicted"] == r["truth"]), key=lambda r: -r[f"p_{r['predicted']}"])
        return [(r, "confidently wrong") for r in _one_each(wrong)[:5]] + [(r, "right and sure") for r in right[:1]]
    ranked = sorted(ok, key=lambda r: -abs(r["predicted"] - float(r["truth"])))
    return [(r, "largest error") for r in _one_each(ranked)[:5]] + [(r, "smallest error") for r in ranked[-1:]]


def _one_each(rows: Sequence[Row]) -> list[Row]:
    """Return the first row of every group: copies of an image, or slices of a person, show the same thing again."""
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row["group"], row)
    return list(first.values())


def _segmented(
    folder: Path, case: Case, series: str | None, label_maps: Path, note: str, row: Row, task: SegmentTask
) -> dict[str, Any] | None:
    try:
        path = Path(next(iter(case.scans.values())))
        image = _upright(read_scan(path, series=series if path.is_dir() else None))
        truth = _upright(read_scan(case.mask or "", kind="label"))
        predicted = _upright(read_scan(label_maps / f"{case.id}.nii.gz", kind="label"))
    except VoxTempoError:
        return None
    said, true = without_ignored(predicted.volume(), truth.volume(), task)
    arrays = {"image": image.volume().astype(np.float32), "truth": true, "predicted": said}
    marked = (true > 0) | (said > 0)
    box = _box(marked, [min(n, LONGEST) for n in image.geometry.shape])
    dice = " ".join(f"{key.removeprefix('dice_')} {value:.3f}" for key, value in row.items() if key.startswith("dice_"))
    files = {}
    for name, array in arrays.items():
        files[name] = f"{_safe(case.id)}_{name}.npy"
        _save(folder / files[name], array[box], np.float16 if name == "image" else array.dtype)
    return {"id": case.id, "kind": "segment", "note": note, "spacing": list(predicted.geometry.spacing), "files": files,
            "orientation": "RAS", "text": f"Dice {dice}"}  # fmt: skip


def _upright(scan: Scan) -> Scan:
    """Return the scan with its axes to the right, the front and the top (voxels are moved, none is computed)."""
    return regrid(scan, scan.geometry.reoriented("RAS"))


def _box(marked: NDArray[np.bool_], most: Sequence[int]) -> tuple[slice, ...]:
    """Return a box around what is marked, with a margin, or the whole array where nothing is."""
    if not marked.any():
        return tuple(slice(0, n) for n in most)
    box = []
    for axis in range(3):
        there = np.flatnonzero(marked.any(axis=tuple(a for a in range(3) if a != axis)))
        margin = 12
        low, high = max(0, there[0] - margin), min(marked.shape[axis], there[-1] + 1 + margin)
        box.append(slice(low, min(high, low + LONGEST)))
    return tuple(box)


def _pictured(folder: Path, row: Row, prepared: PreparedCase, note: str) -> dict[str, Any]:
    image = prepared.image
    middle = image.shape[3] // 2
    picture = image.read(0, 1, z=slice(middle, middle + 1))[0, ..., 0]
    name = f"{_safe(str(row['id']))}_image.npy"
    _save(folder / name, picture, np.float16)
    sure = row.get(f"p_{row['predicted']}")
    said = f"{row['predicted']} ({sure:.2f})" if sure is not None else _four_figures(row["predicted"])
    return {
        "id": row["id"],
        "kind": "image",
        "note": note,
        "spacing": list(image.geometry.spacing),
        "orientation": image.geometry.orientation,
        "files": {"image": name},
        "text": f"truth {row['truth']}, predicted {said}",
    }


def _four_figures(value: float) -> str:
    """Return a number in whatever unit.

    >>> _four_figures(43.2178), _four_figures(0.00081234)
    ('43.22', '0.0008123')
    """
    return np.format_float_positional(value, precision=4, fractional=False, unique=False, trim="-")


def _course(folder: Path, predictor: Predictor, case: Case, prepared: PreparedCase) -> dict[str, Any]:
    stride = max(1, prepared.image.volumes // COURSE_POINTS)
    answer = predictor.course(feed_case(case, prepared, predictor.task), stride)
    name = f"{_safe(case.id)}_course.csv"
    write_csv(folder / name, course_rows(predictor, answer.course, case, prepared.image.repetition_time))
    text = f"decision of every window of {predictor.recipe.input_shape[0]} volumes, at the window's middle"
    return {"id": case.id, "kind": "course", "note": "test series", "files": {"course": name}, "text": text}


def course_rows(
    predictor: Predictor,
    course: Sequence[tuple[float, NDArray[np.float32]]],
    case: Case | None = None,
    repetition_time: float | None = None,
) -> list[dict[str, Any]]:
    """Return a time course as rows: time (s), the probability of each class or the value, and the truth where known."""
    task = predictor.task
    window = predictor.study.sample.window if predictor.study.sample else None
    rows = []
    for seconds, said in course:
        row: dict[str, Any] = {"time": seconds}
        if isinstance(task, ClassifyTask):
            row |= {f"p_{label}": float(p) for label, p in zip(task.classes, said, strict=True)}
        else:
            row["value"] = float(said[0])
        if case is not None and case.events:
            row["truth"] = _event_at(case, window, seconds, repetition_time or case.repetition_time)
        elif case is not None:
            row["truth"] = "" if case.target is None else case.target
        rows.append(row)
    return rows


def _event_at(case: Case, window: Window | None, middle: float, repetition_time: float | None) -> str:
    """Return the event that a window around a moment is about; "" where there is none, or several.

    Where windows are aligned with events, that is the event whose own window begins within half of its duration of this one,
    for so the network learned; else the one in whose time, the delay later, the window has its middle.
    """
    if window is not None and window.align and repetition_time:
        start = round(middle / repetition_time - window.span / 2)
        at = [(nearest_volume(e.onset + window.delay, repetition_time), e) for e in case.events]
        off = [(2 * repetition_time * (start - first), e) for first, e in at]
        found = {e.label for twice, e in off if twice == 0 or -e.duration <= twice < e.duration}
    else:
        moment = middle - (window.delay if window is not None else 0.0)
        found = {e.label for e in case.events if e.onset <= moment < e.onset + e.duration}
    return found.pop() if len(found) == 1 else ""


def _save(path: Path, array: NDArray[Any], dtype: Any) -> None:
    if dtype is np.float16:
        known = array[np.isfinite(array)]
        low, high = np.percentile(known, [0.5, 99.5]) if known.size else (0.0, 1.0)
        array = np.nan_to_num(np.clip((array - low) / max(float(high - low), 1e-12), 0, 1))
    np.save(path, np.ascontiguousarray(array.astype(dtype)), allow_pickle=False)


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
