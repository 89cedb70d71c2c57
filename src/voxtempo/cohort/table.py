"""Tables of cases: CSV and TSV files read strictly, rows chosen by their values, file templates filled from columns.

Written by hand rather than with pandas: cells stay the text they were ('007' is no number), faults are named by line.
"""

from __future__ import annotations

import csv
import io
import math
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from voxtempo.cohort.natural import natural
from voxtempo.cohort.problem import Problem, few
from voxtempo.errors import CohortError, did_you_mean

MISSING = frozenset({"", "n/a", "na", "nan", "null", "none"})


@dataclass(frozen=True)
class Row:
    """One row: its values as text, its line, and the files that a BIDS folder already knows."""

    values: Mapping[str, str]
    line: int
    scans: Mapping[str, Path | None] = field(default_factory=dict)
    events: Path | None = None
    repetition_time: float | None = None
    slice_times: tuple[float, ...] = ()


@dataclass(frozen=True)
class Table:
    """A header, the rows under it, where they came from, and what was noticed on the way."""

    source: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    problems: tuple[Problem, ...] = ()

    def require(self, column: str, key: str) -> None:
        """Raise a ``CohortError`` that suggests the nearest column unless ``column`` exists; ``key`` asked for it."""
        if column not in self.columns:
            raise CohortError(
                f"'{key}' names the column '{column}', which {self.source} does not have. "
                f"{did_you_mean(column, self.columns)}"
            )


def is_missing(text: str) -> bool:
    """Return whether a cell says that the value is not known ('', n/a, NaN ...)."""
    return text.strip().lower() in MISSING


def number_in(text: str) -> float | None:
    """Return the finite number a cell holds, or None.

    >>> number_in("1.5"), number_in("left"), number_in("nan")
    (1.5, None, None)
    """
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def read_table(path: Path) -> Table:
    """Return the table of a CSV or TSV file (UTF-8, header line; .tsv means tabs, otherwise the header decides).

    Raises
    ------
    CohortError : no such file, not UTF-8 text, no header, empty or repeated column names, rows of another length.
    """
    text = _text(path)
    header_line = text.split("\n", 1)[0]
    delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=header_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[Row] = []
    ragged: list[str] = []
    columns: tuple[str, ...] = ()
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not columns:
                columns = _header(cells, path)
            elif len(cells) != len(columns):
                ragged.append(f"line {reader.line_num} ({len(cells)})")
            else:
                values = dict(zip(columns, (cell.strip() for cell in cells), strict=True))
                rows.append(Row(values, reader.line_num))
    except csv.Error as error:
        raise CohortError(f"{path}, line {reader.line_num}: {error}. Check the quotes around that line.") from None
    if ragged:
        raise CohortError(
            f"{path}: {len(ragged)} rows do not have {len(columns)} cells as the header does: {few(ragged)}. "
            "Put values that hold the delimiter in double quotes."
        )
    if not rows:
        raise CohortError(f"{path} has no rows{' under its header' if columns else ': it is empty'}.")
    return Table(str(path), columns, tuple(rows))


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise CohortError(f"There is no table at {path}.") from None
    except OSError as error:
        raise CohortError(f"The table {path} cannot be read: {error.strerror or error}.") from None
    if raw[:4] == b"PK\x03\x04":
        raise CohortError(f"{path} is a spreadsheet, not text: export it as CSV (UTF-8).")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CohortError(f"{path} is not UTF-8 text (byte {error.start}): save it as CSV (UTF-8).") from None
    if "\0" in text:
        raise CohortError(f"{path} is not a text table: it holds zero bytes. Save it as CSV (UTF-8).")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _header(cells: Sequence[str], path: Path) -> tuple[str, ...]:
    columns = tuple(cell.strip() for cell in cells)
    empty = [str(i) for i, name in enumerate(columns, 1) if not name]
    if empty:
        raise CohortError(f"{path}: column {few(empty)} has no name in the header line.")
    repeated = sorted({name for name in columns if columns.count(name) > 1})
    if repeated:
        raise CohortError(f"{path}: the header names {few(repeated)} more than once.")
    return columns


def choose_rows(table: Table, where: Mapping[str, str | Sequence[str]] | None) -> tuple[Row, ...]:
    """Return the rows whose columns have the wanted values (all conditions must hold).

    Raises
    ------
    CohortError : an unknown column, or a value that no row has; the message lists the values there are.
    """
    rows = table.rows
    for column, wanted in (where or {}).items():
        table.require(column, f"cohort.where.{column}")
        values = [wanted] if isinstance(wanted, str) else list(wanted)
        present = sorted({row.values[column] for row in table.rows}, key=natural)
        absent = [value for value in values if value not in present]
        if absent:
            raise CohortError(
                f"cohort.where: no row of {table.source} has {column} = {few(absent)}. It holds: {few(present, 10)}."
            )
        rows = tuple(row for row in rows if row.values[column] in values)
    if not rows:
        raise CohortError(f"cohort.where leaves no row of {table.source}: no row meets all of its conditions.")
    return rows


def template_columns(template: str, key: str) -> tuple[str, ...]:
    """Return the columns a template uses.

    Raises
    ------
    CohortError : the braces do not match, or hold more than a column's name.

    >>> template_columns("{site}/{id}.nii.gz", "cohort.scans.t1")
    ('site', 'id')
    """
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise CohortError(f"'{key}': the template '{template}' has unmatched braces ({error}).") from None
    names = [name for _, name, _, _ in parts if name is not None]
    if not all(names) or any(form or change for _, name, form, change in parts if name is not None):
        raise CohortError(
            f"'{key}': a template holds column names in braces, as in 'images/{{id}}.nii.gz', not '{template}'."
        )
    return tuple(names)


def fill(template: str, row: Row, root: Path, key: str, table: Table) -> Path | None:
    """Return the absolute path that ``template`` means for ``row``, or None where a column it needs is empty."""
    values: dict[str, str] = {}
    for name in template_columns(template, key):
        table.require(name, key)
        values[name] = row.values[name]
    if any(is_missing(value) for value in values.values()):
        return None
    text = "".join(
        literal + (values[name] if name is not None else "")
        for literal, name, _, _ in string.Formatter().parse(template)
    )
    return root / text


def repeated(values: Iterable[str]) -> list[str]:
    """Return the values that occur more than once, in natural order."""
    seen: set[str] = set()
    again: set[str] = set()
    for value in values:
        (again if value in seen else seen).add(value)
    return sorted(again, key=natural)
