"""What a run writes into ``metrics.json`` is what docs/run-folder.md says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from documented import BAND, undocumented

from voxtempo.assess import segmentation_case
from voxtempo.cohort.case import Case, Cohort
from voxtempo.inference import Judged
from voxtempo.inference.promise import Promise
from voxtempo.learning.tasks import ClassifyTask, LearningTask, RegressTask, SegmentTask
from voxtempo.metrics import METRICS, criterion_of
from voxtempo.workflow.judging import judgement
from voxtempo.workflow.records import METRICS_VERSION, write_metrics

TASKS = {
    "two classes": ClassifyTask(("left", "right")),
    "five classes": ClassifyTask(("a1", "a2", "a3", "a4", "a5")),
    "regress": RegressTask(50.0, 10.0),
    "segment": SegmentTask({1: "ball", 2: "core"}),
}
SIZES = {"two classes": "set_size", "five classes": "set_size", "regress": "interval_width", "segment": "outer_volume"}
OTHERS = {"by", "class", "frequency", "model", "treat_all"}
"""What holds figures that are no metrics' own: coverage of each group, bins of a reliability diagram, a decision curve."""
NAMES = ("left", "right", "a1", "a2", "a3", "a4", "a5", "ball", "core", "scanner", "one", "other", "age")


def _row(task: LearningTask, place: int, rng: np.random.Generator) -> dict:
    row = {"id": f"c{place}", "subject": f"s{place // 2}", "group": f"s{place // 2}", "role": "test", "status": "ok"}
    if isinstance(task, ClassifyTask):
        scores = rng.dirichlet(np.ones(len(task.classes)))
        names = dict(zip((f"p_{name}" for name in task.classes), scores.tolist(), strict=True))
        truth = task.classes[place // 2 % len(task.classes)]
        told = {"uncertainty": rng.random(), "set": truth}
        return row | {"truth": truth, "predicted": task.classes[int(scores.argmax())], "threshold": 0.4} | names | told
    if isinstance(task, RegressTask):
        told = {"uncertainty": rng.random(), "low": 30.0, "high": 60.0}
        return row | {"truth": 30.0 + place // 2, "predicted": rng.normal(50, 9), "expected": 50.0} | told
    return row | {
        "truth": "mask.nii.gz",
        "uncertainty": rng.random(),
        "outer_missed_ball": 0.1,
        "outer_volume_ball": 2.0,
    }


def _written(task: LearningTask, folder: Path, by: str) -> dict:
    """Return the metrics.json of 40 judged cases of 20 subjects."""
    rng = np.random.default_rng(0)
    rows = tuple(_row(task, place, rng) for place in range(40))
    maps = [rng.integers(0, 3, (2, 6, 6, 6), dtype=np.uint8) for _ in rows] if isinstance(task, SegmentTask) else []
    figures = tuple(segmentation_case(ours, theirs, task.labels, (1, 1, 2)) for ours, theirs in maps)
    evaluate = SimpleNamespace(by=by, intervals=100, subgroups=["scanner"], prevalence=0.1)
    cases = tuple(Case(row["id"], row["subject"], {}, row={"scanner": ("one", "other")[i // 4 % 2]})
                  for i, row in enumerate(rows))  # fmt: skip
    study = SimpleNamespace(evaluate=evaluate, split=SimpleNamespace(seed=0))
    predictor = SimpleNamespace(task=task, tasks=[task], calibrations=())
    promise = Promise(0.9, "lac", 0.5, thresholds={"ball": 0.3})
    path = folder / "metrics.json"
    write_metrics(path, judgement(study, Cohort(cases), predictor, Judged(rows, figures), (), promise))
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", TASKS)
def test_every_key_is_documented(kind, tmp_path: Path):
    metrics = _written(TASKS[kind], tmp_path, "case" if kind == "segment" else "subject")
    assert undocumented(metrics, NAMES) == set()
    assert undocumented({"test": {"of my own making": 1}}, NAMES) == {"of my own making"}


@pytest.mark.parametrize("kind", TASKS)
def test_every_figure_is_of_a_metric_that_has_an_entry(kind, tmp_path: Path):
    metrics = _written(TASKS[kind], tmp_path, "case" if kind == "segment" else "subject")
    found = set(_measured(metrics, ()))
    assert found - set(METRICS) <= OTHERS
    assert {SIZES[kind], criterion_of(TASKS[kind].name)} <= found
    unknown = {"test": {"of my own making": {"left": metrics["test"][criterion_of(TASKS[kind].name)]}}}
    assert "of my own making" in set(_measured(unknown, ()))


def _measured(tree: Any, above: tuple[str, ...]) -> Iterator[str]:
    """Yield, of every figure at any depth, the key that says what it measures: not its class, label, subgroup or band."""
    if isinstance(tree, list):
        for each in tree:
            yield from _measured(each, above)
    elif isinstance(tree, dict) and {"value", "low", "high"} <= set(tree):
        yield next(
            key for key in reversed(above) if key not in (*NAMES, "mean", "difference") and not BAND.fullmatch(key)
        )
    elif isinstance(tree, dict):
        for key, each in tree.items():
            yield from _measured(each, (*above, key))


@pytest.mark.parametrize("kind", TASKS)
def test_the_file_says_its_version_and_what_it_holds(kind, tmp_path: Path):
    metrics = _written(TASKS[kind], tmp_path, "case")
    assert metrics["version"] == METRICS_VERSION
    assert metrics["holds"] == [key for key in metrics if key not in ("version", "holds")]
    assert {"test", "subgroups", "gaps"} <= set(metrics["holds"])


@pytest.mark.parametrize("kind", TASKS)
def test_a_gap_is_the_difference_of_the_subgroups_own_figures(kind, tmp_path: Path):
    metrics = _written(TASKS[kind], tmp_path, "case")
    groups = metrics["subgroups"]["scanner"]
    compared = 0
    for name, gap in metrics["gaps"]["scanner"].items():
        if name == "per_class":
            pairs = [(gap[label][inner], [groups[g][name][label][inner] for g in groups])
                     for label in gap for inner in gap[label]]  # fmt: skip
        elif "difference" in gap:
            pairs = [(gap, [groups[g][name] for g in groups])]
        else:
            pairs = [(gap[label], [groups[g][name][label] for g in groups]) for label in gap]
        for recorded, figures in pairs:
            first, second = (figure["value"] for figure in figures)
            assert recorded["difference"]["value"] == pytest.approx(abs(first - second), abs=1e-12)
            assert recorded["difference"]["n"] == 20
            assert {recorded["best"], recorded["worst"]} == {"one", "other"} or first == second
            compared += 1
    assert compared >= 5
