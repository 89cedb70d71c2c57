"""Every metric that a result can hold: what it is called, what is better, how it is drawn, and what is chosen by it.

One entry a metric, read by all rooms, so that intervals, subgroups, rankings, tables and the terminal cannot differ in what
they take it for. The functions that compute them are in ``assess``.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

Scale = Literal["plain", "share", "coefficient", "correlation", "size", "spread", "skill"]
"""Without bounds; 0 to 1; -1 to 1; a Pearson correlation; at least 0; the root of a mean of squares; at most 1."""

Goal = Literal["larger", "smaller", "zero"]
Axis = Literal["rate", "share", "error", "signed"]
"""Where a report draws it: from 0 to 1; to 1, from 0 or from -1 where it is negative; from 0 up; about 0."""

Use = Literal["headline", "criterion", "tune", "short", "elsewhere"]
"""What a task's report says first; what runs, networks and epochs are chosen by; what ``tune.metric`` may be; what stands for a
run in few words (printed, and of each seed); what is told of other cohorts."""


@dataclass(frozen=True)
class Metric:
    """What is known of a metric.

    Parameters
    ----------
    title : as people call it.
    meaning : a line that says what it is.
    unit : of its values.
    axis : on which a report draws it, which also decides its least decimals.
    scale : on which an interval of it is even; None where no such scale is known.
    goal : where it should be; None where it has no better and no worse.
    judges : whether it says how good answers are; False for what describes the cases.
    tasks : in whose tables it comes first, in the order of ``METRICS``.
    uses : what else it serves in those tasks.
    """

    title: str
    meaning: str = ""
    unit: str = ""
    axis: Axis = "error"
    scale: Scale | None = None
    goal: Goal | None = None
    judges: bool = True
    tasks: tuple[str, ...] = ()
    uses: tuple[Use, ...] = ()


_rate = partial(Metric, axis="rate", scale="share", goal="larger")
_coefficient = partial(Metric, axis="share", scale="coefficient", goal="larger")
_size = partial(Metric, axis="error", scale="size", goal="smaller")
_error = partial(Metric, axis="error", goal="smaller")

_CLASSIFY, _REGRESS, _SEGMENT = ("classify",), ("regress",), ("segment",)
_UNIT = "in the target's unit"

METRICS = {
    "accuracy": _rate(
        "Accuracy", "share of right answers", tasks=_CLASSIFY, uses=("headline", "tune", "short", "elsewhere")
    ),
    "balanced_accuracy": _rate(
        "Balanced accuracy", "mean recall of the classes", tasks=_CLASSIFY,
        uses=("criterion", "tune", "short", "elsewhere"),
    ),
    "auc": _rate(
        "Area under ROC", "chance that a case of the class ranks higher", tasks=_CLASSIFY,
        uses=("tune", "short", "elsewhere"),
    ),
    "average_precision": _rate(
        "Average precision", "precision over all recalls; by chance the class's share", tasks=_CLASSIFY
    ),
    "f1": _rate("F1", "harmonic mean of precision and recall", tasks=_CLASSIFY, uses=("tune",)),
    "dice": _rate(
        "Dice", "overlap with the truth", tasks=_SEGMENT, uses=("headline", "criterion", "tune", "short", "elsewhere")
    ),
    "iou": _rate("Intersection over union", "shared over joint volume", tasks=_SEGMENT, uses=("tune",)),
    "sensitivity": _rate("Sensitivity", "found of what there is", tasks=(*_CLASSIFY, *_SEGMENT)),
    "recall": _rate("Recall", "found among those there are", tasks=_CLASSIFY),
    "specificity": _rate("Specificity", "spared among the others", tasks=_CLASSIFY),
    "precision": _rate("Precision", "right among those found", tasks=(*_CLASSIFY, *_SEGMENT)),
    "surface_dice": _rate("Surface Dice", "surface within the tolerance", tasks=_SEGMENT, uses=("tune", "elsewhere")),
    "hausdorff_95": _size(
        "Hausdorff 95", "surface distance, 95th percentile", "mm", tasks=_SEGMENT, uses=("short", "elsewhere")
    ),
    "average_surface_distance": _size("Average surface distance", "mean over both surfaces", "mm", tasks=_SEGMENT),
    "mae": _size(
        "Mean absolute error", _UNIT, tasks=_REGRESS, uses=("headline", "criterion", "tune", "short", "elsewhere")
    ),
    "rmse": _error("Root mean squared error", _UNIT, scale="spread", tasks=_REGRESS, uses=("tune", "short")),
    "r2": Metric(
        "R²", "share of the variation explained", axis="share", scale="skill", goal="larger", tasks=_REGRESS,
        uses=("tune", "short", "elsewhere"),
    ),
    "correlation": _coefficient("Correlation", "Pearson", scale="correlation", tasks=_REGRESS, uses=("tune", "short")),
    "bias": Metric(
        "Bias", "mean of predicted minus true", axis="signed", scale="plain", goal="zero", tasks=_REGRESS,
        uses=("elsewhere",),
    ),
    "top_2_accuracy": _rate("Top 2 accuracy", "true class among the two likeliest"),
    "top_3_accuracy": _rate("Top 3 accuracy", "true class among the three likeliest"),
    "mcc": _coefficient("Matthews correlation", "of truth and prediction; 0 by chance"),
    "kappa": _coefficient("Cohen's kappa", "agreement beyond chance"),
    "brier": _size("Brier score", "squared error of the probabilities, 0 to 1"),
    "log_loss": _size("Log-loss", "surprise at the true class", "nats"),
    "positive_predictive_value": _rate("Positive predictive value", "right among those called"),
    "negative_predictive_value": _rate("Negative predictive value", "right among those not called"),
    "positive_predictive_value_at_prevalence": _rate("Positive predictive value", "at the stated prevalence"),
    "negative_predictive_value_at_prevalence": _rate("Negative predictive value", "at the stated prevalence"),
    "youden": _coefficient("Youden's index", "sensitivity + specificity − 1"),
    "calibration_error": _error("Calibration error", "of the predicted class, without chance's part"),
    "class_wise_calibration_error": _error("Class-wise calibration error", "the same over all classes"),
    "ece": _error("Expected calibration error", "mean gap of the bins, chance's part included"),
    "class_wise_ece": _error("Class-wise expected error", "the same over all classes"),
    "maximum_calibration_error": _error("Largest gap", "of any bin"),
    # A promise is kept or broken: more than was promised is no better.
    "coverage": Metric("Coverage", "truths inside, every subject weighing the same", axis="rate", scale="share"),
    "set_size": _size("Set size", "classes in a set"),
    "interval_width": _size("Interval width", _UNIT),
    "outer_volume": _size("Outer volume", unit="ml"),
    "aurc": _size("Area under risk-coverage", "mean error over all shares of answered cases"),
    "excess_aurc": _size("Excess area", "above the order by the errors themselves"),
    "ause": _size("Sparsification error", "excess area over the mean error; 0 is perfect"),
    "error_auroc": Metric(
        "Errors told", "chance that a wrong case is less certain than a right one", axis="rate", goal="larger"
    ),
    "gap_sd": _error("Gap, standard deviation", "of predicted minus true", scale="spread"),
    "gap_correlation": Metric(
        "Gap and truth", "correlation; below 0, predictions are pulled to the mean", axis="share", scale="correlation",
        goal="zero",
    ),
    "mae_given_truth": Metric("Mean absolute gap", "was given the truth: no error of prediction", scale="size"),
    "volume": Metric("Volume, predicted", unit="ml", scale="size", judges=False),
    "true_volume": Metric("Volume, true", unit="ml", scale="size", judges=False),
    "volume_error": Metric("Volume error", "predicted minus true", "ml", axis="signed", scale="plain", goal="zero"),
    "absolute_volume_error": _size("Absolute volume error", unit="ml"),
    "volume_lower_limit": Metric(
        "Lower limit of agreement", "of predicted minus true volume", "ml", axis="signed", goal="zero"
    ),
    "volume_upper_limit": Metric(
        "Upper limit of agreement", "of predicted minus true volume", "ml", axis="signed", goal="zero"
    ),
    "volume_concordance": _coefficient("Volume concordance", "Lin's, of predicted and true"),
    "lesion_sensitivity": _rate("Lesions found", "of the true ones"),
    "lesion_precision": _rate("Lesions right", "of the predicted ones"),
    "lesion_f1": _rate("Lesion F1", "harmonic mean of both"),
    "false_lesions": _size("False lesions", "predicted where there is none", "a case"),
    "panoptic_quality": _rate("Panoptic quality", "overlap of matched lesions times their F1"),
    "recognition_quality": _rate("Recognition quality", "F1 of lesions that match by more than half"),
    "segmentation_quality": _rate("Segmentation quality", "mean overlap of matched lesions"),
    "psnr": Metric("Peak signal-to-noise ratio", unit="dB", scale="plain", goal="larger"),
    "ssim": _coefficient("Structural similarity", "of brightness, contrast and structure"),
    "ms_ssim": _coefficient("Structural similarity, several scales", "of brightness, contrast and structure"),
    "nrmse": _size("Normalised root mean squared error", "over the root mean square of the truth"),
}  # fmt: skip
"""Name -> metric, in the order in which a reader meets them: ``tasks`` says which of them lead a task's tables."""

