"""Judging segmentations: overlap, distance and volume of every label, case by case and over the cohort.

Empty structures have one rule, so that nothing is ever NaN and dropped:

=====================  =======================  ==============================
structure              overlap metrics          distances
=====================  =======================  ==============================
in neither             1                        0
in only one of both    0                        the image's diagonal (mm)
case failed            0                        the image's diagonal (mm)
=====================  =======================  ==============================
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxtempo.assess.agreement import volume_agreement
from voxtempo.assess.components import count_components
from voxtempo.assess.figure import Figure
from voxtempo.assess.intervals import check_lengths, mean_figures
from voxtempo.assess.lesions import failed_counts, lesion_counts, lesion_figures
from voxtempo.assess.surface import compare_labels
from voxtempo.errors import GeometryError, StudyError, VoxTempoError
from voxtempo.metrics import MEAN

SHARES = ("dice", "iou", "sensitivity", "precision", "surface_dice")
DISTANCES = ("hausdorff_95", "average_surface_distance")
VOLUMES = ("volume", "true_volume", "volume_error")

LabelRow = Mapping[str, float]
CaseRow = Mapping[str, LabelRow]


def image_diagonal(shape: Sequence[int], spacing: Sequence[float]) -> float:
    """Return the length in mm of the image's diagonal; axes of one voxel are no axes.

    >>> image_diagonal((3, 4, 1), (1.0, 1.0, 9.0))
    5.0
    """
    return math.hypot(*(n * step for n, step in zip(shape, spacing, strict=True) if n > 1))


def surface_tolerance(shape: Sequence[int], spacing: Sequence[float]) -> float:
    """Return the tolerance (mm) of the surface Dice where none is given: 1 mm, or the shortest side of a larger voxel.

    What is finer than a voxel cannot be drawn, so it is no error; an axis of one voxel is no axis.

    >>> surface_tolerance((64, 64, 20), (0.5, 0.5, 5.0)), surface_tolerance((64, 64, 1), (2.0, 3.0, 0.1))
    (1.0, 2.0)
    """
    return max(1.0, min((step for n, step in zip(shape, spacing, strict=True) if n > 1), default=1.0))


def segmentation_case(
    predicted: NDArray[Any],
    truth: NDArray[Any],
    labels: Mapping[int, str],
    spacing: Sequence[float],
    *,
    tolerance: float | Mapping[str, float] | None = None,
    overlap: float = 0.0,
    threads: int | None = None,
) -> dict[str, dict[str, float]]:
    """Judge one case.

    Parameters
    ----------
    predicted, truth : label maps (x, y, z) on one grid; 0 is the background.
    labels : value -> name of the structures to judge; other values count as background.
    spacing : mm between voxel centres along x, y, z.
    tolerance : mm by which a surface may be off for "surface_dice", one for all structures or by name; None takes
        ``surface_tolerance``.
    overlap : least intersection over union with which a lesion counts as found; 0 takes one shared voxel.
    threads : that work at once; None takes all cores.

    Returns
    -------
    label name -> "dice", "iou", "sensitivity", "precision", "surface_dice" (0 to 1), "hausdorff_95",
    "average_surface_distance" (mm), "volume", "true_volume", "volume_error" (predicted minus true), all three in ml,
    and the counts of ``lesion_counts``.

    Raises
    ------
    GeometryError : the two maps differ in shape.
    """
    if predicted.shape != truth.shape:
        raise GeometryError(f"A prediction of shape {predicted.shape} cannot be judged by a truth of {truth.shape}.")
    _check_names(labels.values())
    voxel = math.prod(spacing) / 1000.0
    diagonal = image_diagonal(truth.shape, spacing)
    usual = surface_tolerance(truth.shape, spacing)
    rows = {}
    compared = compare_labels(predicted, truth, list(labels), spacing, threads)
    for name, each in zip(labels.values(), compared, strict=True):
        found, real, shared, distances = each.found, each.real, each.shared, each.distances
        allowed = tolerance.get(name, usual) if isinstance(tolerance, Mapping) else tolerance
        nothing = found == 0 and real == 0
        worst = 0.0 if nothing else diagonal
        rows[name] = {
            "dice": 1.0 if nothing else 2 * shared / (found + real),
            "iou": 1.0 if nothing else shared / (found + real - shared),
            "sensitivity": 1.0 if nothing else shared / max(real, 1),
            "precision": 1.0 if nothing else shared / max(found, 1),
            "surface_dice": float(nothing)
            if distances is None
            else distances.dice(usual if allowed is None else allowed),
            "hausdorff_95": worst if distances is None else distances.hausdorff(95.0),
            "average_surface_distance": worst if distances is None else distances.average(),
            "volume": found * voxel,
            "true_volume": real * voxel,
            "volume_error": (found - real) * voxel,
            **lesion_counts(each.components, overlap),
        }
    return rows


def segmentation_failure(
    labels: Mapping[int, str],
    shape: Sequence[int],
    spacing: Sequence[float],
    truth: NDArray[Any] | None = None,
) -> dict[str, dict[str, float]]:
    """Return the row of a case for which no prediction could be made: the worst, whatever the truth is.

    Without ``truth`` the volumes are unknown (NaN); overlaps and distances never are. Lesions are as ``failed_counts`` has
    them.
    """
    _check_names(labels.values())
    voxel = math.prod(spacing) / 1000.0
    lesions = [None for _ in labels] if truth is None else count_components(truth, list(labels))
    rows = {}
    for (value, name), missed in zip(labels.items(), lesions, strict=True):
        real = math.nan if truth is None else int(np.count_nonzero(truth == value)) * voxel
        row = dict.fromkeys(SHARES, 0.0) | dict.fromkeys(DISTANCES, image_diagonal(shape, spacing))
        rows[name] = row | {"volume": 0.0, "true_volume": real, "volume_error": -real, **failed_counts(missed)}
    return rows


def segmentation_metrics(
    rows: Sequence[CaseRow],
    subjects: ArrayLike | Sequence[Any],
    resamples: int = 2000,
    seed: int | np.random.Generator = 0,
    failed: Sequence[bool] | None = None,
    averaged: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Average the cases' rows over the cohort.

    Parameters
    ----------
    rows : for every case what ``segmentation_case`` or ``segmentation_failure`` returned. Should an overlap be missing
        or NaN it counts as 0, and a missing distance as the longest distance of any row.
    subjects : (n,) whom each case comes from.
    resamples, seed : of the bootstrap over subjects.
    failed : (n,) which cases failed, to be counted.
    averaged : labels that "mean" is the mean of; None takes all.

    Returns
    -------
    metric -> label -> figure, and under "mean" the average over (``averaged``) labels. Beside the metrics of a case, which are
    averaged over cases, there are "absolute_volume_error" (ml), the figures of ``volume_agreement`` (of labels only), and
    those of ``lesion_figures``. Counts "cases", "subjects", "failed".

    Raises
    ------
    VoxTempoError : cases have different labels.
    """
    names = np.asarray(subjects).astype(str)
    check_lengths(rows=rows, subjects=names)
    result: dict[str, Any] = {}
    for (metric, label), figure in _means_of_known(structure_columns(rows, averaged), names, resamples, seed).items():
        result.setdefault(metric, {})[label] = figure
    for label in rows[0] if rows else ():
        found, real = ([float(row[label].get(name, math.nan)) for row in rows] for name in VOLUMES[:2])
        for metric, figure in volume_agreement(found, real, names, resamples, seed).items():
            result.setdefault(metric, {})[label] = figure
    labels = list(averaged or (rows[0] if rows else ()))
    result.update(lesion_figures(rows, labels, MEAN, names, resamples, seed))
    result.update(cases=len(rows), subjects=len(np.unique(names)), failed=int(sum(failed or ())))
    return result


