"""Learning curves: the loss on both sides, and what was watched while the network learned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from voxtempo.metrics import higher_is_better
from voxtempo.report.chart import BLUE, ORANGE, legend, new_chart, svg
from voxtempo.report.numbers import metric_of, number
from voxtempo.report.run_files import Row, numbers

_OTHER = ("epoch", "rate", "seconds", "train_loss", "validation_loss")


def learning_charts(histories: Sequence[list[Row]]) -> list[tuple[str, Markup]]:
    """Return (caption, chart) pairs for one history, or for several folds drawn over each other."""
    histories = [rows for rows in histories if rows]
    if not histories:
        return []
    charts = []
    columns = list(histories[0][0])
    if "train_loss" in columns or "validation_loss" in columns:
        charts.append(("Loss", _loss(histories)))
    for column in columns:
        if column not in _OTHER and np.isfinite(numbers(histories[0], column)).any():
            charts.append((_caption(histories, column), _monitor(histories, column)))
    return charts


def _caption(histories: Sequence[list[Row]], column: str) -> str:
    if len(histories) > 1:
        return column_title(column)
    values = numbers(histories[0], column)
    best = _best(column, values)
    return f"{column_title(column)}; best {number(float(values[best]), 3)} after epoch {_epochs(histories[0])[best]:g}"


def _best(column: str, values: NDArray[np.float64]) -> int:
    """Return the place of the best epoch by a figure of the validation cases; what is no known metric should be large."""
    downwards = higher_is_better(_metric_in(column)) is False
    return int(np.nanargmin(values) if downwards else np.nanargmax(values))


def _metric_in(column: str) -> str:
    """Return the metric of a history column such as "validation_mae"."""
    side, _, metric = column.partition("_")
    return metric if metric and side in ("train", "validation") else column


def column_title(column: str) -> str:
    """Return a history column as a caption.

    >>> column_title("validation_dice")
    'Validation: dice'
    """
    metric = _metric_in(column)
    title = metric_of(metric).title
    if metric == column:
        return title
    side = column.partition("_")[0].capitalize()
    return f"{side}: {title if title.isupper() else title[0].lower() + title[1:]}"


def _loss(histories: Sequence[list[Row]]) -> Markup:
    figure, axes = new_chart(440, 280)
    lowest = []
    for i, rows in enumerate(histories):
        epochs = _epochs(rows)
        for column, colour, name in (("train_loss", ORANGE, "training"), ("validation_loss", BLUE, "validation")):
            if column not in rows[0]:
                continue
            values = numbers(rows, column)
            many = len(histories) > 1
            axes.plot(
                epochs,
                values,
                color=colour,
                linewidth=1.2 if many else 2,
                alpha=0.7 if many else 1.0,
                label=name if i == 0 else None,
            )
            lowest.append(values)
    everything = np.concatenate(lowest)
    everything = everything[np.isfinite(everything)]
    if everything.size and everything.max() > 4 * np.quantile(everything, 0.9) > 0:
        # One wild first epoch would flatten all the others.
        axes.set_ylim(top=1.3 * float(np.quantile(everything, 0.9)), bottom=min(0.0, float(everything.min())))
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    legend(axes, "upper right")
    return svg(figure, "loss", "Training and validation loss over epochs")


def _monitor(histories: Sequence[list[Row]], column: str) -> Markup:
    figure, axes = new_chart(440, 280)
    for rows in histories:
        epochs, values = _epochs(rows), numbers(rows, column)
        axes.plot(epochs, values, color=BLUE, linewidth=2 if len(histories) == 1 else 1.2, alpha=0.85)
        if len(histories) == 1 and np.isfinite(values).any():
            best = _best(column, values)
            axes.plot(epochs[best], values[best], "o", color=BLUE, markersize=7, clip_on=False)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    return svg(figure, f"monitor-{_slug(column)}", f"{column_title(column)} over epochs")


def _epochs(rows: list[Row]) -> NDArray[np.float64]:
    epochs = numbers(rows, "epoch")
    return epochs if np.isfinite(epochs).all() else np.arange(1.0, len(rows) + 1)


def _slug(text: str) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in text)
