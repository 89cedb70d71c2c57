"""Cells that are probably not meant as they stand: codes for 'not known', decimal commas."""

from __future__ import annotations

import numpy as np
import pytest

from voxtempo.cohort import Case
from voxtempo.cohort.odd_values import odd_values


def cases(column: str, values) -> list[Case]:
    return [Case(f"c{i}", f"c{i}", {"mr": "x"}, row={"id": f"c{i}", column: str(v)}) for i, v in enumerate(values)]


def told(column: str, values, *, regressed: bool = True) -> list[tuple[str, str, str]]:
    found = odd_values(cases(column, values), column, regressed)
    return [(problem.severity, problem.where, problem.message) for problem in found]


AGES = [23, 31, 44, 52, 38, 29, 61, 47, 55, 36]


@pytest.mark.parametrize("code", [-999, 999, -9999, 1e6])
def test_a_code_among_ages_is_told_with_its_case(code):
    ((severity, where, message),) = told("age", [*AGES, code])
    assert (severity, where) == ("warning", "age")
    assert f"'age' of 1 of 11 cases lies far from all others: c10 ({code:g})" in message
    ((severity, _, _),) = told("age", [*AGES, code], regressed=False)
    assert severity == "note", "a covariate"


@pytest.mark.parametrize(
    "values",
    [
        AGES,
        [*AGES, 99],  # a very old person
        list(np.round(np.exp(np.random.default_rng(0).normal(0, 1, 200)), 3)),  # a long tail
        [1] * 9 + [2],
        [*AGES[:5], -999],  # too few to tell
        [*["left", "right"] * 5, -999],
        ["", "n/a", *AGES],
    ],
)
def test_plausible_numbers_are_left_in_peace(values):
    assert told("age", values) == []


def test_other_columns_may_hold_what_they_like():
    assert told("score", [*AGES, -999], regressed=False) == []


def test_decimal_commas_are_told_and_lists_are_not():
    ((severity, where, message),) = told("weight", ["70,5", "81", "66,25"])
    assert (severity, where) == ("note", "weight")
    assert "decimal commas (70,5, 66,25)" in message
    assert told("pair", ["1,2,3", "4,5"]) == []
    assert told("kind", ["a,b", "7,5"]) == []
