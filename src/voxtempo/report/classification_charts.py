"""Charts of a classifier: the ROC curve of the shown cases, one a class where there are several."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from voxtempo.assess import area_under_roc, failure_scores, roc_points
from voxtempo.report.chart import DASHES, MUTED, RULE, SERIES, legend, new_chart, shortened, svg

MOST_CURVES = 8


def roc_chart(probabilities: NDArray[np.float64], truth: Sequence[str], classes: Sequence[str]) -> Markup | None:
    """Return the ROC curves, or None if no class has both positives and negatives.

    Parameters
    ----------
    probabilities : (n, k), NaN rows for failed cases, which rank on the wrong end.
    truth : (n,) class names.
    classes : k names; of two, the curve is the second's.
    """
    failed = np.asarray(np.isnan(probabilities).any(axis=1))
    names = np.array(truth, dtype=object)
    shown = [1] if len(classes) == 2 else list(range(len(classes)))[:MOST_CURVES]
    figure, axes = new_chart(440, 420)
    axes.plot([0, 1], [0, 1], color=RULE, linewidth=1.5)
    axes.text(0.53, 0.49, "chance", color=MUTED, fontsize=12, rotation=45, rotation_mode="anchor", va="top")
    drawn = 0
    for order, i in enumerate(shown):
        positive = np.asarray(names == classes[i])
        if positive.all() or not positive.any():
            continue
        scores = failure_scores(probabilities[:, i], positive, failed)
        alarms, hits = roc_points(scores, positive)
        area = float(area_under_roc(scores, positive, np.ones((1, len(names))))[0])
        axes.plot(
            alarms,
            hits,
            color=SERIES[order % len(SERIES)],
            linestyle=DASHES[order % len(DASHES)],
            linewidth=2.2,
            solid_joinstyle="miter",
            label=f"{shortened([classes[i]])[0]}  {area:.2f}",
        )
        drawn += 1
    if not drawn:
        return None
    axes.set(xlim=(-0.015, 1.015), ylim=(-0.015, 1.015), aspect="equal")
    axes.set_xlabel("1 − specificity")
    axes.set_ylabel("sensitivity")
    legend(axes, "lower right", "area under the curve")
    return svg(figure, "roc", "Receiver operating characteristic")
