"""Parts of the result: calls at a threshold, the decision curve, bands, lesions, volumes, the corrected gap."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voxtempo.assess import corrected_metrics, decision_curve
from voxtempo.metrics import METRICS
from voxtempo.report.result import result_section
from voxtempo.report.run_files import read_run
from voxtempo.report.threshold import decision_chart


def _changed(folder: Path, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    path = folder / "metrics.json"
    metrics = json.loads(path.read_text(encoding="utf-8"))
    change(metrics)
    path.write_text(json.dumps(metrics), encoding="utf-8")
    return dict(result_section(read_run(folder)).content)


def _curve() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    positive = rng.random(60) < 0.4
    scores = np.clip(rng.normal(0.3 + 0.4 * positive, 0.2), 0, 1)
    return decision_curve(scores, positive, np.arange(60), resamples=200).as_json()


def test_calls_of_two_classes_are_told_with_threshold_and_prevalence(fresh: Callable[[str], Path]):
    folder = fresh("classify")

    def change(metrics):
        metrics["test"]["at_threshold"] |= {"threshold": 0.237, "prevalence": 0.02}
        metrics["decision_curve"] = {"positive": "male", **_curve()}

    content = _changed(folder, change)
    told = content["threshold"]
    assert (told["positive"], told["at"], told["prevalence"]) == ("male", "0.24", "2 %")
    titles = [line.title for line in told["lines"]]
    assert titles[:2] == ["Sensitivity", "Specificity"]
    assert "Positive predictive value" in titles
    assert any("Decision curve of “male”" in caption for caption, _ in content["charts"])
    lines = {line.title for line in content["lines"]}
    assert {"Average precision", "Matthews correlation", "Cohen's kappa", "Brier score", "Log-loss"} <= lines


def test_without_a_record_there_is_neither(fresh: Callable[[str], Path]):
    folder = fresh("classify")
    content = _changed(folder, lambda metrics: metrics["test"].pop("at_threshold"))
    assert content["threshold"] is None
    assert not any("Decision" in caption for caption, _ in content["charts"])


@pytest.mark.parametrize("broken", [{}, {"thresholds": [0.5]}, {"thresholds": [0.5], "model": [{}], "treat_all": [{}]}])
def test_a_curve_that_is_not_whole_is_left_out(broken):
    assert decision_chart(broken) is None


def test_the_curve_shows_the_three_ways_to_act():
    drawn = str(decision_chart(_curve()))
    for words in ("nobody", "everybody", "the network", "net benefit"):
        assert words in drawn


def test_bands_and_the_corrected_gap_of_a_regression(fresh: Callable[[str], Path]):
    rng = np.random.default_rng(1)
    age = rng.uniform(20, 80, 30)
    corrected = corrected_metrics(age + rng.normal(size=30), age, age, np.arange(30), 200)

    def change(metrics):
        metrics["test"]["corrected"] = {name: figure.as_json() for name, figure in corrected.items()}

    folder = fresh("regress")
    recorded = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["test"]["per_band"]
    content = _changed(folder, change)
    grid = content["grid"]
    assert [name for name, _, _ in grid.rows] == list(recorded)
    assert [int(cases) for _, _, cases in grid.rows] == [band["cases"] for band in recorded.values()]
    told = {line.title: line for line in content["corrected"]}
    assert told["Mean absolute gap"].meaning == "was given the truth: no error of prediction"
    assert "Mean absolute gap" not in {line.title for line in content["lines"]}


def test_lesions_and_volumes_of_every_label(fresh: Callable[[str], Path]):
    folder = fresh("segment")
    content = _changed(folder, lambda metrics: None)
    grids = dict(content["more"])
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["test"]
    labels = [name for name in metrics["dice"] if name != "mean"]
    for title, metric in (("Lesions (connected components)", "lesion_f1"), ("Volume agreement", "volume_concordance")):
        grid = grids[title]
        place = grid.columns.index(METRICS[metric].title)
        rows = {name: cells for name, cells, _ in grid.rows}
        assert set(labels) <= set(rows)
        for label in labels:
            shown = rows[label][place][0].replace("−", "-")
            assert float(shown) == pytest.approx(metrics[metric][label]["value"], abs=0.006)
