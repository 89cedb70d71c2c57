"""What it took and how to do it again: time, memory, machine, versions, seed and command."""

from __future__ import annotations

import shlex
from typing import Any

from voxtempo.report.method import seconds_text
from voxtempo.report.run_files import RunFiles, mapping
from voxtempo.report.section import Section


def provenance_section(run: RunFiles) -> Section:
    """Return the section on compute, versions and reproduction."""
    manifest = run.manifest or (run.folds[0].manifest if run.folds else {})
    if not manifest:
        return Section(
            "provenance",
            "Compute and reproduction",
            notes=("There is no manifest.json in the run folder, so compute, versions and seed are not known.",),
        )
    versions = manifest.get("versions")
    inputs = manifest.get("inputs")
    content = {
        "compute": _compute(manifest, run),
        "versions": sorted((str(k), str(v)) for k, v in versions.items()) if isinstance(versions, dict) else [],
        "command": _command(run, manifest),
        "as_run": bool(manifest.get("command")),
        "seed": str(manifest.get("seed", "")),
        "inputs": len(inputs) if isinstance(inputs, dict | list) else 0,
    }
    return Section("provenance", "Compute and reproduction", content)


def _compute(manifest: dict[str, Any], run: RunFiles) -> list[tuple[str, str]]:
    facts: list[tuple[str, str]] = []
    machine = {"accelerator": manifest.get("accelerator"), **mapping(manifest.get("machine"))}
    for key, title, form in (
        ("processor", "Processor", "{}"),
        ("cores", "Cores", "{}"),
        ("memory_gb", "Memory", "{:.0f} GB"),
        ("accelerator", "Accelerator", "{}"),
    ):
        value = machine.get(key)
        if value not in (None, ""):
            facts.append((title, form.format(value) if not isinstance(value, str) else value))
    if not machine["accelerator"]:
        facts.append(("Accelerator", "none"))
    seconds = _seconds(manifest, run)
    titles = {"prepare": "Preparing", "train": "Training", "evaluate": "Evaluating"}
    for key, value in seconds.items():
        text = seconds_text(value)
        if text:
            facts.append((titles.get(key, key.capitalize()), text))
    memory = manifest.get("peak_memory_mb")
    if isinstance(memory, int | float):
        facts.append(("Peak memory", f"{memory / 1000:.1f} GB" if memory >= 1000 else f"{memory:.0f} MB"))
    if manifest.get("backend"):
        facts.append(("Backend", str(manifest["backend"])))
    if manifest.get("created"):
        facts.append(("Created", moment(manifest["created"])))
    return facts


def moment(created: object) -> str:
    """Return a recorded time to the minute.

    >>> moment("2026-11-20T22:10:52+0000")
    '2026-11-20 22:10'
    """
    text = str(created)
    return text[:16].replace("T", " ") if len(text) >= 16 and text[10] in "T " else text


def _seconds(manifest: dict[str, Any], run: RunFiles) -> dict[str, Any]:
    """Return the recorded times; of several folds without a record of the whole, their sums."""
    said = manifest.get("seconds")
    if isinstance(said, dict) and said and run.manifest:
        return said
    total: dict[str, float] = {}
    for fold in run.folds:
        for key, value in mapping(fold.manifest.get("seconds")).items():
            total[key] = total.get(key, 0.0) + float(value)
    return total


def _command(run: RunFiles, manifest: dict[str, Any]) -> str:
    said = manifest.get("command")
    if isinstance(said, list):
        return shlex.join(str(part) for part in said)
    if isinstance(said, str) and said:
        return said
    fold = manifest.get("fold")
    index = "all" if run.folds else fold.get("index") if isinstance(fold, dict) else None
    parts = ["voxtempo", "train", "study.yaml"]
    return shlex.join(parts + ([] if index is None else ["--fold", str(index)]))
