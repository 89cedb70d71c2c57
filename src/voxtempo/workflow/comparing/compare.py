"""Compare runs: read, align, group by seed, measure, resample together, rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations, takewhile
from pathlib import Path

import numpy as np

from voxtempo.assess.areas import delong_test
from voxtempo.assess.paired import (
    Resampled,
    bootstrap_difference,
    chances_to_lead,
    difference,
    mean_of,
    resample,
)
from voxtempo.assess.paired_tests import holm, mcnemar, subject_means, wilcoxon
from voxtempo.assess.resampling import Units, units_of
from voxtempo.errors import RunError, did_you_mean
from voxtempo.metrics import criterion_of, higher_is_better, path_to
from voxtempo.workflow.comparing.alignment import align, groups_of
from voxtempo.workflow.comparing.answers import Answers, names_of, read_answers, settings_of
from voxtempo.workflow.comparing.comparison import FEW, Comparison, Pair, Side, Spread, metric_text
from voxtempo.workflow.comparing.metrics import Measured, Metric, figures_of, measure
from voxtempo.workflow.comparing.sentences import sentence_of


def compare_runs(
    folders: Sequence[str | Path],
    metric: str | None = None,
    *,
    common: bool = False,
    resamples: int = 2000,
    seed: int = 0,
) -> Comparison:
    """Compare finished runs on the same test cases, from their folders alone.

    Runs that differ in nothing but their seeds become one side: their mean, and its spread.

    Parameters
    ----------
    folders : two or more run folders.
    metric : what to rank by, such as "auc" or "dice:anterior"; by default balanced accuracy, mean absolute error or mean Dice.
    common : compare on the cases that all have, instead of refusing runs with different test cases.
    resamples, seed : of the bootstrap over subjects.

    Raises
    ------
    RunError : a folder is no run with judged test cases, is given twice, or the runs cannot be compared.
    """
    paths = [Path(folder) for folder in folders]
    if len({path.resolve() for path in paths}) < max(len(paths), 2):
        raise RunError("Give two or more different run folders to compare.")
    found = [replace(read_answers(path), name=name) for path, name in zip(paths, names_of(paths), strict=True)]
    runs, left_out = align(found, common)
    groups = groups_of(runs)
    by = "subject" if runs[0].run.task != "segment" and all(run.by == "subject" for run in runs) else "case"
    measured = [measure(run, groups, by) for run in runs]
    together = resample([each.statistic for each in measured], measured[0].groups, resamples, seed)
    chosen = _metric(metric, runs[0].run.task, together)
    members = _by_seed(runs)
    sides, joined = [], []
    for name, places in members.items():
        parts = [together[place] for place in places]
        joined.append(mean_of(parts) if len(parts) > 1 else parts[0])
        sides.append(_side(name, [runs[i] for i in places], [measured[i] for i in places], parts))
    higher = bool(higher_is_better(chosen[0]))
    leads = chances_to_lead(joined, chosen, higher)
    order = sorted(range(len(sides)), key=lambda i: _worse(sides[i], chosen, higher))
    ranked = [replace(sides[i], rank=rank + 1, leads=leads[i]) for rank, i in enumerate(order)]
    alone = [[measured[place] for place in list(members.values())[i]] for i in order]
    pairs = _pairs(ranked, [joined[i] for i in order], alone, chosen, units_of(measured[0].groups))
    return Comparison(
        runs[0].run.task, chosen, by, len(runs[0].rows), left_out, tuple(ranked), pairs,
        _notes(runs, ranked, chosen, left_out),
    )  # fmt: skip


def _metric(said: str | None, task: str, runs: Sequence[Resampled]) -> Metric:
    known = {metric_text(key): key for key in runs[0].whole if higher_is_better(key[0]) is not None}
    shared = {text: key for text, key in known.items() if all(key in run.whole for run in runs)}
    if said is None:
        name, *label = path_to(criterion_of(task), task)
        return name, "".join(label)
    for text in (said, f"{said}:mean"):
        if text in shared:
            return shared[text]
    raise RunError(f"These runs cannot be ranked by '{said}'. {did_you_mean(said, shared)}")


def _by_seed(runs: Sequence[Answers]) -> dict[str, list[int]]:
    """Return name -> places of the runs that are one side."""
    settings = [settings_of(run) for run in runs]
    alike: dict[object, list[int]] = {}
    for place, run in enumerate(runs):
        key = repr(settings[place][0]) if run.run.study else place
        alike.setdefault(key, []).append(place)
    sides: dict[str, list[int]] = {}
    for places in alike.values():
        if len(places) > 1 and len({settings[place][1] for place in places}) == len(places):
            sides[_shared_name([runs[place].name for place in places], sides)] = places
        else:
            sides.update({runs[place].name: [place] for place in places})
    return sides


def _shared_name(names: Sequence[str], taken: Mapping[str, list[int]]) -> str:
    letters = takewhile(lambda column: len(set(column)) == 1, zip(*names, strict=False))
    prefix = "".join(column[0] for column in letters).rstrip("0123456789-_./ ") or names[0]
    name = f"{prefix} ({len(names)} seeds)"
    return name if name not in taken else f"{names[0]} and {len(names) - 1} more seeds"


def _side(name: str, runs: Sequence[Answers], measured: Sequence[Measured], parts: Sequence[Resampled]) -> Side:
    spread = {}
    if len(runs) > 1:
        for key in parts[0].whole:
            values = [part.whole[key] for part in parts]
            if np.isfinite(values).all():
                spread[key] = Spread(
                    tuple(values), float(np.mean(values)), float(np.std(values, ddof=1)), min(values), max(values)
                )
    return Side(name, tuple(run.name for run in runs), sum(run.failed for run in runs), figures_of(measured), spread)


def _worse(side: Side, metric: Metric, higher: bool) -> float:
    value = side.figures[metric].value
    if value is None:
        return np.inf
    return -value if higher else value


def _pairs(
    sides: Sequence[Side],
    joined: Sequence[Resampled],
    measured: Sequence[Sequence[Measured]],
    metric: Metric,
    units: Units,
) -> tuple[Pair, ...]:
    every = list(combinations(range(len(sides)), 2))
    differences = [difference(joined[i], joined[j], metric) for i, j in every]
    corrected = holm([each.p for each in differences])
    return tuple(
        Pair(
            sides[i].name,
            sides[j].name,
            found,
            bootstrap_difference(joined[i], joined[j], metric),
            p,
            _tests(measured[i], measured[j], metric, units),
            sentence_of(sides[i], sides[j], metric, found, p, len(every)),
        )
        for (i, j), found, p in zip(every, differences, corrected, strict=True)
    )


def _tests(first: Sequence[Measured], second: Sequence[Measured], metric: Metric, units: Units) -> dict[str, float]:
    """Return the p-values of the tests that fit the metric and the design."""
    tests: dict[str, float] = {}
    one, two = first[0], second[0]
    single = len(first) == len(second) == 1
    if single and units.alone and metric[0] == "accuracy" and one.right is not None and two.right is not None:
        found = mcnemar(one.right, two.right)
        tests |= {"mcnemar_exact": found.exact, "mcnemar_mid_p": found.mid_p}
    if single and metric[0] == "auc" and one.ranked is not None and two.ranked is not None:
        p = delong_test(one.ranked[0], two.ranked[0], one.ranked[1], units)[2]
        tests |= {"delong": p} if np.isfinite(p) else {}
    if one.losses is not None and metric in one.losses:
        means = [
            subject_means(np.mean([(each.losses or {})[metric] for each in side], axis=0), units.codes, units.n)
            for side in (first, second)
        ]
        tests["wilcoxon"] = wilcoxon(*means)
    return tests


def _notes(runs: Sequence[Answers], sides: Sequence[Side], metric: Metric, left_out: int) -> tuple[str, ...]:
    notes = []
    figure = sides[0].figures[metric]
    if figure.over == "cases":
        notes.append("There are fewer than five subjects: cases were resampled, so nothing is said about new people.")
    elif figure.n < FEW:
        notes.append(
            f"There are only {figure.n} subjects: intervals of so few hold the truth less often than they say in some "
            "cohorts (docs/intervals.md)."
        )
    if left_out:
        notes.append(f"{left_out} test cases that only some of the runs have were left out.")
    failed = [f"{side.failed} of {side.name}" for side in sides if side.failed]
    if failed:
        notes.append(f"Failed cases count as the worst answer: {', '.join(failed)}.")
    if len({run.by for run in runs}) > 1:
        notes.append("Some runs are judged by subject, others by case: here all are judged by case.")
    if any(side.spread for side in sides):
        notes.append(
            "Intervals of several seeds are of their mean over subjects; the spread over seeds stands beside them."
        )
    if any(not side.spread for side in sides):
        notes.append(
            "Intervals are over subjects: what was trained once may differ with another seed by more than its interval says."
        )
    notes.append(
        "Choosing the best of several runs by their test figures makes its figure too good: report it on cases that were not "
        "used for the choice."
    )
    return tuple(notes)
