"""A fold as a table, ``split.csv``: who was on which side."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from voxtempo.cohort.case import Cohort, Fold
from voxtempo.cohort.natural import natural
from voxtempo.cohort.splits import ROLES
from voxtempo.cohort.table import read_table
from voxtempo.errors import CohortError, did_you_mean
from voxtempo.scans.atomic import atomic_file


def write_split(path: Path, cohort: Cohort, fold: Fold) -> Path:
    """Write id, subject, group and role of every case as CSV; cases on no side have the role "left out"."""
    roles = {case_id: role for role in ROLES for case_id in getattr(fold, role)}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("id", "subject", "group", "role"))
    for case in cohort:
        writer.writerow((case.id, case.subject, case.group, roles.get(case.id, "left out")))
    with atomic_file(path) as stream:
        stream.write(text.getvalue().encode())
    return path


def read_split(path: Path, index: int = 0, name: str = "") -> Fold:
    """Return the fold that ``write_split`` wrote.

    Raises
    ------
    CohortError : no such file, or a role that is none.
    """
    table = read_table(path)
    for column in ("id", "role"):
        table.require(column, "split.csv")
    sides: dict[str, list[str]] = {role: [] for role in (*ROLES, "left out")}
    for row in table.rows:
        if row.values["role"] not in sides:
            raise CohortError(
                f"{path}, line {row.line}: '{row.values['role']}' is no role. {did_you_mean(row.values['role'], sides)}"
            )
        sides[row.values["role"]].append(row.values["id"])
    train, validation, test = (tuple(sorted(sides[role], key=natural)) for role in ROLES)
    return Fold(index, name or f"fold {index}", train, validation, test)
