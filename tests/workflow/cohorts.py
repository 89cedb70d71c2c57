"""Small cohorts with a plain truth, written as real files."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import yaml

from voxtempo.scans import Geometry, Scan, write_scan


def write_table(path: Path, rows: list[dict]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_study(path: Path, **study) -> Path:
    path.write_text(yaml.safe_dump(study), encoding="utf-8")
    return path


def spheres(folder: Path, count: int = 12, codes: str = "PSR") -> Path:
    """Segmentation: a bright ball (label 1) with a dark core (label 3) on an oddly oriented, anisotropic grid."""
    rows = []
    for i in range(count):
        rng = np.random.default_rng(i)
        geometry = Geometry.from_spacing((18, 20, 12), (1, 1, 1.5), (3, -4, 7)).reoriented(codes)
        world = geometry.to_world(np.argwhere(np.ones(geometry.shape)))
        centre = np.array([12.0, 6.0, 15.5]) + rng.uniform(-1.5, 1.5, 3)
        distance = np.linalg.norm(world - centre, axis=1).reshape(geometry.shape)
        label = np.where(distance < 2.6, 3, np.where(distance < 5.5, 1, 0)).astype(np.uint8)
        image = (np.select([label == 1, label == 3], [3.0, -3.0], 0.0) + rng.normal(0, 0.3, label.shape)) * 100 + 500
        write_scan(Scan(image[None, ..., None].astype(np.float32), geometry), folder / "images" / f"s{i}.nii.gz")
        write_scan(Scan(label[None, ..., None], geometry, kind="label"), folder / "labels" / f"s{i}.nii.gz")
        rows.append({"id": f"s{i}", "subject": f"p{i}"})
    write_table(folder / "cohort.csv", rows)
    return write_study(
        folder / "study.yaml",
        name="spheres",
        task="segment",
        cohort={
            "table": "cohort.csv", "subject": "subject", "scans": {"mr": "images/{id}.nii.gz"},
            "target": {"mask": "labels/{id}.nii.gz", "labels": {1: "ball", 3: "core"}},
        },
        split={"folds": 3, "seed": 1},
        augment="none",
        network={"name": "unet3d", "widths": [6, 12]},
        train={"epochs": 12, "batch": 2, "rate": 0.01},
        evaluate={"intervals": 200},
    )  # fmt: skip


def disks(folder: Path, subjects: int = 16, slices: int = 2) -> Path:
    """2D classification by subject: a bright disk or a bright ring, as PNG slices."""
    rows = []
    for s in range(subjects):
        for k in range(slices):
            rng = np.random.default_rng(100 * s + k)
            x, y = np.mgrid[:24, :24] - 11.5 + rng.uniform(-1, 1)
            r = np.hypot(x, y)
            shape = (r < 7) if s % 2 else (r < 9) & (r > 5)
            image = np.clip(60 + 120 * shape + rng.normal(0, 12, r.shape), 0, 255).astype(np.uint8)
            case = f"p{s}_{k}"
            write_scan(Scan(image[None, :, :, None, None], Geometry.from_spacing((24, 24, 1))), folder / f"{case}.png")
            rows.append(
                {
                    "id": case,
                    "subject": f"p{s}",
                    "kind": "disk" if s % 2 else "ring",
                    "sex": "FM"[s // 2 % 2],
                    "age": 20 + s,
                }
            )
    write_table(folder / "cohort.csv", rows)
    return write_study(
        folder / "study.yaml",
        name="disks",
        task="classify",
        cohort={"table": "cohort.csv", "subject": "subject", "scans": {"mr": "{id}.png"}, "target": {"column": "kind"}},
        prepare=[{"normalise": {"method": "minmax"}}],
        split={"test": 0.3, "folds": 2, "seed": 1},
        network={"name": "lightweight_cnn"},
        augment="none",
        train={"epochs": 12, "batch": 8, "rate": 0.005},
        evaluate={"by": "subject", "subgroups": ["sex"], "intervals": 200},
    )  # fmt: skip


def blinks(folder: Path, subjects: int = 10, volumes: int = 24) -> Path:
    """4D classification of events: the left or the right half lights up for a few volumes."""
    rows = []
    for s in range(subjects):
        rng = np.random.default_rng(s)
        data = rng.normal(0, 0.4, (volumes, 8, 6, 1, 1)).astype(np.float32) + 20
        events = ["onset\tduration\ttrial_type"]
        for block in range(4):
            side, start = rng.integers(2), 1 + 6 * block
            data[start : start + 4, slice(0, 4) if side else slice(4, 8)] += 1.5
            events.append(f"{start * 2.0}\t8\t{'left' if side else 'right'}")
        geometry = Geometry.from_spacing((8, 6, 1), (3, 3, 3))
        write_scan(Scan(data, geometry, repetition_time=2.0), folder / f"p{s}.nii.gz")
        (folder / f"p{s}.tsv").write_text("\n".join(events) + "\n", encoding="utf-8")
        rows.append({"id": f"p{s}"})
    write_table(folder / "cohort.csv", rows)
    return write_study(
        folder / "study.yaml",
        name="blinks",
        task="classify",
        cohort={
            "table": "cohort.csv", "scans": {"bold": "{id}.nii.gz"},
            "target": {"events": "{id}.tsv", "column": "trial_type"},
        },
        sample={"window": {"length": 4, "align": "events"}},
        prepare=[{"normalise": {"method": "zscore", "axis": "time"}}],
        split={"test": 0.3, "seed": 1},
        augment="none",
        network={"name": "cnn_lstm", "widths": [4, 8], "units": 8},
        train={"epochs": 25, "batch": 8, "rate": 0.01, "dropout": 0.0},
        evaluate={"intervals": 200},
    )  # fmt: skip