RULERS: Mapping[str, tuple[str, ...]] = {
    "tolerance": ("surface_dice",),
    "lesion_overlap": ("lesion_sensitivity", "lesion_precision", "lesion_f1", "false_lesions"),
}
"""Keys of ``evaluate`` that say how label maps are compared with truths -> the metrics that hang on them."""

TASKS = ("classify", "regress", "segment")
MEAN = "mean"
"""The name under which the average over labels stands, beside the labels' own names."""


def scale_of(key: Hashable) -> Scale | None:
    """Return the scale of a metric by its name, or by the first part of a key such as ("f1", class); None if unknown.

    >>> scale_of(("f1", 2)), scale_of("r2"), scale_of("median")
    ('share', 'skill', None)
    """
    name = key[0] if isinstance(key, tuple) and key else key
    metric = METRICS.get(name) if isinstance(name, str) else None
    return metric.scale if metric else None


def goal_of(name: str) -> Goal | None:
    """Return where a metric should be; None for what has no better and no worse, and for what is no metric.

    >>> goal_of("dice"), goal_of("bias"), goal_of("volume")
    ('larger', 'zero', None)
    """
    metric = METRICS.get(name)
    return metric.goal if metric else None


def higher_is_better(name: str) -> bool | None:
    """Return whether more of a metric is better; None for what cannot be ranked, such as a bias or a volume.

    >>> higher_is_better("dice"), higher_is_better("mae"), higher_is_better("bias")
    (True, False, None)
    """
    return {"larger": True, "smaller": False}.get(goal_of(name) or "")


