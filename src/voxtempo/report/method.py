"""How it was done: the network, how it was trained, how scans were prepared, what was planned and why."""

from __future__ import annotations

import json
from typing import Any

import yaml

from voxtempo.report.choices import chosen
from voxtempo.report.numbers import duration
from voxtempo.report.run_files import RunFiles, mapping
from voxtempo.report.section import Section
from voxtempo.report.settings import in_words, steps_of
from voxtempo.report.tuned import seeds_grid, tuned_tables

LONGEST = 6000
"""Characters shown of a file that is quoted whole."""

Facts = list[tuple[str, str]]


def method_section(run: RunFiles) -> Section:
    """Return the section on plan, network, training and preparation."""
    notes = []
    if not run.study:
        notes.append("There is no study.yaml in the run folder, so preparation and training settings are left out.")
    manifest = run.manifest or (run.folds[0].manifest if run.folds else {})
    plan = manifest.get("plan")
    content = {
        "network": _network(run, manifest),
        "training": _training(run),
        "evaluation": _evaluation(run),
        "steps": steps_of(run.study.get("prepare")),
        "augment": _augment(run.study.get("augment")),
        "choices": chosen(run),
        "tuned": tuned_tables(run),
        "seeds": seeds_grid(run),
        "plan": [str(line) for line in plan] if isinstance(plan, list) else [],
        "fitted": _quoted(json.dumps(run.prepare, indent=1, ensure_ascii=False)) if run.prepare else "",
        "study": _quoted(yaml.safe_dump(run.study, sort_keys=False, allow_unicode=True)) if run.study else "",
    }
    return Section("method", "How it was done", content if any(content.values()) else {}, tuple(notes))


def _network(run: RunFiles, manifest: dict[str, Any]) -> Facts:
    said, asked = mapping(manifest.get("network")), mapping(run.study.get("network"))
    facts: Facts = []
    name = said.get("name") or asked.get("name") or asked.get("python") or run.network.get("name")
    if name:
        facts.append(("Network", str(name)))
    if isinstance(said.get("parameters"), int):
        facts.append(("Parameters", f"{said['parameters']:,}"))
    for key in ("input_shape", "shape"):
        if isinstance(run.network.get(key), list):
            facts.append(("Input", " × ".join(str(size) for size in run.network[key])))
            break
    facts += [(_title(key), in_words(value)) for key, value in asked.items() if key not in ("name", "python")]
    sample = run.study.get("sample")
    if isinstance(sample, dict):
        chosen = [f"{key}: {in_words(value)}" for key, value in sample.items() if value is not None]
        if chosen:
            facts.append(("Sample", "; ".join(chosen)))
    return facts


def _training(run: RunFiles) -> Facts:
    asked = dict(mapping(run.study.get("train")))
    if asked.get("optimiser") != "sgd":
        asked.pop("momentum", None)  # which AdamW has not
    facts = [(_title(key), in_words(value)) for key, value in asked.items()]
    facts = [(title, text) for title, text in facts if text not in ("", "no")]
    rows = run.history
    if rows:
        facts.insert(0, ("Epochs run", str(len(rows))))
    return facts


def _evaluation(run: RunFiles) -> Facts:
    return [
        (_title(f"{section} by" if key == "by" else key), text)
        for section in ("split", "evaluate")
        for key, value in mapping(run.study.get(section)).items()
        if (text := in_words(value)) not in ("", "no")
    ]


def _augment(augment: Any) -> list[tuple[str, str]]:
    return [(augment, "")] if isinstance(augment, str) else steps_of(augment)


def _title(key: str) -> str:
    return key.replace("_", " ").capitalize()


def _quoted(text: str) -> str:
    return (
        text
        if len(text) <= LONGEST
        else f"{text[:LONGEST]}\n… {len(text) - LONGEST:,} more characters in the run folder"
    )


def seconds_text(value: Any) -> str:
    """Return a recorded number of seconds in words, or nothing."""
    return duration(float(value)) if isinstance(value, int | float) and not isinstance(value, bool) else ""
