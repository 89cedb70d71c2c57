"""The study file that fits a cohort whose truth is in time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from voxtempo.cohort.study import Study
from voxtempo.simulate.courses import TRUTHS

if TYPE_CHECKING:
    from voxtempo.simulate.timing import Timing


def timing_study(options: Timing) -> dict[str, Any]:
    """Return the study of such a cohort, as the YAML file says it."""
    truth = TRUTHS[options.truth]
    length = min(20, options.volumes)
    return {
        "name": f"timing-{options.truth}",
        "task": "classify" if truth.groups else "regress",
        "cohort": {
            "bids": ".", "subject": "subject", "scans": {"bold": {"suffix": "bold"}}, "target": {"column": truth.column}
        },
        "prepare": [{"normalise": {"method": "zscore", "axis": "time"}}],
        "sample": {"window": {"length": length, "stride": length // 2}},
        "split": {"test": 0.3, "folds": 5, "stratify": [truth.column], "seed": 1},
        "augment": "none",
        "network": {"name": "cnn_lstm"},
        "train": {"epochs": 20, "batch": 4, "dropout": 0.0},
        "evaluate": {"by": "subject"},
    }  # fmt: skip


def write_timing_study(folder: Path, options: Timing) -> Path:
    """Write the study file into ``folder`` and return its path."""
    record = timing_study(options)
    Study.model_validate(record)
    path = folder / f"{options.truth}.yaml"
    body = yaml.safe_dump(record, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)
    path.write_text(f"# simulated: {TRUTHS[options.truth].about}\n{body}", encoding="utf-8")
    return path
