"""Dividing groups so that every part resembles the whole: what stratification is made of.

Written by hand since scikit-learn's stratified group folds take one column of classes, equal parts, and depend on the
order of the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from voxtempo.cohort.case import Case, Cohort
from voxtempo.cohort.natural import natural
from voxtempo.cohort.problem import few
from voxtempo.cohort.table import is_missing, number_in
from voxtempo.errors import CohortError, did_you_mean

BINS = 5
FEW_VALUES = 10


def strata_of(cohort: Cohort, columns: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return one tuple of levels for each case, in the cohort's order: the target's level and those of ``columns``.

    Text and columns of up to 10 numbers are levels as they are; continuous ones are cut into quantile bins.

    Raises
    ------
    CohortError : no such column, or a text column that names nearly every group on its own.
    """
    described: list[list[str]] = []
    targets = [case.target for case in cohort]
    if cohort.cases and all(target is not None for target in targets):
        texts = [str(target) for target in targets]
        described.append(texts if cohort.classes else _levels(cohort, texts, "the target"))
    for column in columns:
        if column not in cohort.cases[0].row:
            raise CohortError(
                f"split.stratify: there is no column '{column}'. {did_you_mean(column, cohort.cases[0].row)}"
            )
        described.append(_levels(cohort, [case.row[column] for case in cohort], f"the column '{column}'"))
    unique = list(dict.fromkeys(tuple(levels) for levels in described))
    return tuple(zip(*unique, strict=True)) if unique else ((),) * len(cohort)


def _levels(cohort: Cohort, texts: Sequence[str], what: str) -> list[str]:
    numbers = [number_in(text) for text in texts if not is_missing(text)]
    if all(number is not None for number in numbers) and len(set(numbers)) > FEW_VALUES:
        by_group: dict[str, list[float]] = {}
        for case, text in zip(cohort, texts, strict=True):
            if not is_missing(text):
                by_group.setdefault(case.group, []).append(float(text))
        means = [float(np.mean(values)) for values in by_group.values()]
        edges = np.quantile(means, np.linspace(0, 1, min(BINS, max(2, len(means) // 4)) + 1)[1:-1])
        return [
            "" if is_missing(text) else f"bin{int(np.searchsorted(edges, float(text), side='right'))}" for text in texts
        ]
    groups = len({case.group for case in cohort})
    if len(set(texts)) > max(FEW_VALUES, groups // 2):
        raise CohortError(
            f"split.stratify: {what} has {len(set(texts))} different values ({few(sorted(set(texts)), 3)}) "
            f"for {groups} subjects, so there is nothing to balance. Name a column with a few values, or numbers."
        )
    return ["" if is_missing(text) else text for text in texts]


def group_profiles(cases: Sequence[Case], strata: Mapping[str, tuple[str, ...]]) -> dict[str, NDArray[np.float64]]:
    """Return, for each group, how many of its cases there are and how many have each level of each stratum.

    Parameters
    ----------
    cases : the cases to divide.
    strata : case id -> its levels.
    """
    levels = sorted({(i, level) for case in cases for i, level in enumerate(strata[case.id])})
    places = {level: i + 1 for i, level in enumerate(levels)}
    profiles: dict[str, NDArray[np.float64]] = {}
    for case in cases:
        profile = profiles.setdefault(case.group, np.zeros(len(levels) + 1))
        profile[0] += 1
        for i, level in enumerate(strata[case.id]):
            profile[places[(i, level)]] += 1
    return profiles


def divide(
    profiles: Mapping[str, NDArray[np.float64]],
    shares: Sequence[float],
    rng: np.random.Generator,
    least: Sequence[int],
) -> list[list[str]]:
    """Return the groups in parts of about these shares, each part's profile close to its share of the total.

    Large groups are placed first, then those with rare levels; each goes where it adds least to the chi-squared
    distance ``sum over parts f and levels l of count[f, l]^2 / (share[f] * total[l])``. Ties are broken by ``rng``,
    never by the order of the rows. Afterwards, parts with fewer than ``least`` groups get small ones from the others.
    """
    names = sorted(profiles, key=natural)
    if not names:
        return [[] for _ in shares]
    names = [names[i] for i in rng.permutation(len(names))]
    total = np.sum([profiles[name] for name in names], axis=0)
    rarity = {name: float(np.min(total[profiles[name] > 0])) for name in names}
    names.sort(key=lambda name: (-profiles[name][0], rarity[name]))
    counts = np.zeros((len(shares), len(total)))
    weights = 1 / (np.asarray(shares)[:, None] * total[None, :])
    parts: list[list[str]] = [[] for _ in shares]
    for name in names:
        profile = profiles[name]
        cost = ((2 * counts + profile) * profile * weights).sum(axis=1)
        best = int(np.argmin(np.round(cost, 12)))
        counts[best] += profile
        parts[best].append(name)
    for part, wanted in zip(parts, least, strict=True):
        while len(part) < wanted:
            richest = max(range(len(parts)), key=lambda i: len(parts[i]) - least[i])
            if len(parts[richest]) <= least[richest]:
                break
            part.append(parts[richest].pop())
    return parts
