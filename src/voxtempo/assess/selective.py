"""Whether uncertainty knows where the errors are: what would be left if the most uncertain cases were not answered.

The risk-coverage curve is the mean error of the share of cases that are least uncertain. The area under it (AURC) is small
if the error is small or is told; what it is above that of the best possible order, by the errors themselves, is the excess
area (Geifman, Uziel, El-Yaniv 2019, "Bias-reduced uncertainty estimation for deep neural classifiers", ICLR,
arXiv:1805.08206). Sparsification, as depth and flow are judged (Ilg et al. 2018, ECCV, arXiv:1802.07095), is the same curve
read from the other end and divided by the mean error; the area between it and the best order's (AUSE) is the excess area over
the mean error. 0 is perfect, and an order drawn by lot has about 1 less the best order's area.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxtempo.assess.areas import area_figure, areas_of
from voxtempo.assess.figure import Figure
from voxtempo.assess.intervals import check_lengths, weighted_figures
from voxtempo.assess.resampling import Weights, units_of

POINTS = 40
"""Points of the curves that are kept for drawing, at most."""

Floats = NDArray[np.float64]


def selective_metrics(
    uncertainty: ArrayLike,
    error: ArrayLike,
    subjects: ArrayLike | Sequence[Any],
    wrong: ArrayLike | None = None,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Judge uncertainties by the errors that were made.

    Parameters
    ----------
    uncertainty : (n,), higher is less certain; not finite for a failed case, which then is the least certain one.
    error : (n,) 0 or more: 1 for a wrong class, the absolute error of a value, 1 - mean Dice.
    subjects : (n,) whom each case comes from.
    wrong : (n,) whether each case counts as wrong, where that can be said.
    resamples, seed : of the intervals.

    Returns
    -------
    Figures "aurc", "excess_aurc", "ause" and, with ``wrong``, "error_auroc" (chance that a wrong case is less certain than a
    right one); "risk_coverage": {"coverage", "risk", "best"}, the curve and that of the best order.
    """
    told, errors = np.asarray(uncertainty, np.float64), np.asarray(error, np.float64)
    check_lengths(uncertainty=told, error=errors, subjects=np.asarray(subjects))
    told = np.where(np.isfinite(told), told, np.inf)
    order, best = _order(told, errors), np.argsort(errors, kind="stable")

    def statistic(weights: Weights) -> dict[str, Floats]:
        area, least = _area(weights, errors, order), _area(weights, errors, best)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = (weights @ errors) / weights.sum(axis=1)
            return {"aurc": area, "excess_aurc": area - least, "ause": (area - least) / mean}

    result: dict[str, Any] = dict(weighted_figures(statistic, subjects, resamples, seed))
    if wrong is not None:
        flags, units = np.asarray(wrong, bool), units_of(subjects)
        both = flags.any() and not flags.all()
        area = area_figure(areas_of([told], [flags], units), units) if both else None
        result["error_auroc"] = area or Figure(None, None, None, units.n, units.over)
    if told.size:
        count = np.arange(1, told.size + 1)
        kept = np.unique(np.linspace(0, told.size - 1, min(POINTS, told.size)).round().astype(int))
        result["risk_coverage"] = {
            "coverage": (count / told.size)[kept].tolist(),
            "risk": (np.cumsum(errors[order]) / count)[kept].tolist(),
            "best": (np.cumsum(errors[best]) / count)[kept].tolist(),
        }
    return result


def _order(uncertainty: Floats, error: Floats) -> NDArray[np.intp]:
    """Return the cases from the most certain to the least; of equally certain ones the worse come first."""
    return np.lexsort((-error, uncertainty))


def _area(weights: Weights, error: Floats, order: NDArray[np.intp]) -> Floats:
    """Return the mean over coverages of the mean error of the cases that come first, for every row of weights (r, n)."""
    ranked = weights[:, order]
    mass = np.cumsum(ranked, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        risk = np.where(mass > 0, np.cumsum(ranked * error[order], axis=1) / mass, 0.0)
        return np.asarray((ranked * risk).sum(axis=1) / mass[:, -1] if error.size else np.full(len(weights), np.nan))