def leading(task: str) -> tuple[str, ...]:
    """Return the metrics that come first in a task's tables, in their order; none of a task that is unknown.

    >>> leading("regress")
    ('mae', 'rmse', 'r2', 'correlation', 'bias')
    """
    return tuple(name for name, metric in METRICS.items() if task in metric.tasks)


def used(use: Use, task: str) -> tuple[str, ...]:
    """Return the metrics of a task that serve a use, what is chosen by first.

    >>> used("short", "classify")
    ('balanced_accuracy', 'accuracy', 'auc')
    """
    names = [name for name in leading(task) if use in METRICS[name].uses]
    return tuple(sorted(names, key=lambda name: "criterion" not in METRICS[name].uses))


def headline_of(task: str) -> str:
    """Return what a task's report says first.

    >>> [headline_of(task) for task in TASKS]
    ['accuracy', 'mae', 'dice']
    """
    return _first("headline", task)


def criterion_of(task: str) -> str:
    """Return what runs, networks, epochs and tuned values of a task are chosen by.

    >>> [criterion_of(task) for task in TASKS]
    ['balanced_accuracy', 'mae', 'dice']
    """
    return _first("criterion", task)


def _first(use: Use, task: str) -> str:
    """Return the metric of a task that serves a use; of a task that is unknown, the first metric there is."""
    return next(iter((*used(use, task), *METRICS)))


def path_to(name: str, task: str) -> tuple[str, ...]:
    """Return the keys that lead to a metric's figure among a task's metrics: of labels, to their mean.

    >>> path_to("dice", "segment"), path_to("mae", "regress")
    (('dice', 'mean'), ('mae',))
    """
    return (name, MEAN) if task == "segment" else (name,)
