"""What a table's cells hold that is probably not meant: codes for 'not known' among numbers, decimal commas."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from voxtempo.cohort.case import Case
from voxtempo.cohort.leakage.covariates import is_covariate
from voxtempo.cohort.problem import Problem, few
from voxtempo.cohort.table import is_missing, number_in

CODES = frozenset({-9.0, -99.0, -999.0, -9999.0, 99.0, 999.0, 9999.0})
NEAR, FAR = 3.0, 10.0
"""Interquartile ranges beyond the quartiles from which on a code, or any value, is told."""
ENOUGH = 8
WITH_COMMA, NUMBER = re.compile(r"-?\d+,\d+"), re.compile(r"-?\d+(,\d+)?")


def odd_values(cases: Sequence[Case], target: str | None, regressed: bool) -> Iterator[Problem]:
    """Yield a problem for each column whose values look like a mistake.

    Parameters
    ----------
    cases : with their rows of the table.
    target : column of the truth, or None.
    regressed : whether the truth is a number to learn: what is odd in it is a warning; in covariates it is a note.
    """
    for column in cases[0].row if cases else ():
        known = [(case.id, case.row[column].strip()) for case in cases if not is_missing(case.row[column])]
        truth = regressed and column == target
        if any(WITH_COMMA.fullmatch(text) for _, text in known) and all(NUMBER.fullmatch(text) for _, text in known):
            message = (
                f"'{column}' holds numbers with decimal commas ({few([text for _, text in known if ',' in text], 3)}), which "
                "are taken for names of categories. Write them with points."
            )
            yield Problem("note", column, message)
        elif truth or is_covariate(column):
            yield from _far(column, known, truth)


def _far(column: str, known: Sequence[tuple[str, str]], truth: bool) -> Iterator[Problem]:
    numbers = [(case_id, value) for case_id, text in known if (value := number_in(text)) is not None]
    if len(numbers) < max(ENOUGH, len(known)):
        return
    values = np.array([value for _, value in numbers])
    low, high = np.percentile(values, [25, 75])
    spread = high - low
    beyond = np.maximum(low - values, values - high)
    limits = np.array([NEAR if value in CODES else FAR for value in values])
    far = [
        f"{case_id} ({value:g})" for (case_id, value), odd in zip(numbers, beyond > limits * spread, strict=True) if odd
    ]
    if spread > 0 and far:
        message = (
            f"'{column}' of {len(far)} of {len(known)} cases lies far from all others: {few(far)}. If that stands for 'not "
            "known', leave the cell empty, or leave such cases out with 'cohort.where'."
        )
        yield Problem("warning" if truth else "note", column, message)
