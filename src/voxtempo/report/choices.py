"""What a run does to its networks' answers, and what the validation cases said of it."""

from __future__ import annotations

from typing import Any

from voxtempo.metrics import criterion_of
from voxtempo.report.run_files import RunFiles, mapping


def chosen(run: RunFiles) -> list[str]:
    """Return sentences on harmonised sites, mirror images, and every operation on label maps that was tried or is done."""
    return [*_harmonised(run), *_together(run), *_mirror(run.mirror), *_postprocess(run.postprocess)]


def chosen_by_validation(run: RunFiles) -> list[str]:
    """Return what the validation cases chose, whose own figures are too good for it."""
    every = (run, *run.folds)
    evaluate = mapping(run.study.get("evaluate"))
    calibration = mapping(run.metrics.get("calibration")).get("method") or "none"
    found = {
        "the weights": mapping(run.study.get("train")).get("keep") != "last",
        "mirror images": any(each.mirror.get("chosen_on") and each.mirror.get("axes") for each in every),
        "operations on label maps": any(
            each.postprocess.get("chosen_on") and each.postprocess.get("operations") for each in every
        ),
        "the calibration": calibration != "none",
        "the threshold": run.task == "classify" and evaluate.get("threshold") not in (None, "none"),
    }
    return [name for name, chosen in found.items() if chosen]


def _harmonised(run: RunFiles) -> list[str]:
    """Return what each fold's harmonisers learned from whom; a look at test images is told first of all."""
    lines = []
    for each in (run, *run.folds):
        record = each.harmonise
        listed = record.get("harmonisers")
        if not isinstance(listed, list):
            continue
        names = ", then ".join(_words({k: v for k, v in mapping(item).items() if k != "learned"}) for item in listed)
        sites = ", ".join(f"{site} {count}" for site, count in mapping(record.get("sites")).items())
        of_sites = f" (by site: {sites})" if sites else ""
        learned = f"learned from {record.get('cases')} training cases{of_sites}"
        line = f"{record.get('fold', '')}: sites are made alike by {names}, {learned}."
        adapted = ", ".join(f"{site} ({count} scans)" for site, count in mapping(record.get("adapted_to")).items())
        if adapted:
            line += (
                f" It was then adapted to the images, not the truths, of validation and test cases of the new site {adapted}: "
                "the figures hold where as many scans of a new site come together."
            )
        lines.append(line)
    return lines


def _together(run: RunFiles) -> list[str]:
    """Return what several networks of a fold say together, and each alone, on the validation cases."""
    alone = run.metrics.get("validation_alone")
    if not isinstance(alone, list) or not alone:
        return []
    criterion = criterion_of(run.task)
    together = _value(run.metrics.get("validation"), criterion)
    single = [_value(each, criterion) for each in alone]
    if together is None or None in single:
        return []
    said = ", ".join(f"{value:.4g}" for value in single)
    return [
        f"{len(alone)} networks from different seeds answer together: {criterion.replace('_', ' ')} on the validation cases "
        f"{together:.4g}; each alone {said}."
    ]


def _value(metrics: Any, name: str) -> float | None:
    figure = mapping(metrics).get(name)
    figure = mapping(figure).get("mean", figure)
    value = mapping(figure).get("value")
    return float(value) if isinstance(value, int | float) else None


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
