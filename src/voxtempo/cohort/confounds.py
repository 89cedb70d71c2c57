"""Tables of confounds: a row a volume, a column a course, as fMRIPrep and others write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voxtempo.cohort.table import is_missing, read_table
from voxtempo.errors import CohortError


def read_confounds(path: Path, volumes: int) -> dict[str, NDArray[np.float64]]:
    """Return the numeric columns of a table: name -> (t,) array, NaN where the table says n/a.

    Parameters
    ----------
    path : TSV or CSV with a header line. Columns that hold anything but numbers are left out.
    volumes : t of the series it belongs to.

    Raises
    ------
    CohortError : the table has not one row a volume, or no numeric column.
    """
    table = read_table(path)
    if len(table.rows) != volumes:
        raise CohortError(
            f"{path}: {len(table.rows)} rows, but the series has {volumes} volumes; a table of confounds has one row a volume."
        )
    found: dict[str, NDArray[np.float64]] = {}
    for name in table.columns:
        try:
            values = [row.values[name] for row in table.rows]
            found[name] = np.array([np.nan if is_missing(value) else float(value) for value in values])
        except ValueError:
            continue
    if not found:
        raise CohortError(f"{path}: no column holds numbers, so there are no confounds in it.")
    return found