def structure_columns(
    rows: Sequence[CaseRow], averaged: Sequence[str] | None = None
) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Return (metric, label) -> every case's number (n,), with "absolute_volume_error" and the average over labels.

    Parameters
    ----------
    rows, averaged : as in ``segmentation_metrics``, which takes the means of these columns.

    Raises
    ------
    VoxTempoError : cases have different labels.
    """
    labels = list(rows[0]) if rows else []
    for row in rows:
        if set(row) != set(labels):
            raise VoxTempoError(f"Cases were judged on different labels: {sorted(labels)} and {sorted(row)}.")
    columns: dict[tuple[str, str], NDArray[np.float64]] = {}
    for metric in (*SHARES, *DISTANCES, *VOLUMES):
        for label in labels:
            columns[metric, label] = np.array([float(row[label].get(metric, math.nan)) for row in rows])
    for metric in SHARES:
        for label in labels:
            columns[metric, label] = np.nan_to_num(columns[metric, label], nan=0.0)
    for metric in DISTANCES:
        known = [columns[metric, label][np.isfinite(columns[metric, label])] for label in labels]
        longest = max((float(values.max()) for values in known if values.size), default=0.0)
        for label in labels:
            columns[metric, label] = np.nan_to_num(columns[metric, label], nan=longest)
    for label in labels:
        columns["absolute_volume_error", label] = np.abs(columns["volume_error", label])
    averages = {
        (metric, MEAN): np.mean([columns[metric, label] for label in averaged or labels], axis=0)
        for metric in dict.fromkeys(name for name, _ in columns)
    }
    return {
        (metric, label): (columns | averages)[metric, label]
        for metric in dict.fromkeys(name for name, _ in columns)
        for label in (*labels, MEAN)
    }


def _means_of_known(
    columns: Mapping[tuple[str, str], NDArray[np.float64]],
    subjects: NDArray[np.str_],
    resamples: int,
    seed: int | np.random.Generator,
) -> dict[tuple[str, str], Figure]:
    """Return the means with their intervals; where values are unknown (volumes of failed cases), n counts only the known."""
    together: dict[bytes, list[tuple[str, str]]] = {}
    for key, column in columns.items():
        together.setdefault(np.isfinite(column).tobytes(), []).append(key)
    figures: dict[tuple[str, str], Figure] = {}
    for keys in together.values():
        known = np.isfinite(columns[keys[0]])
        figures |= mean_figures({key: columns[key][known] for key in keys}, subjects[known], resamples, seed)
    return {key: figures[key] for key in columns}


def _check_names(names: Any) -> None:
    if MEAN in set(names):
        raise StudyError("A label cannot be called 'mean': results use that name for the average over labels.")
