"""Study files that fit a simulated cohort, ready for ``voxtempo train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from voxtempo.cohort.study import Study
from voxtempo.simulate.design import DELAY, block_volumes

if TYPE_CHECKING:
    from voxtempo.simulate.bold import Bold

COMMENTS = {
    "conditions": "which of two conditions a block was, from the volumes that show its response",
    "groups": "patient or control, from the course of one cycle of block and rest; judged by subject",
    "amplitude": "how strongly a subject responds, in per cent signal change; judged by subject",
}


def study_records(options: Bold) -> dict[str, dict[str, Any]]:
    """Return name -> study, as the YAML file says it, of every study the design allows."""
    length = block_volumes(options.repetition_time)
    cycle = {"window": {"length": 2 * length, "stride": 2 * length}}
    answer = {"window": {"length": length, "align": "events", "delay": DELAY}}
    whole: dict[str, Any] = {"by": "subject"}
    folds: dict[str, Any] = {"folds": min(5, max(2, options.subjects // 4)), "seed": 1}
    held_out: dict[str, Any] = {"test": 0.3, **folds}
    studies = {
        "conditions": _study("classify", {"events": "auto", "column": "trial_type"}, answer, held_out, {}),
        "groups": _study("classify", {"column": "group"}, cycle, {**folds, "stratify": ["group"]}, whole),
        "amplitude": _study("regress", {"column": "amplitude"}, cycle, {**folds, "stratify": ["amplitude"]}, whole),
    }
    if options.design == "conditions":
        return {"conditions": studies["conditions"]}
    if options.design == "groups":
        return {name: studies[name] for name in ("groups", "amplitude")}
    return studies


def write_studies(folder: Path, options: Bold) -> tuple[Path, ...]:
    """Write the study files into ``folder``, the recommended one first, and return their paths."""
    paths = []
    for name, record in study_records(options).items():
        study = {"name": f"simulated-{name}", **record}
        Study.model_validate(study)
        path = folder / f"{name}.yaml"
        body = yaml.safe_dump(study, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)
        path.write_text(f"# simulated: {COMMENTS[name]}\n{body}", encoding="utf-8")
        paths.append(path)
    return tuple(paths)


def _study(
    task: str, target: dict[str, Any], sample: dict[str, Any], split: dict[str, Any], evaluate: dict[str, Any]
) -> dict[str, Any]:
    study: dict[str, Any] = {
        "task": task,
        "cohort": {"bids": ".", "subject": "subject", "scans": {"bold": {"suffix": "bold"}}, "target": target},
        "prepare": [{"temporal_filter": {"detrend": 2}}, {"normalise": {"method": "zscore", "axis": "time"}}],
        "sample": sample,
        "split": split,
        "network": {"name": "cnn_lstm"},
        "augment": "none",
        "train": {"epochs": 14, "batch": 4, "dropout": 0.0},
    }
    return {**study, "evaluate": evaluate} if evaluate else study
