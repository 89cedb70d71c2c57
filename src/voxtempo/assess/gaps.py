"""How far apart subgroups are: which is judged best and which worst, and their difference with an interval.

Of several groups two always differ most, also where chance alone made them differ. So the interval is one for every pair
of groups at once (a simultaneous one, by the largest studentised deviation of any pair in each resample: Westfall and Young
1993, Resampling-Based Multiple Testing), and it may be read for the pair that the data chose. Subjects are drawn within
groups, those of several groups (two sessions on two scanners) for all of them together. The interval is made of the two groups'
own (``independent.py``) where they are of different people, and else as wide as Welch's t interval would be. No library has it
for subjects with several cases.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from voxtempo.assess.figure import Figure
from voxtempo.assess.independent import difference_of
from voxtempo.assess.percentiles import LEVEL
from voxtempo.assess.resampling import BLOCK, FEWEST_SUBJECTS, Units, Weights, draw_weights
from voxtempo.metrics import Goal

Key = TypeVar("Key", bound=Hashable)
Values = NDArray[np.float64]
Part = tuple[Callable[[Weights], Mapping[Key, Values]], Sequence[str] | NDArray[Any]]

Z = float(stats.norm.ppf((1 + LEVEL) / 2))


def subgroup_gaps(
    parts: Mapping[str, Part[Key]],
    goals: Mapping[Key, Goal],
    resamples: int = 2000,
    seed: int | np.random.Generator = 0,
    figures: Mapping[str, Mapping[Key, Figure]] | None = None,
) -> dict[Key, dict[str, Any]]:
    """Return the best and the worst group by every metric, and how much worse the worst is.

    Parameters
    ----------
    parts : group -> the function from weights (r, n) of its cases to its figures, name -> (r,), and whom each of the n cases
        comes from. Groups of fewer than ``FEWEST_SUBJECTS`` subjects are not compared.
    goals : name -> what is better; other names are not compared.
    resamples : number of resamples.
    seed : a seed, or the generator to draw from.
    figures : group -> name -> its figure, whose interval is of the kind that suits the metric.

    Returns
    -------
    name -> "best", "worst" (groups), "groups" (how many were compared) and "difference", a figure over the subjects of those
    two: at least 0, in the metric's unit. Where 0 is best ("zero"), the two are those with the highest and the lowest value,
    and the worst is the farther from 0. A name that fewer than two groups define is missing. The interval is None where
    neither the figures have one nor any resample differs.
    """
    kept = {name: part for name, part in parts.items() if len(set(map(str, np.asarray(part[1])))) >= FEWEST_SUBJECTS}
    if len(kept) < 2:
        return {}
    subjects = {name: np.asarray(part[1]).astype(str) for name, part in kept.items()}
    whole = {name: part[0](np.ones((1, subjects[name].size))) for name, part in kept.items()}
    drawn: dict[str, dict[Key, list[Values]]] = {name: {key: [] for key in goals} for name in kept}
    for weights in _draw(subjects, resamples, np.random.default_rng(seed)):
        for name, part in kept.items():
            found = part[0](weights[name])
            for key in goals:
                drawn[name][key].append(found[key] if key in found else np.full(len(weights[name]), np.nan))
    count = {name: len(np.unique(each)) for name, each in subjects.items()}
    gaps = {}
    for key, goal in goals.items():
        values = {name: float(found[key][0]) for name, found in whole.items() if key in found}
        rows = {name: np.concatenate(drawn[name][key]) for name in values}
        defined = [name for name in values if math.isfinite(values[name]) and np.isfinite(rows[name]).mean() >= 0.5]
        if len(defined) > 1:
            own = {name: figures[name][key] for name in defined if key in figures[name]} if figures else {}
            gaps[key] = _gap({name: values[name] for name in defined}, rows, subjects, count, goal, own)
    return gaps


def _draw(
    subjects: Mapping[str, NDArray[np.str_]], resamples: int, rng: np.random.Generator
) -> Iterator[dict[str, Weights]]:
    """Yield group -> how often each of its cases is in every resample, (r, n); all subjects of one set of groups compete."""
    names, places = np.unique(np.concatenate(list(subjects.values())), return_inverse=True)
    inside = np.stack([np.isin(names, each) for each in subjects.values()])
    _, stratum = np.unique(inside, axis=1, return_inverse=True)
    strata = [np.flatnonzero(stratum.reshape(-1) == code) for code in range(int(stratum.max()) + 1)]
    strata.sort(key=lambda members: int(members[0]))  # the same draws whatever the order of the groups
    ends = np.cumsum([each.size for each in subjects.values()])[:-1]
    codes = np.split(places.reshape(-1), ends)
    block = max(1, BLOCK // max(places.size, names.size))
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        counts = np.empty((rows, names.size))
        for members in strata:
            units = Units(np.arange(members.size), members.size, "subjects")
            counts[:, members] = np.concatenate(list(draw_weights(units, rows, rng)))
        yield {name: counts[:, own] for name, own in zip(subjects, codes, strict=True)}


def _gap(
    values: Mapping[str, float],
    rows: Mapping[str, Values],
    subjects: Mapping[str, NDArray[np.str_]],
    count: Mapping[str, int],
    goal: Goal,
    figures: Mapping[str, Figure],
) -> dict[str, Any]:
    ranked = sorted(values, key=lambda name: values[name])
    low, high = ranked[0], ranked[-1]
    worst, best = (high, low) if goal == "smaller" else (low, high)
    if goal == "zero" and abs(values[high]) > abs(values[low]):
        worst, best = high, low
    whole = np.isfinite(np.stack([rows[name] for name in values])).all(axis=0)
    moved = {name: (rows[name][whole] - values[name]) * math.sqrt(count[name] / (count[name] - 1)) for name in values}
    apart = not set(subjects[low]) & set(subjects[high])
    n = len(np.unique(np.concatenate([subjects[low], subjects[high]])))
    difference = Figure(values[high] - values[low], None, None, n, "subjects")
    if apart and low in figures and high in figures:
        told = difference_of(figures[high], figures[low], _reach(moved, ranked) / Z)
        if told.low is not None:
            difference = replace(difference, low=told.low, high=told.high, method=told.method)
    if difference.low is None:
        spread = float((moved[high] - moved[low]).std()) if whole.any() else 0.0
        if spread > 1e-12 * max(abs(value) for value in values.values()):
            arm = _reach(moved, ranked) * spread * _widening(moved[low], moved[high], count[low], count[high])
            ends = (values[high] - values[low] - arm, values[high] - values[low] + arm)
            difference = replace(difference, low=ends[0], high=ends[1], method="max_t")
    return {"best": best, "worst": worst, "groups": len(values), "difference": difference}


def _reach(moved: Mapping[str, Values], groups: Sequence[str]) -> float:
    """Return how many standard errors the interval of any pair must reach to hold for all pairs at once."""
    pairs = [moved[first] - moved[second] for first, second in combinations(groups, 2)]
    told = [np.abs(each) / each.std() for each in pairs if each.size > 1 and each.std() > 0]
    if len(pairs) == 1 or not told:
        return float(stats.norm.ppf(1 - (1 - LEVEL) / 2 / len(pairs)))  # Bonferroni's where nothing varies
    return max(Z, float(np.quantile(np.max(told, axis=0), LEVEL)))


def _widening(first: Values, second: Values, n: int, m: int) -> float:
    """Return how much wider a t interval of two groups of n and m is than a normal one (Welch 1947)."""
    a, b = float(first.var()), float(second.var())
    freedom = (a + b) ** 2 / (a**2 / (n - 1) + b**2 / (m - 1))
    return float(stats.t.ppf((1 + LEVEL) / 2, freedom)) / Z
