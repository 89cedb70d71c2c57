"""The verdict: one sentence with the main figure, its interval and denominator, and what it is to be held against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from voxtempo.metrics import Axis, headline_of, path_to
from voxtempo.report.numbers import (
    digits_for,
    interval_of,
    interval_text,
    metric_of,
    number,
    place,
    span_of,
    units_text,
    value_of,
)
from voxtempo.report.run_files import RunFiles, mapping
from voxtempo.wording import listed

SIDES = {"test": "Test", "validation": "Validation"}


@dataclass(frozen=True)
class Verdict:
    """What the head of the report says, and the places (in percent of the scale) of its small drawing.

    ``judgement`` holds what the figure means against the baseline, and ``limits`` whether that limits what may be claimed;
    ``ticks`` are (place, text) of the scale.
    """

    sentence: str
    judgement: str
    value: str
    title: str
    limits: bool = False
    at: float | None = None
    low: float | None = None
    high: float | None = None
    baseline: float | None = None
    baseline_name: str = ""
    ticks: tuple[tuple[float, str], ...] = ()


def verdict_of(run: RunFiles) -> Verdict:
    """Return the verdict of a run; without metrics it says so."""
    name = headline_of(run.task)
    figure: Any = run.judged
    for key in path_to(name, run.task):
        figure = figure.get(key) if isinstance(figure, dict) else None
    value = value_of(figure)
    metric = metric_of(name)
    if value is None:
        return Verdict("Nothing has been judged yet.", "metrics.json holds no figure of this task.", "–", metric.title)
    digits = digits_for(figure, metric.axis)
    smaller = metric.goal == "smaller"
    text = number(value, digits)
    interval = interval_text(figure, digits)
    units = units_text(figure) if isinstance(figure, dict) else ""
    title = metric.title if run.task == "segment" else metric.title[0].lower() + metric.title[1:]
    target = mapping(mapping(run.study.get("cohort")).get("target")).get("column")
    title += f" of {target}" if run.task == "regress" and target else ""
    averaged = f", mean of {_labels(run.averaged)}," if run.task == "segment" and len(run.averaged) > 1 else ""
    sentence = f"{SIDES[run.role]} {title}{averaged} {text}{f' {interval}' if interval else ''}"
    sentence += f" over {units}" if units else ""
    baseline = baseline_of(run, name)
    if baseline is not None:
        against = baseline_text(run, baseline, metric.axis, digits)
        sentence += f"; predicting the {against.replace(' mean ', ' mean gives ')}" if smaller else f"; {against}"
    ends = [end for end in (value, baseline, *(interval_of(figure) or ())) if end is not None]
    span = span_of(metric.axis, ends)
    low, high = interval_of(figure) or (None, None)
    judgement, limits = _judgement(run, figure, baseline, name)
    return Verdict(
        sentence=f"{sentence}.",
        judgement=judgement,
        limits=limits,
        value=text,
        title=f"{SIDES[run.role]} {title}",
        at=place(value, span),
        low=place(low, span),
        high=place(high, span),
        baseline=place(baseline, span),
        baseline_name=baseline_text(run, baseline, metric.axis, digits),
        ticks=tuple((25.0 * i, f"{span[0] + i * (span[1] - span[0]) / 4:g}") for i in range(5)),
    )


def baseline_of(run: RunFiles, metric: str) -> float | None:
    """Return what to compare a metric with, as recorded; a classifier's, without a record, with guessing."""
    if run.task == "regress" and metric not in ("mae", "rmse"):
        return None
    recorded = run.metrics.get("baseline")
    recorded = recorded if isinstance(recorded, dict) else {}
    for holder in (recorded.get(run.role), recorded):
        if isinstance(holder, dict) and (value := value_of(holder.get(metric))) is not None:
            return value
    if run.task == "classify" and len(run.classes) > 1 and metric in ("accuracy", "balanced_accuracy", "recall"):
        return 1 / len(run.classes)
    return 0.5 if run.task == "classify" and metric == "auc" else None


def baseline_text(run: RunFiles, baseline: float | None, axis: Axis, digits: int) -> str:
    """Return "chance 0.125" or "training mean 15.6", or nothing without a baseline."""
    if baseline is None:
        return ""
    if axis == "rate":
        exact = abs(1000 * baseline - round(1000 * baseline)) < 1e-6  # one of eight is 0.125, not 0.12
        digits = 3 if exact and round(1000 * baseline) % 10 else 2
    return f"{'training mean' if run.task == 'regress' else 'chance'} {number(baseline, digits)}"


def _judgement(run: RunFiles, figure: Any, baseline: float | None, name: str) -> tuple[str, bool]:
    """Return what the verdict is worth, in words, and whether it limits what may be claimed."""
    interval = interval_of(figure)
    if interval is None:
        if (mapping(figure).get("n") or 0) > 1:
            told = (
                "There is no interval: these cases are too few, or too alike, to show how far the figure could be off."
            )
            return told, False
        return "There is no interval: with one unit there is nothing to resample.", False
    if interval[0] == interval[1]:
        return "The interval has no width because every unit scored alike: a limit of this sample, not certainty.", True
    if baseline is None:
        return _worst(run), False
    held = "what the training mean reaches" if run.task == "regress" else "chance"
    gain = mapping(mapping(mapping(run.metrics.get("baseline")).get("gain")).get(name))
    paired = interval_of(gain)
    if paired is not None and run.role == "test":  # of the same cases, so far sharper than the figure's own interval
        figures = digits_for(gain, "signed")
        by = f"better than {held} by {number(value_of(gain), figures)} {interval_text(gain, figures)}"
        if paired[0] > 0:
            return f"On the same cases it is {by}.", False
        if paired[1] < 0:
            return f"On the same cases it is worse than {held}: look for a mistake in labels or preparation.", True
        return f"On the same cases it is {by}: by this figure they do not show that the network has learned.", True
    if interval[0] <= baseline <= interval[1]:
        told = f"The interval contains {held}: by this figure these cases do not show that the network has learned."
        return told, True
    if (interval[1] < baseline) == (metric_of(name).goal == "smaller"):
        return f"The whole 95 % interval is better than {held}.", False
    return f"The whole 95 % interval is worse than {held}: look for a mistake in labels or preparation.", True


def _worst(run: RunFiles) -> str:
    if run.task != "segment" or not run.rows or not run.labels:
        return ""
    scores = [(value, row.get("id", ""), label) for row in run.rows for label in run.labels
              if (value := _score(row.get(f"dice_{label}", ""))) is not None]  # fmt: skip
    if not scores:
        return ""
    value, case, label = min(scores)
    nothing = {(row.get("id", ""), label) for row in run.rows for label in run.labels
               if _score(row.get(f"true_volume_{label}", "")) == 0.0}  # fmt: skip
    failed = {row.get("id", "") for row in run.rows if row.get("status") != "ok"}
    zero = [(row, label) for score, row, label in scores
            if score == 0.0 and not (row in failed and (row, label) in nothing)]  # fmt: skip
    missed = len({row for row, label in zero if (row, label) not in nothing})
    invented = len({row for row, label in zero if (row, label) in nothing})
    text = f"The lowest of {len(run.rows)} cases has Dice {number(value, 2)} ({label} in {case})"
    told = f"a structure was missed altogether in {missed}" if missed else "none was missed altogether"
    return f"{text}; {told}{f', and marked where there is none in {invented}' if invented else ''}."


def _score(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _labels(names: list[str]) -> str:
    return f"{len(names)} labels" if len(names) > 3 else listed(names)
