"""What a run does to its networks' answers, and what the validation cases said of it."""

from __future__ import annotations

from typing import Any

from voxtempo.report.run_files import RunFiles, mapping


def chosen(run: RunFiles) -> list[str]:
    """Return a sentence for mirror images and for every operation on label maps that was tried or is done."""
    return [*_mirror(run.mirror), *_postprocess(run.postprocess)]


def _mirror(record: dict[str, Any]) -> list[str]:
    if not record:
        return []
    axes = [str(axis) for axis in record.get("axes") or []]
    said = f"Mirror images along {', '.join(axes)} are asked too" if axes else "Mirror images are not asked"
    return [f"{said}: {record.get('rule', '')}{_figures(record)}."]


def _postprocess(record: dict[str, Any]) -> list[str]:
    if not record:
        return []
    done = [_words(item) for item in record.get("operations") or []]
    lines = [f"Label maps: {', then '.join(done) or 'nothing is changed'}: {record.get('rule', '')}."]
    for trial in record.get("tried") or []:
        said = mapping(trial)
        verdict = "kept" if said.get("kept") else "left out"
        lines.append(f"Tried {_words(said.get('operation'))}: {verdict}{_figures(said)}.")
    return lines


def _words(item: Any) -> str:
    return ", ".join(
        f"{name} ({', '.join(f'{key} {value}' for key, value in mapping(options).items())})" if options else str(name)
        for name, options in mapping(item).items()
    )


def _figures(record: dict[str, Any]) -> str:
    """Return the mean Dice before and after, where the record has them."""
    values = [record.get(key) for key in ("dice_before", "dice_after", "gain", "standard_error")]
    if not all(isinstance(value, int | float) for value in values):
        return ""
    before, after, gain, error = values
    over = f" over {record['subjects']} subjects" if isinstance(record.get("subjects"), int) else ""
    return f" (validation Dice {before:.4f} without, {after:.4f} with; {gain:+.4f}, standard error {error:.4f}{over})"
