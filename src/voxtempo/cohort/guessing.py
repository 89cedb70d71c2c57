"""Telling by their names and values what columns and folders mean: ids, people, sites, label maps, the truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from voxtempo.cohort.masks import count_labels
from voxtempo.cohort.proposal import quoted
from voxtempo.cohort.table import is_missing

IMAGES = (".nii", ".nii.gz", ".png", ".jpg", ".jpeg", ".dcm")
LABEL_WORDS = (
    "label",
    "labels",
    "mask",
    "masks",
    "seg",
    "segmentation",
    "segmentations",
    "annotation",
    "annotations",
    "gt",
    "truth",
)
ID_WORDS = ("id", "case", "case_id", "scan", "scan_id", "image_id", "name", "file", "filename")
SUBJECT_WORDS = ("subject", "subject_id", "patient", "patient_id", "participant", "participant_id", "person")
SITE_WORDS = ("site", "scanner", "centre", "center", "hospital")
TARGET_WORDS = (
    "label",
    "class",
    "target",
    "diagnosis",
    "group",
    "dx",
    "condition",
    "outcome",
    "stage",
    "grade",
    "age",
    "sex",
    "gender",
)
FEW_CLASSES = 20


def named(columns: Sequence[str], words: Sequence[str]) -> str | None:
    """Return the column whose name is the first of ``words`` that any column has, or None."""
    lower = {column.lower(): column for column in reversed(columns)}
    return next((lower[word] for word in words if word in lower), None)


def is_label_word(name: str) -> bool:
    """Return whether a folder or column name speaks of label maps ("seg4", "labels", "lesion_mask")."""
    stem = "".join(letter for letter in name.lower() if not letter.isdigit())
    return stem.strip("_-") in LABEL_WORDS or stem.split("_")[-1] in LABEL_WORDS


def guess_truth(
    columns: dict[str, list[str]], masks: dict[str, str], events: str | None, task: str | None
) -> tuple[str, str] | None:
    """Return (task, column or mask template), or None; a column named like a truth goes before label maps."""
    if events and task in (None, "classify"):
        return "classify", "trial_type"
    ordered = sorted(
        columns, key=lambda c: TARGET_WORDS.index(c.lower()) if c.lower() in TARGET_WORDS else len(TARGET_WORDS)
    )
    usable = {}
    for column in ordered:
        known = [value for value in columns[column] if not is_missing(value)]
        kinds = len(set(known))
        if kinds >= 2 and _are_numbers(known) and kinds > min(FEW_CLASSES, len(known) // 4):
            usable[column] = "regress"
        elif 2 <= kinds <= FEW_CLASSES:
            usable[column] = "classify"
    speaking = {column: kind for column, kind in usable.items() if column.lower() in TARGET_WORDS}
    if masks and (task == "segment" or (task is None and not speaking)):
        return "segment", next(iter(masks.values()))
    for column, kind in {**speaking, **usable}.items():
        if task in (None, kind):
            return kind, column
    return None


def _are_numbers(values: Sequence[str]) -> bool:
    try:
        return all(float(value) == float(value) for value in values)
    except ValueError:
        return False


def held_labels(paths: Sequence[Path]) -> list[int]:
    """Return the label values of some maps, in order."""
    values = {int(value) for path in paths for value in count_labels(path)["labels"]}
    return sorted(values) if values else [1]


def mask_target(template: str, values: Sequence[int]) -> str:
    """Return the YAML of a target with a mask; a few values get names to be replaced, many are left to be found."""
    names = ", ".join(f"{value}: label{value}" for value in values)
    if len(values) > FEW_CLASSES:
        return f"{{mask: {quoted(template)}}}"
    return f"{{mask: {quoted(template)}, labels: {{{names}}}}}"
