"""A proposed study in the words of a study file: what was guessed, and how it is written down."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import yaml


@dataclass(frozen=True)
class Proposal:
    """What was guessed, in the words of a study file.

    Parameters
    ----------
    name, task : of the study.
    source : "table" or "bids".
    path : the table or the BIDS folder.
    root : the folder of the files.
    scans : channel -> template, or entities in words (BIDS).
    target : the YAML of the target.
    id, subject, site : columns.
    split : the YAML of the split.
    table_text : the CSV to write to ``path``, where the folder had none.
    guesses : one sentence for each thing that was guessed.
    """

    name: str
    task: str
    source: str
    path: Path
    root: Path
    scans: dict[str, str]
    target: str
    id: str = "id"
    subject: str | None = None
    site: str | None = None
    split: str = "{test: 0.2, folds: 5, seed: 1}"
    table_text: str | None = None
    guesses: tuple[str, ...] = ()

    def as_yaml(self, folder: Path) -> str:
        """Return the commented study file, with paths relative to the ``folder`` it will lie in."""
        lines = [
            "# Written by 'voxtempo new'; 'voxtempo check' explains every value. Guessed, so look at it:",
            *(f"# - {guess}" for guess in self.guesses),
            f"name: {self.name}",
            f"task: {self.task}               # classify, regress or segment",
            "cohort:",
            f"  {self.source}: {quoted(_relative(self.path, folder))}",
        ]
        if self.source == "table":
            lines += [
                f"  root: {quoted(_relative(self.root, folder))}      # file templates start here",
                f"  id: {plain(self.id)}",
            ]
        if self.subject:
            lines.append(f"  subject: {plain(self.subject)}      # rows of one subject never cross the split")
        elif self.source == "table":
            lines.append("  # subject: COLUMN      # name it if people have several rows, or they will cross the split")
        if self.site:
            lines.append(f"  site: {plain(self.site)}")
        lines.append(
            "  scans: {" + ", ".join(f"{channel}: {template}" for channel, template in self.scans.items()) + "}"
        )
        lines.append(f"  target: {self.target}")
        lines += [
            "# What follows is planned from the data when left out:",
            "# prepare: [{orient: RAS}, {normalise: zscore}]",
            "# sample, network, train, augment, evaluate",
            f"split: {self.split}",
        ]
        return "\n".join(lines) + "\n"


def study_name(text: str) -> str:
    """Return the text with everything that a study's or channel's name may not hold replaced by dashes."""
    cleaned = "".join(
        letter if (letter.isascii() and letter.isalnum()) or letter in "._-" else "-" for letter in text
    ).strip("-._")
    return cleaned or "study"


def quoted(text: str) -> str:
    """Return the text as a double-quoted YAML string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def plain(text: str) -> str:
    """Return the text as a YAML string, in quotes only where it needs them.

    >>> plain("site"), plain("no"), plain("age (years): x")
    ('site', '"no"', '"age (years): x"')
    """
    unquoted = text.isascii() and text.isidentifier() and isinstance(yaml.safe_load(text), str)
    return text if unquoted else quoted(text)


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder.resolve())).as_posix()
