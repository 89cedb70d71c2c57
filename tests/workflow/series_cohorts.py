"""Small cohorts of series with a plain truth, written as real files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from cohorts import write_study, write_table

from voxtempo.scans import Geometry, Scan, write_scan


def hearts(folder: Path, subjects: int = 32, **study) -> Path:
    """Cine slices of a disc that beats: every heart has its own size, rate and place, and empties by its own share.

    The ejection fraction is 1 - (end-systolic area) / (end-diastolic area); 'weak' hearts eject less than 0.45.
    """
    rows = []
    for s in range(subjects):
        rng = np.random.default_rng(s)
        fraction, radius, volumes = rng.uniform(0.2, 0.7), rng.uniform(5.5, 8.5), int(rng.integers(12, 18))
        systole = volumes // 3
        x, y = np.mgrid[:24, :24] - 11.5 + rng.uniform(-1.5, 1.5)
        distance = np.hypot(x, y)
        data = np.empty((volumes, 24, 24, 1, 1), np.float32)
        for t in range(volumes):
            phase = t / systole if t <= systole else (volumes - t) / (volumes - systole)
            area = 1 - fraction * np.sin(np.pi / 2 * phase) ** 2
            blood = 1 / (1 + np.exp((distance - radius * np.sqrt(area)) / 0.4))  # a soft edge
            data[t, ..., 0, 0] = 200 + 300 * blood + rng.normal(0, 15, distance.shape)
        geometry = Geometry.from_spacing((24, 24, 1), (3, 3, 8))
        write_scan(Scan(data, geometry, repetition_time=0.9 / volumes), folder / f"p{s}.nii.gz")
        kind = "weak" if fraction < 0.45 else "normal"
        rows.append({"id": f"p{s}", "ed": 0, "es": systole, "fraction": round(fraction, 4), "heart": kind})
    write_table(folder / "cohort.csv", rows)
    return write_study(
        folder / "study.yaml",
        **{
            "name": "hearts",
            "task": "regress",
            "cohort": {
                "table": "cohort.csv", "scans": {"cine": "{id}.nii.gz"}, "target": {"column": "fraction"},
            },
            "prepare": [{"normalise": {"method": "zscore"}}],
            "sample": {"window": {"frames": ["ed", "es"], "derivatives": ["difference"]}},
            "split": {"test": 0.3, "validation": 0, "seed": 1},
            "augment": "none",
            "network": {"name": "cnn_lstm", "widths": [8, 16], "features": 16, "units": 16, "grid": 2},
            "train": {"epochs": 35, "batch": 6, "rate": 0.005, "dropout": 0.0},
            "evaluate": {"intervals": 200},
            **study,
        },
    )  # fmt: skip


def pulses(folder: Path, subjects: int = 8, volumes: int = 36, seconds: float = 2.0, first: int = 0, **study) -> Path:
    """Series whose left or right half lights up in blocks of 6 to 8 volumes, with rest between them."""
    rows = []
    for s in range(subjects):
        rng = np.random.default_rng(100 + first + s)
        data = rng.normal(20, 0.4, (volumes, 8, 6, 1, 1)).astype(np.float32)
        events = ["onset\tduration\ttrial_type"]
        for block in range(3):
            side, start, length = (block + s) % 2, 3 + 11 * block, int(rng.integers(6, 9))
            data[start : start + length, slice(0, 4) if side else slice(4, 8)] += 1.5
            events.append(f"{start * seconds}\t{length * seconds}\t{'left' if side else 'right'}")
        geometry = Geometry.from_spacing((8, 6, 1), (3, 3, 3))
        write_scan(Scan(data, geometry, repetition_time=seconds), folder / f"p{s}.nii.gz")
        (folder / f"p{s}.tsv").write_text("\n".join(events) + "\n", encoding="utf-8")
        rows.append({"id": f"p{s}"})
    write_table(folder / "cohort.csv", rows)
    return write_study(
        folder / "study.yaml",
        **{
            "name": "pulses",
            "task": "classify",
            "cohort": {
                "table": "cohort.csv", "scans": {"bold": "{id}.nii.gz"},
                "target": {"events": "{id}.tsv", "column": "trial_type"},
            },
            "sample": {"window": {"length": 3, "stride": 2, "labels": "pure", "rest": "rest"}},
            "prepare": [{"normalise": {"method": "zscore", "axis": "time"}}],
            "split": {"test": 0.3, "validation": 0, "seed": 1},
            "augment": "none",
            "network": {"name": "cnn_lstm", "widths": [4, 8], "features": 16, "units": 8},
            "train": {"epochs": 12, "batch": 8, "rate": 0.01, "dropout": 0.0},
            "evaluate": {"intervals": 200},
            **study,
        },
    )  # fmt: skip
