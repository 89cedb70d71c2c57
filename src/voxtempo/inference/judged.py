"""What is known of judged cases: one row each (or one an event), as ``predictions.csv`` has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxtempo.cohort.views import View
from voxtempo.learning.cases import case_of

Row = dict[str, Any]


@dataclass(frozen=True)
class Judged:
    """Rows of ``predictions.csv`` for some cases.

    For segmentation also each row's figures by label (or region); for the others what was said of each row before it became
    one answer, (networks, looks, classes or 1), NaN where nothing was.
    """

    rows: tuple[Row, ...]
    by_label: tuple[dict[str, dict[str, float]], ...] = field(default=())
    said: tuple[NDArray[np.float32], ...] = field(default=())

    @classmethod
    def joined(cls, parts: Sequence[Judged]) -> Judged:
        """Return the rows of all parts, in order."""
        rows = tuple(row for part in parts for row in part.rows)
        by_label = tuple(figures for part in parts for figures in part.by_label)
        return cls(rows, by_label, tuple(said for part in parts for said in part.said))

    def with_rows(self, rows: Iterable[Row]) -> Judged:
        """Return the same with other columns."""
        return replace(self, rows=tuple(rows))

    def only(self, chosen: Iterable[int]) -> Judged:
        """Return some of the rows."""
        places = [int(place) for place in chosen]
        return Judged(
            tuple(self.rows[i] for i in places),
            tuple(self.by_label[i] for i in places) if self.by_label else (),
            tuple(self.said[i] for i in places) if self.said else (),
        )


def refuse_rows_of_others(view: View, judged: Judged) -> None:
    """Raise a ``LeakageError`` where a judged case is not of the view."""
    view.refuse_others(case_of(row["id"], view) for row in judged.rows)
