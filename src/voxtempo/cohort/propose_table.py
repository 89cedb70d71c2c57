"""A study proposed from a table: which column names the rows, where their files are, what the truth could be."""

from __future__ import annotations

import glob
from pathlib import Path

from voxtempo.cohort.guessing import (
    ID_WORDS,
    IMAGES,
    SITE_WORDS,
    SUBJECT_WORDS,
    guess_truth,
    held_labels,
    is_label_word,
    mask_target,
    named,
)
from voxtempo.cohort.problem import few
from voxtempo.cohort.proposal import Proposal, plain, quoted, study_name
from voxtempo.cohort.propose_folder import dicom_folders
from voxtempo.cohort.table import Table, fill, is_missing
from voxtempo.errors import CohortError

PLAIN_WORDS = ("path", "file", "filename", "image", "images", "scan", "scans", "img")


def from_table(table: Table, path: Path, root: Path, task: str | None) -> Proposal:
    """Return a proposal from a table whose paths start at ``root``."""
    guesses: list[str] = []
    columns = {column: [row.values[column] for row in table.rows] for column in table.columns}
    unique = [column for column, values in columns.items() if len(set(values)) == len(values)]
    if not unique:
        raise CohortError(f"{path}: no column is unique, so none can name the rows. Add a column 'id'.")
    identity = named(unique, ID_WORDS) or unique[0]
    guesses.append(f"column '{identity}' names the rows")
    subject = named([column for column in columns if column != identity], SUBJECT_WORDS)
    if subject:
        guesses.append(f"column '{subject}' names the person")
    site = named(list(columns), SITE_WORDS)
    scans, masks, events = _files(table, root, identity)
    if not scans:
        raise CohortError(
            f"{path}: no column holds paths of scans, and no folder under {root} has files named after '{identity}'."
        )
    guesses.append(f"scans are {few(list(scans.values()))}")
    used = {
        identity,
        subject,
        site,
        *(name for name in columns if any(f"{{{name}}}" in t for t in (*scans.values(), *masks.values()))),
    }
    target = guess_truth({c: v for c, v in columns.items() if c not in used}, masks, events, task)
    if target is None:
        raise CohortError(
            f"{path}: found neither label maps nor a column that could be the truth{f' of {task}' if task else ''}."
        )
    chosen, column = target
    text = f"{{column: {plain(column)}}}"
    if chosen == "segment":
        text = mask_target(column, _label_values(column, table, root))
        guesses.append("the labels have no names yet: put yours in the place of label1, label2 ...")
        if len(masks) > 1:
            guesses.append(f"several folders could hold label maps: {few(list(masks.values()))}")
    elif events:
        text = f"{{events: {events}, column: trial_type}}"
    guesses.append(f"the truth is {column} (task {chosen})")
    templates = {channel: quoted(template) for channel, template in scans.items()}
    name = study_name(root.name)
    return Proposal(name, chosen, "table", path, root, templates, text, identity, subject, site, guesses=tuple(guesses))


def _files(table: Table, root: Path, identity: str) -> tuple[dict[str, str], dict[str, str], str | None]:
    """Return templates of scans, of label maps (fewest labels first) and of events, from columns or names."""
    scans: dict[str, str] = {}
    masks: dict[str, str] = {}
    events: str | None = None
    for column in table.columns:
        known = [row.values[column] for row in table.rows if not is_missing(row.values[column])][:5]
        if known and all((root / value).is_dir() and dicom_folders(root / value) for value in known):
            scans[_channel(column)] = f"{{{column}}}"
            continue
        if not known or not all((root / value).is_file() for value in known):
            continue
        if all("event" in value and value.endswith((".tsv", ".csv")) for value in known):
            events = f"'{{{column}}}'"
        elif all(value.lower().endswith(IMAGES) for value in known):
            (masks if is_label_word(column) else scans)[_channel(column)] = f"{{{column}}}"
    first = table.rows[0].values[identity]
    for file in sorted(root.rglob(f"{glob.escape(first)}*")):
        suffix = file.name[len(first) :]
        if not scans and not suffix and file.is_dir() and dicom_folders(file):
            template = f"{(file.parent / 'x').relative_to(root).as_posix()[:-1]}{{{identity}}}"
            if _complete(template, table, root):
                scans["mr"] = template
            continue
        if scans and not is_label_word(file.parent.name):
            continue
        if file.is_file() and suffix.lower() in IMAGES:
            folder = file.parent.relative_to(root).as_posix()
            template = f"{folder}/{{{identity}}}{suffix}" if folder != "." else f"{{{identity}}}{suffix}"
            if _complete(template, table, root):
                (masks if is_label_word(file.parent.name) else scans)[_channel(file.parent.name)] = template
    coarsest = sorted(masks.items(), key=lambda item: len(_label_values(item[1], table, root, 1)))
    return scans, dict(coarsest), events


def _complete(template: str, table: Table, root: Path) -> bool:
    files = [fill(template, row, root, "a file", table) for row in table.rows[:20]]
    return all(file is not None and file.exists() for file in files)


def _channel(name: str) -> str:
    return "mr" if name.lower() in PLAIN_WORDS else study_name(name)


def _label_values(template: str, table: Table, root: Path, maps: int = 20) -> list[int]:
    files = [fill(template, row, root, "a label map", table) for row in table.rows[:maps]]
    return held_labels([file for file in files if file is not None])
