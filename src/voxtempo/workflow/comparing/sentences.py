"""What may be said about two runs, in plain words."""

from __future__ import annotations

from voxtempo.assess.paired import Difference
from voxtempo.report.numbers import digits_for, interval_text, metric_of, number, units_text
from voxtempo.workflow.comparing.comparison import LEVEL, Side
from voxtempo.workflow.comparing.metrics import Metric


def title_of(metric: Metric) -> str:
    """Return a metric in words.

    >>> title_of(("dice", "mean")), title_of(("mae", ""))
    ('Dice (mean)', 'mean absolute error')
    """
    title = metric_of(metric[0]).title
    title = (
        title if title[1:2].isupper() or title.startswith(("Dice", "Hausdorff", "R²")) else title[0].lower() + title[1:]
    )
    return f"{title} ({metric[1]})" if metric[1] else title


def sentence_of(first: Side, second: Side, metric: Metric, difference: Difference, p: float | None, pairs: int) -> str:
    """Return what may be said of the better of two sides and the other.

    Parameters
    ----------
    first, second : the sides, the better one first.
    metric : what they are ranked by.
    difference : of their figures.
    p : after correction.
    pairs : how many it was corrected for.
    """
    names, title = f"{first.name} and {second.name}", title_of(metric)
    one, two = first.figures[metric].value, second.figures[metric].value
    if difference.value is None or one is None or two is None:
        return f"{names} cannot be compared: {title} is undefined for one of them."
    if p is None:
        return (
            f"Whether {names} differ cannot be told: over these {difference.over} the difference does not vary, or is "
            "undefined without one of them."
        )
    if difference.low is None:
        return f"{names} are the same by {title} in every resample."
    digits = digits_for({"value": difference.value, "low": difference.low, "high": difference.high}, "share")
    interval = interval_text({"low": difference.low, "high": difference.high}, digits)
    after = f"p = {number(p, 3)}" if p >= 0.001 else "p < 0.001"
    after += f" corrected for {pairs} pairs" if pairs > 1 else ""
    units = units_text({"n": difference.n, "over": difference.over})
    by = f"{title} {number(one, digits)} against {number(two, digits)}, a difference of {number(difference.value, digits)}"
    if p >= LEVEL:
        said = f"{names} cannot be told apart: {by} {interval} over {units} ({after})."
    else:
        said = f"{first.name} is better than {second.name}: {by} {interval} over {units} ({after})."
    return said + _about_seeds(first, second, metric, difference.value)


def _about_seeds(first: Side, second: Side, metric: Metric, difference: float) -> str:
    deviations = [side.spread[metric].deviation for side in (first, second) if metric in side.spread]
    if not deviations:
        return ""
    if max(deviations) >= abs(difference):
        return " Training again with another seed changes the figure as much."
    return ""
