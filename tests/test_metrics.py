"""The table of metrics: every figure that ``assess`` gives has an entry, and the entry says what is true of it."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from voxtempo.assess import (
    Figure,
    classification_baseline,
    classification_metrics,
    corrected_metrics,
    regression_baseline,
    regression_metrics,
    restoration_case,
    restoration_metrics,
    segmentation_case,
    segmentation_metrics,
)
from voxtempo.assess.calibration import calibration_metrics
from voxtempo.assess.coverage import coverage_metrics
from voxtempo.assess.selective import selective_metrics
from voxtempo.metrics import (
    METRICS,
    TASKS,
    criterion_of,
    goal_of,
    headline_of,
    higher_is_better,
    leading,
    scale_of,
    used,
)

N = 24
PEOPLE = [str(i) for i in range(N)]
BOUNDS = {"share": (0.0, 1.0), "coefficient": (-1.0, 1.0), "correlation": (-1.0, 1.0), "size": (0.0, np.inf),
          "spread": (0.0, np.inf), "skill": (-np.inf, 1.0), "plain": (-np.inf, np.inf), None: (-np.inf, np.inf)}  # fmt: skip


def _classified(noise: float, k: int) -> list[dict[str, Any]]:
    """Return the figures of probabilities that are those of the true class but for so much noise."""
    rng = np.random.default_rng(0)
    classes = [f"c{i}" for i in range(k)]
    truth = np.arange(N) % k
    logits = 3 * np.eye(k)[truth] + noise * rng.normal(size=(N, k))
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    metrics = classification_metrics(scores, truth, classes, PEOPLE, 50, prevalence=0.1 if k == 2 else None)
    return [
        metrics,
        metrics.get("at_threshold", {}),
        *metrics["per_class"].values(),
        classification_baseline(truth, classes, PEOPLE, None, 50),
    ]


def _certain(excess: float) -> list[dict[str, Any]]:
    """Return the figures of answers that are as often right as they say, but for so much too sure, and sure of their errors."""
    rng, n = np.random.default_rng(4), 300
    chance = rng.uniform(0.5, 0.95, n)
    wrong = rng.random(n) > chance
    told = 1 - (1 - chance) * (1 - excess)
    truth = np.arange(n) % 2
    scores = np.where((truth ^ wrong)[:, None] == [0, 1], told[:, None], 1 - told[:, None])
    doubt = (1 - excess) * wrong + excess * rng.random(n)
    people = [str(i) for i in range(n)]
    return [
        calibration_metrics(scores, truth, ["no", "yes"], people, resamples=50),
        selective_metrics(doubt, wrong, people, wrong, resamples=50),
        coverage_metrics(~wrong, {}, people, {}, resamples=50),
    ]


def _regressed(noise: float) -> list[dict[str, Any]]:
    rng = np.random.default_rng(1)
    truth = np.linspace(20, 80, N)
    told = truth + noise * rng.normal(size=N)
    metrics = regression_metrics(told, truth, PEOPLE, 50)
    baseline = regression_baseline(truth, 50.0, PEOPLE, 50)
    return [metrics, *metrics["per_band"].values(), corrected_metrics(told, truth, truth, PEOPLE, 50), baseline]


def _segmented(flips: float) -> list[dict[str, Any]]:
    """Return the figures of two blocks, one always there, of whose maps a share of the voxels is drawn anew."""
    rng = np.random.default_rng(2)
    rows = []
    for place in range(N):
        truth = np.zeros((12, 12, 6), np.uint8)
        truth[2 : 5 + place % 3, 2:6, 1:4], truth[8:11, 8:11, 2:5] = 1, 1
        told = np.where(rng.random(truth.shape) < flips, rng.integers(0, 2, truth.shape), truth)
        rows.append(segmentation_case(told, truth, {1: "a"}, (1, 1, 2)))
    return [
        {name: each["a"] for name, each in segmentation_metrics(rows, PEOPLE, 50).items() if isinstance(each, dict)}
    ]


def _restored(noise: float) -> list[dict[str, Any]]:
    rng = np.random.default_rng(3)
    truth = rng.random((24, 24, 24))
    rows = [restoration_case(truth + noise * rng.normal(size=truth.shape), truth) for _ in range(N)]
    return [restoration_metrics(rows, PEOPLE, 50)]


JUDGES = {
    "two classes": (functools.partial(_classified, k=2), 1.0, 3.0),
    "four classes": (functools.partial(_classified, k=4), 1.0, 3.0),
    "certainty": (_certain, 0.0, 0.95),
    "regress": (_regressed, 1.0, 9.0),
    "segment": (_segmented, 0.02, 0.3),
    "restore": (_restored, 0.02, 0.2),
}


@functools.cache
def _figures(kind: str, better: bool) -> tuple[tuple[str, int, Figure], ...]:
    """Return (name, part, figure) of answers that are good, or far worse ones."""
    judge, good, bad = JUDGES[kind]
    parts = judge(good if better else bad)
    return tuple((n, i, f) for i, part in enumerate(parts) for n, f in part.items() if isinstance(f, Figure))


def test_the_table_holds_what_assess_gives_and_nothing_else():
    found = {name for kind in JUDGES for name, _, _ in _figures(kind, True)}
    # The size of what was promised is averaged where the promise is kept (inference).
    assert found | {"set_size", "interval_width", "outer_volume"} == set(METRICS)


@pytest.mark.parametrize("kind", JUDGES)
def test_a_metric_goes_where_its_entry_says_when_answers_get_better(kind):
    worse = {(name, part): figure.value for name, part, figure in _figures(kind, False)}
    ranked = 0
    for name, part, figure in _figures(kind, True):
        larger, then = higher_is_better(name), worse.get((name, part))
        if larger is None or figure.value is None or then is None or then == figure.value:
            continue
        assert (figure.value > then) == larger, name
        ranked += 1
    assert ranked >= 4


@pytest.mark.parametrize("kind", JUDGES)
def test_values_and_intervals_lie_within_the_bounds_of_the_scale(kind):
    for name, _, figure in (*_figures(kind, True), *_figures(kind, False)):
        low, high = BOUNDS[scale_of(name)]
        for value in (figure.value, figure.low, figure.high):
            assert value is None or low <= value <= high, name


def test_an_axis_fits_its_scale():
    fitting = {"share": {"rate"}, "coefficient": {"share"}, "correlation": {"share"}, "skill": {"share"}, "size": {"error"},
               "spread": {"error"}, "plain": {"signed", "error"}}  # fmt: skip
    assert all(metric.scale is None or metric.axis in fitting[metric.scale] for metric in METRICS.values())
    assert all(metric.axis == "signed" for metric in METRICS.values() if metric.goal == "zero" and metric.unit)


@pytest.mark.parametrize("task", TASKS)
def test_a_task_has_one_headline_and_one_criterion_that_can_choose(task):
    assert len(used("headline", task)) == len(used("criterion", task)) == 1
    assert higher_is_better(criterion_of(task)) is not None
    assert used("tune", task)[0] == used("short", task)[0] == criterion_of(task)
    assert all(higher_is_better(name) is not None for name in used("tune", task))
    assert set(used("short", task)) <= set(leading(task))


def test_what_has_a_use_has_a_task_and_what_describes_cases_has_no_goal():
    assert all(metric.tasks for metric in METRICS.values() if metric.uses)
    assert all(set(metric.tasks) <= set(TASKS) for metric in METRICS.values())
    assert all(metric.goal is None for metric in METRICS.values() if not metric.judges)


def test_what_is_no_metric_has_nothing():
    assert (scale_of("my_own"), goal_of("my_own"), higher_is_better("my_own")) == (None, None, None)
    assert (leading("restore"), used("tune", "restore"), headline_of("restore")) == ((), (), "accuracy")
