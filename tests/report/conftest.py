"""Run folders as training leaves them, with made-up but plausible results, for every task."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from scipy import ndimage

from voxtempo.assess import (
    as_json,
    classification_baseline,
    classification_metrics,
    regression_baseline,
    regression_metrics,
    segmentation_case,
    segmentation_failure,
    segmentation_metrics,
    subgroup_metrics,
)
from voxtempo.inference.judged import Judged
from voxtempo.inference.subgroups import gaps_of
from voxtempo.learning.tasks import ClassifyTask, LearningTask, RegressTask, SegmentTask

RESAMPLES = 300


def write_table(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(as_json(content), indent=1), encoding="utf-8")


def common(folder: Path, name: str, task: str, network: str, cases: dict[str, Sequence[tuple[str, str]]], **study: Any):
    """Write what every run has; ``cases`` is role -> (id, subject)."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"id": i, "subject": s, "group": s, "role": role} for role, members in cases.items() for i, s in members]
    write_table(folder / "split.csv", rows)
    content = {
        "name": name,
        "task": task,
        "cohort": {"table": "cohort.csv", "target": study.pop("target")},
        "prepare": [
            {"name": "orient", "options": "RAS"},
            {"name": "resample", "options": {"spacing": [2.0, 2.0, 2.0]}},
            {"name": "normalise", "options": {"method": "zscore", "mask": "foreground"}},
        ],
        "sample": {"volume": "whole", "patch": None, "slices": None, "window": None},
        "split": {"test": 0.2, "folds": 5, "stratify": ["site"], "seed": 1},
        "augment": "default",
        "network": {"name": network, "width": 16},
        "train": {"epochs": 40, "batch": 4, "optimiser": "adamw", "rate": 0.001, "schedule": "cosine", "patience": 15},
        "evaluate": {"by": "case", "intervals": RESAMPLES, "subgroups": ["sex"]},
        **study,
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    write_json(folder / "network.json", {"name": network, "input_shape": [48, 56, 48, 1]})
    write_json(folder / "prepare.json", {"normalise": {"method": "zscore"}, "grid": {"spacing": [2, 2, 2]}})
    write_json(
        folder / "manifest.json",
        {
            "voxtempo": "0.1.0",
            "created": "2025-06-14 10:32",
            "study": name,
            "task": task,
            "backend": "tensorflow",
            "versions": {"python": "3.11.9", "keras": "3.15.1", "tensorflow": "2.21.0", "numpy": "2.2.1"},
            "seed": 1,
            "machine": {"processor": "AMD EPYC 7763", "cores": 2, "memory_gb": 15.6, "accelerator": None},
            "fold": {"index": 0, "name": "0"},
            "inputs": {row["id"]: "0" * 64 for row in rows},
            "seconds": {"prepare": 41.2, "train": 1108.0, "evaluate": 38.9},
            "peak_memory_mb": 2310.0,
            "network": {"name": network, "parameters": 1_412_306},
            "plan": [
                "batch 4: four samples of 48 x 56 x 48 need 1.9 GB with this network, half of the free memory",
                "dropout 0.2 before the head: 51 training subjects are few for 1.4 million parameters",
            ],
        },
    )
    kept = sum(len(members) for members in cases.values())
    subjects = {role: len({s for _, s in members}) for role, members in cases.items()}
    whole = len({s for members in cases.values() for _, s in members})
    flow = [
        {"step": "rows of the table", "cases": kept + 4, "subjects": whole + 3},
        {"step": "with all files", "cases": kept + 1, "subjects": whole + 1},
        {"step": "with a truth", "cases": kept, "subjects": whole},
    ]
    flow += [{"step": role, "cases": len(members), "subjects": subjects[role]} for role, members in cases.items()]
    counts = [str(kept), *(str(len(members)) for members in cases.values())]
    people = [str(whole), *(str(subjects[role]) for role in cases)]
    table = [
        ["Cases", *counts],
        ["Subjects", *people],
        ["age, mean (sd)", "48.7 (16.5)", "48.5 (16.8)", "47.9 (15.6)", "49.6 (16.4)"],
        ["sex: F", "44 (55 %)", "27 (56 %)", "9 (56 %)", "8 (50 %)"],
        ["site: Guys", "46 (58 %)", "28 (58 %)", "9 (56 %)", "9 (56 %)"],
        ["site: HH", "34 (42 %)", "20 (42 %)", "7 (44 %)", "7 (44 %)"],
    ]
    problems = [
        {"severity": "note", "where": "cohort.csv: age", "message": "1 of 84 rows has no age; it is kept."},
        {
            "severity": "warning",
            "where": "sub-017",
            "message": "Spacing 0.94 x 0.94 x 1.2 mm differs from the cohort's 1 x 1 x 1 mm; it is resampled.",
        },
    ]
    write_json(
        folder / "cohort.json",
        {"flow": flow, "table": {"columns": ["all", *cases], "rows": table}, "problems": problems},
    )


def history(folder: Path, monitor: str, final: float, epochs: int = 40, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    rows = []
    for epoch in range(1, epochs + 1):
        fall = np.exp(-epoch / 9)
        rows.append(
            {
                "epoch": epoch,
                "rate": 0.001 * 0.5 * (1 + np.cos(np.pi * epoch / epochs)),
                "seconds": 27.1,
                "train_loss": round(0.22 + 0.75 * fall + 0.01 * rng.normal(), 4),
                "validation_loss": round(0.33 + 0.66 * fall + 0.002 * epoch + 0.025 * rng.normal(), 4),
                f"validation_{monitor}": round(
                    final * (1 + (1.8 if monitor == "mae" else -0.7) * fall) + 0.012 * final * rng.normal(), 4
                ),
            }
        )
    write_table(folder / "history.csv", rows)


def gaps(judged: Judged, task: LearningTask, columns: dict[str, Sequence[Any]], subgroups: Any) -> dict[str, Any]:
    """Return how far subgroups are apart, as ``judgement`` has it; ``columns`` is name -> a value a row."""
    values = zip(*columns.values(), strict=True)
    cases = [
        SimpleNamespace(id=row["id"], row=dict(zip(columns, own, strict=True)))
        for row, own in zip(judged.rows, values, strict=True)
    ]
    evaluate = SimpleNamespace(subgroups=list(columns), by="case", intervals=RESAMPLES)
    return gaps_of(judged, task, SimpleNamespace(evaluate=evaluate, split=SimpleNamespace(seed=0)), cases, subgroups)


def people(n: int, start: int = 0) -> list[tuple[str, str]]:
    return [(f"sub-{i:03d}", f"sub-{i:03d}") for i in range(start, start + n)]


def brain(shape: tuple[int, int, int] = (48, 56, 48), seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return a head-like picture (x, y, z) and a label map of two neighbouring structures in it."""
    rng = np.random.default_rng(seed)
    x, y, z = (np.linspace(-1, 1, n).reshape([-1 if i == j else 1 for j in range(3)]) for i, n in enumerate(shape))
    radius = np.sqrt((x / 0.82) ** 2 + (y / 0.95) ** 2 + (z / 0.85) ** 2)
    folds = ndimage.gaussian_filter(rng.normal(size=shape), 1.6)
    folds /= folds.std()
    image = np.where(radius < 0.85, 0.62 + 0.16 * np.tanh(2 * folds) * (radius > 0.35), 0.0)
    image = np.where((radius > 0.93) & (radius < 1.0), 0.9, image)
    ventricle = ((np.abs(x) - 0.14) / 0.11) ** 2 + (y / 0.35) ** 2 + ((z - 0.05) / 0.2) ** 2 < 1
    image = np.where(ventricle, 0.12, image)
    body = ((x - 0.38) / 0.16) ** 2 + (y / 0.34) ** 2 + ((z + 0.1) / 0.17) ** 2 < 1
    labels = np.where(body, np.where(y > 0.04, 1, 2), 0).astype(np.uint8)
    image = np.where(labels > 0, 0.5, image) + 0.035 * rng.normal(size=shape)
    return ndimage.gaussian_filter(image, 0.5).astype(np.float32), labels


def _scores(rng: np.random.Generator, truth: np.ndarray, k: int, skill: float) -> np.ndarray:
    logits = rng.normal(size=(len(truth), k)) + skill * np.eye(k)[truth]
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def classify_run(folder: Path, classes: Sequence[str] = ("female", "male"), failing: bool = True) -> Path:
    """A classifier of whole volumes or slices; two test cases of it failed."""
    k, rng = len(classes), np.random.default_rng(3)
    cases = {"train": people(96), "validation": people(24, 96), "test": people(60, 120)}
    target = {"column": "class", "classes": list(classes)}
    common(folder, "tumour2d" if k > 2 else "ixi-sex", "classify", "resnet3d", cases, target=target)
    history(folder, "accuracy", 0.86)
    rows, metrics, truths = [], {}, {}
    for role in ("validation", "test"):
        truth = rng.choice(k, len(cases[role]), p=np.linspace(1.2, 0.8, k) / k)
        scores = _scores(rng, truth, k, 2.4)
        if role == "test" and failing:
            scores[[4, 31]] = np.nan
        for (case, subject), true, score in zip(cases[role], truth, scores, strict=True):
            failed = bool(np.isnan(score).any())
            row = {"id": case, "subject": subject, "role": role, "truth": classes[true]}
            row["predicted"] = "" if failed else classes[int(score.argmax())]
            row |= {f"p_{name}": "" if failed else round(float(p), 4) for name, p in zip(classes, score, strict=True)}
            row["status"] = f"{case}.nii.gz ends after 1,048,576 of 7,864,320 bytes" if failed else "ok"
            rows.append(row)
        names = [s for _, s in cases[role]]
        metrics[role] = classification_metrics(scores, truth, classes, names, RESAMPLES)
        truths[role] = truth
        if role == "test":
            sex = rng.choice(["F", "M"], len(truth))

            def judge(part, scores=scores, truth=truth, names=names):
                return classification_metrics(scores[part], truth[part], classes, np.array(names)[part], RESAMPLES)

            metrics["subgroups"] = {"sex": subgroup_metrics(sex, judge)}
            judged = [
                {"id": name, "subject": name, "group": name, "truth": classes[true], "status": "ok"}
                | {f"p_{label}": p for label, p in zip(classes, score, strict=True)}
                for name, true, score in zip(names, truth, scores, strict=True)
            ]
            metrics["gaps"] = gaps(
                Judged(tuple(judged)), ClassifyTask(tuple(classes)), {"sex": sex}, metrics["subgroups"]
            )
            metrics["baseline"] = classification_baseline(truth, classes, names, truths["validation"], RESAMPLES)
    write_table(folder / "predictions.csv", rows)
    write_json(folder / "metrics.json", metrics)
    (folder / "examples").mkdir()
    examples = []
    for i, note in enumerate(["worst", "worst", "median", "best"]):
        image = brain(seed=i)[0]
        image = image[:, :, 20:21] if k > 2 else image
        np.save(folder / "examples" / f"sub-{120 + i}_image.npy", image.astype(np.float16))
        examples.append(
            {
                "id": f"sub-{120 + i}",
                "kind": "image",
                "note": note,
                "files": {"image": f"examples/sub-{120 + i}_image.npy"},
                "spacing": [2.0, 2.0, 2.0],
                "text": f"truth {classes[0]}, predicted {classes[1]} (0.93)",
            }
        )
    write_json(folder / "examples" / "examples.json", examples)
    return folder


def regress_run(folder: Path) -> Path:
    """A brain age estimate, with one failed case."""
    rng = np.random.default_rng(1)
    cases = {"train": people(300), "validation": people(60, 300), "test": people(80, 360)}
    common(folder, "ixi-age", "regress", "resnet3d", cases, target={"column": "age"})
    history(folder, "mae", 5.6)
    rows, metrics = [], {}
    for role in ("validation", "test"):
        truth = rng.uniform(20, 86, len(cases[role])).round(1)
        predicted = (48 + 0.82 * (truth - 48) + rng.normal(0, 5.2, len(truth))).round(2)
        if role == "test":
            predicted[7] = np.nan
        names = [s for _, s in cases[role]]
        metrics[role] = regression_metrics(predicted, truth, names, RESAMPLES)
        if role == "test":
            metrics["baseline"] = regression_baseline(truth, 48.4, names, RESAMPLES)

            def judge(part, predicted=predicted, truth=truth, names=names):
                return regression_metrics(predicted[part], truth[part], np.array(names)[part], RESAMPLES)

            columns = {"sex": rng.choice(["F", "M"], len(truth)), "age": truth}
            metrics["subgroups"] = {name: subgroup_metrics(values, judge) for name, values in columns.items()}
            judged = [
                {"id": name, "subject": name, "group": name, "truth": true, "predicted": guess, "status": "ok"}
                for name, true, guess in zip(names, truth, predicted, strict=True)
            ]
            metrics["gaps"] = gaps(Judged(tuple(judged)), RegressTask(48.0, 16.0), columns, metrics["subgroups"])
        for (case, subject), true, guess in zip(cases[role], truth, predicted, strict=True):
            failed = not np.isfinite(guess)
            status = "no voxel above the background was found" if failed else "ok"
            guess = "" if failed else guess
            rows.append(
                {"id": case, "subject": subject, "role": role, "truth": true, "predicted": guess, "status": status}
            )
    write_table(folder / "predictions.csv", rows)
    write_json(folder / "metrics.json", metrics)
    return folder


def segment_run(folder: Path, cases_in_test: int = 26) -> Path:
    """A segmentation of two structures, with pictures of cases and one failure."""
    labels, spacing = {1: "anterior", 2: "posterior"}, (1.0, 1.0, 1.6)
    rng = np.random.default_rng(2)
    cases = {"train": people(60), "validation": people(14, 60), "test": people(cases_in_test, 74)}
    target = {"mask": "labels/{id}.nii.gz", "labels": labels}
    common(folder, "hippocampus", "segment", "unet3d", cases, target=target)
    history(folder, "dice", 0.87)
    (folder / "examples").mkdir()
    rows, judged, examples, failed = [], [], [], []
    for i, (case, subject) in enumerate(cases["test"]):
        image, truth = brain(seed=i)
        amount = rng.gamma(2.0, 0.35) + (2.2 if i == 5 else 0)
        wave = ndimage.gaussian_filter(rng.normal(size=truth.shape), 3)
        body = ndimage.gaussian_filter((truth > 0).astype(float), 1) + amount * wave * 3 > 0.5
        edge = np.linspace(-1, 1, truth.shape[1])[None, :, None] + 0.6 * wave > 0.04
        predicted = np.where(body, np.where(edge, 1, 2), 0).astype(np.uint8)
        failed.append(i == 11)
        if failed[-1]:
            result = segmentation_failure(labels, truth.shape, spacing, truth)
        else:
            result = segmentation_case(predicted, truth, labels, spacing)
        judged.append(result)
        row = {"id": case, "subject": subject, "role": "test", "truth": ""}
        row |= {f"{metric}_{name}": round(v, 4) for name, values in result.items() for metric, v in values.items()}
        rows.append(row | {"status": "ran out of memory at 14.9 GB" if failed[-1] else "ok"})
        if i in (0, 1, 5, 8):
            files = {}
            for kind, array in (("image", image.astype(np.float16)), ("truth", truth), ("predicted", predicted)):
                files[kind] = f"examples/{case}_{kind}.npy"
                np.save(folder / files[kind], array)
            note = "worst" if i == 5 else "median" if i == 8 else "best"
            examples.append(
                {
                    "id": case,
                    "kind": "segment",
                    "note": note,
                    "files": files,
                    "spacing": list(spacing),
                    "orientation": "RAS",
                    "text": "",
                }
            )
    names = [s for _, s in cases["test"]]
    metrics = segmentation_metrics(judged, names, RESAMPLES, failed=failed)
    site = rng.choice(["Guys", "HH", "IOP"], len(names))

    def judge(part):
        return segmentation_metrics([judged[i] for i in part], np.array(names)[part], RESAMPLES)

    answers = tuple({"id": name, "subject": name, "group": name, "status": "ok"} for name in names)
    parts = {"site": subgroup_metrics(site, judge)}
    apart = gaps(Judged(answers, tuple(judged)), SegmentTask(labels), {"site": site}, parts)
    write_json(folder / "metrics.json", {"test": metrics, "validation": metrics, "subgroups": parts, "gaps": apart})
    write_table(folder / "predictions.csv", rows)
    write_json(folder / "examples" / "examples.json", sorted(examples, key=lambda e: e["note"] != "worst"))
    return folder


def events_run(folder: Path, folds: int = 4) -> Path:
    """Eight-way decoding of a series, one run left out at a time: folds, pooled results, courses."""
    classes = ["bottle", "cat", "chair", "face", "house", "scissors", "scrambled", "shoe"]
    rng = np.random.default_rng(4)
    pooled, truths, names = [], [], []
    rows_all: list[dict[str, Any]] = []
    for fold in range(folds):
        part = folder / f"fold-{fold}"
        cases = {"train": [("run-a", "a")], "validation": [("run-b", "b")], "test": [(f"run-{fold}", f"{fold}")]}
        common(part, "haxby", "classify", "cnn_lstm", cases, target={"column": "trial_type", "events": "{id}.tsv"})
        manifest = json.loads((part / "manifest.json").read_text(encoding="utf-8"))
        write_json(part / "manifest.json", manifest | {"fold": {"index": fold, "name": f"run {fold + 1}"}})
        history(part, "accuracy", 0.55 + 0.05 * fold, seed=fold)
        truth = np.repeat(rng.permutation(8), 1)
        truth = np.concatenate([truth, rng.permutation(8)])
        scores = _scores(rng, truth, 8, 2.1)
        onset = 12 + 36 * np.arange(len(truth))
        rows = []
        for i, (true, score) in enumerate(zip(truth, scores, strict=True)):
            row = {"id": f"run-{fold}:{onset[i]}", "subject": str(fold), "role": "test", "truth": classes[true]}
            row["predicted"] = classes[int(score.argmax())]
            row |= {f"p_{name}": round(float(p), 4) for name, p in zip(classes, score, strict=True)}
            rows.append(row | {"status": "ok"})
        rows_all += rows
        write_table(part / "predictions.csv", rows)
        metrics = classification_metrics(scores, truth, classes, [str(fold)] * len(truth), RESAMPLES)
        write_json(part / "metrics.json", {"test": metrics})
        pooled.append(scores)
        truths.append(truth)
        names += [str(fold)] * len(truth)
        (part / "examples").mkdir()
        time = np.arange(0, onset[-1] + 40, 2.5)
        course = []
        for moment in time:
            now = np.flatnonzero((moment >= onset) & (moment < onset + 22.5))
            score = scores[now[0]] if now.size else np.full(8, 0.125) + 0.05 * rng.random(8)
            row = {"time": moment} | {f"p_{n}": round(float(p), 4) for n, p in zip(classes, score, strict=True)}
            course.append(row | {"truth": classes[truth[now[0]]] if now.size else ""})
        write_table(part / "examples" / f"run-{fold}_course.csv", course)
        example = {"id": f"run-{fold}", "kind": "course", "note": "", "spacing": [3.1, 3.75, 3.75], "text": ""}
        example["files"] = {"course": f"examples/run-{fold}_course.csv"}
        write_json(part / "examples" / "examples.json", [example])
    scores, truth = np.concatenate(pooled), np.concatenate(truths)
    metrics = classification_metrics(scores, truth, classes, names, RESAMPLES)
    baseline = classification_baseline(truth, classes, names, truth, RESAMPLES)
    write_json(folder / "metrics.json", {"test": metrics, "baseline": baseline})
    write_table(folder / "predictions.csv", rows_all)
    manifest = json.loads((folder / "fold-0" / "manifest.json").read_text(encoding="utf-8"))
    write_json(folder / "manifest.json", manifest | {"fold": {"index": None, "name": "all"}})
    cohort = json.loads((folder / "fold-0" / "cohort.json").read_text(encoding="utf-8"))
    cohort["flow"] = [{"step": "rows of the table", "cases": 4, "subjects": 4}]
    write_json(folder / "cohort.json", cohort)
    return folder


MAKERS: dict[str, Callable[[Path], Path]] = {
    "classify": classify_run,
    "four-classes": lambda folder: classify_run(folder, ("glioma", "meningioma", "no tumour", "pituitary")),
    "regress": regress_run,
    "segment": segment_run,
    "events": events_run,
}


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function from a kind of run to its folder, made once; tests must not change it."""
    made: dict[str, Path] = {}

    def find(kind: str) -> Path:
        if kind not in made:
            made[kind] = MAKERS[kind](tmp_path_factory.mktemp("runs") / kind)
        return made[kind]

    return find


@pytest.fixture
def fresh(runs: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that gives a copy of a run folder which the test may change."""
    return lambda kind: Path(shutil.copytree(runs(kind), tmp_path / kind))
