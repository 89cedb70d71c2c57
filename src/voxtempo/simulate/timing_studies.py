"""The study file that fits a cohort whose truth is in time."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from voxtempo.cohort.study import Study
from voxtempo.simulate.courses import TRUTHS, cycle_volumes

if TYPE_CHECKING:
    from voxtempo.simulate.timing import Timing

WINDOW, SECONDS = 20, 40.0
"""Fewest volumes and seconds of a window: so much holds a pair of events, and periods of the slowest course."""

EPOCHS = {"pattern": 12, "order": 12, "frequency": 12, "amplitude": 20, "rate": 12}


def timing_study(options: Timing) -> dict[str, Any]:
    """Return the study of such a cohort, as the YAML file says it.

    Windows lie anywhere in the run, so that a few people make many examples; where the truth is the response to blocks,
    they begin with a cycle of rest and block. Percent signal change takes anatomy and gain away and keeps what is in time.
    """
    truth = TRUTHS[options.truth]
    length = max(WINDOW, math.ceil(SECONDS / options.repetition_time))
    window: dict[str, Any] = {"length": min(length, options.volumes), "stride": length // 4}
    if options.truth == "amplitude":
        cycle = cycle_volumes(options.repetition_time)
        window = {"length": options.volumes - options.volumes // 2 // cycle * cycle, "stride": cycle, "draw": "tiled"}
    return {
        "name": f"timing-{options.truth}",
        "task": "classify" if truth.groups else "regress",
        "cohort": {
            "bids": ".", "subject": "subject", "scans": {"bold": {"suffix": "bold"}}, "target": {"column": truth.column}
        },
        "prepare": ["percent_change"],
        "sample": {"window": window},
        "split": {"test": 0.3, "folds": 5, "stratify": [truth.column], "seed": 1},
        "augment": "none",
        "network": {"name": "cnn_lstm"},
        "train": {"epochs": EPOCHS[options.truth], "batch": 4, "dropout": 0.0},
    }  # fmt: skip


def write_timing_study(folder: Path, options: Timing) -> Path:
    """Write the study file into ``folder`` and return its path."""
    record = timing_study(options)
    Study.model_validate(record)
    path = folder / f"{options.truth}.yaml"
    body = yaml.safe_dump(record, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)
    path.write_text(f"# simulated: {TRUTHS[options.truth].about}\n{body}", encoding="utf-8")
    return path
