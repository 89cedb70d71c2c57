"""How much better a network is than an answer that ignores the scan, on the same cases; which subgroups are comparable."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from voxtempo.cli.console import metric_lines
from voxtempo.cohort import Case
from voxtempo.inference import Judged
from voxtempo.inference.calibration import NEUTRAL
from voxtempo.inference.certainty_metrics import certainty_of
from voxtempo.inference.figures import baseline_of
from voxtempo.inference.subgroups import gaps_of, subgroups_of
from voxtempo.learning.tasks import ClassifyTask, RegressTask

ASKED = SimpleNamespace(
    evaluate=SimpleNamespace(by="case", intervals=400, subgroups=["sex"], prevalence=None),
    split=SimpleNamespace(seed=0),
)


def row(place: int, truth: object, **said: object) -> dict:
    subject = f"s{place}"
    return {
        "id": f"c{place}",
        "subject": subject,
        "group": subject,
        "role": "test",
        "status": "ok",
        "truth": truth,
        **said,
    }


def test_a_gain_is_paired_and_so_finds_what_two_intervals_would_not():
    rng = np.random.default_rng(0)
    truth = rng.normal(0.0008, 0.0002, 25)
    mean = 0.0008
    predicted = mean + 0.15 * (truth - mean) + rng.normal(0, 3e-6, 25)
    judged = Judged(tuple(row(i, t, predicted=p) for i, (t, p) in enumerate(zip(truth, predicted, strict=True))))
    found = baseline_of(judged, [RegressTask(mean, 0.0002)], ASKED, None, "case")
    gain, own = found["gain"]["mae"], found["mae"]
    errors = np.abs(truth - predicted)
    assert gain.value == pytest.approx(np.mean(np.abs(truth - mean) - errors))
    assert gain.low > 0, "every case is a little better"
    assert own.low < errors.mean() < own.high, "which the baseline's own interval would not tell"
    expected = stats.ttest_1samp(np.abs(truth - mean) - errors, 0).confidence_interval()
    assert (gain.low, gain.high) == pytest.approx(tuple(expected), rel=0.3)


@pytest.mark.parametrize("threshold", [None, 0.8])
def test_the_gain_of_classes_counts_what_was_said(threshold):
    task = ClassifyTask(("a", "b"))
    truth = ["a"] * 14 + ["b"] * 6
    chance = [0.1] * 12 + [0.7, 0.9] + [0.9] * 3 + [0.7, 0.2, np.nan]
    beside = {} if threshold is None else {"threshold": threshold}
    rows = [row(i, t, p_a=1 - p, p_b=p, **beside) for i, (t, p) in enumerate(zip(truth, chance, strict=True))]
    gain = baseline_of(Judged(tuple(rows)), [task], ASKED, ["a"] * 9 + ["b"], "case")["gain"]["accuracy"]
    right = (12 + 4) if threshold is None else (13 + 3)
    assert gain.value == pytest.approx((right - 14) / 20)
    assert gain.low < gain.value < gain.high


def test_averages_over_other_classes_are_not_compared():
    task = ClassifyTask(("control", "mci", "rare"))
    rng = np.random.default_rng(1)
    rows, cases = [], []
    for place in range(60):
        sex = "FM"[place % 2]
        truth = "rare" if place in (0, 2) else ("control", "mci")[place // 2 % 2]
        chances = rng.dirichlet(1 + 3 * np.eye(3)[task.classes.index(truth)])
        rows.append(row(place, truth, **{f"p_{name}": float(p) for name, p in zip(task.classes, chances, strict=True)}))
        cases.append(Case(f"c{place}", f"s{place}", {}, row={"sex": sex}))
    judged = Judged(tuple(rows))
    gaps = gaps_of(judged, task, ASKED, cases, subgroups_of(judged, task, ASKED, cases))["sex"]
    assert {"accuracy", "brier", "per_class"} <= set(gaps)
    assert not {"balanced_accuracy", "precision", "f1", "auc"} & set(gaps), "of three classes for F, and of two for M"
    same = Judged(tuple(each for each in rows if each["truth"] != "rare"))
    gaps = gaps_of(same, task, ASKED, cases, subgroups_of(same, task, ASKED, cases))["sex"]
    assert {"balanced_accuracy", "precision", "f1", "auc"} <= set(gaps)


def test_maps_that_could_not_be_fitted_are_no_calibration():
    task = ClassifyTask(("a", "b"))
    rows = tuple(row(i, "ab"[i % 2], p_a=0.4, p_b=0.6) for i in range(20))
    asked = SimpleNamespace(task=task, calibrations=(NEUTRAL, NEUTRAL))
    found = certainty_of(Judged(rows), asked, ASKED, [], None)["calibration"]
    assert found["method"] == "none"
    assert "test_before" not in found


@pytest.mark.parametrize(
    ("value", "ends", "text"),
    [
        (0.8412, (0.76, 0.91), "0.841 [0.760, 0.910] over 32 subjects"),
        (0.000163, (0.000125, 0.000222), "0.000163 [0.000125, 0.000222] over 32 subjects"),
        (0.0, (0.0, 0.0), "0.000 [0.000, 0.000] over 32 subjects"),
        (1234.5, None, "1234.500 over 32 subjects"),
    ],
)
def test_the_terminal_shows_small_units(value, ends, text):
    low, high = ends or (None, None)
    figure = {"value": value, "low": low, "high": high, "n": 32, "over": "subjects"}
    (line,) = metric_lines({"test": {"mae": figure}})
    assert line.endswith(text)
