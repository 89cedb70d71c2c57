"""Judging: metrics as pure functions on arrays, every figure with its interval over subjects and its denominator.

Failures count. A failed case is wrong, a missed structure scores 0; nothing is dropped from an average.
"""

from voxtempo.assess.aggregation import BySubject, aggregate_by_subject
from voxtempo.assess.classification import class_codes, classification_baseline, classification_metrics
from voxtempo.assess.figure import Figure, as_json
from voxtempo.assess.intervals import bootstrap, mean_figures, weighted_figures
from voxtempo.assess.regression import regression_baseline, regression_metrics
from voxtempo.assess.roc import area_under_roc, failure_scores, roc_points
from voxtempo.assess.segmentation import (
    image_diagonal,
    segmentation_case,
    segmentation_failure,
    segmentation_metrics,
    surface_tolerance,
)
from voxtempo.assess.subgroups import subgroup_metrics, subgroup_of
from voxtempo.assess.surface import Compared, SurfaceDistances, compare_labels, surface_distances, surface_of

__all__ = [
    "BySubject",
    "Compared",
    "Figure",
    "SurfaceDistances",
    "aggregate_by_subject",
    "area_under_roc",
    "as_json",
    "bootstrap",
    "class_codes",
    "classification_baseline",
    "classification_metrics",
    "compare_labels",
    "failure_scores",
    "image_diagonal",
    "mean_figures",
    "regression_baseline",
    "regression_metrics",
    "roc_points",
    "segmentation_case",
    "segmentation_failure",
    "segmentation_metrics",
    "subgroup_metrics",
    "subgroup_of",
    "surface_distances",
    "surface_of",
    "surface_tolerance",
    "weighted_figures",
]
