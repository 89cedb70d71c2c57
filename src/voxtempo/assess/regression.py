"""Judging predicted numbers (age, a score): errors in the target's unit, and how much variation is explained.

A failed case (predicted NaN) counts with the worst prediction the cohort allows: the end of the range of true values
that is farther from its truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxtempo.assess.intervals import Weights, check_lengths, weighted_figures
from voxtempo.errors import VoxTempoError


def regression_metrics(
    predicted: ArrayLike,
    truth: ArrayLike,
    subjects: ArrayLike | Sequence[Any],
    resamples: int = 2000,
    seed: int | np.random.Generator = 0,
) -> dict[str, Any]:
    """Judge predicted numbers.

    Parameters
    ----------
    predicted : (n,), NaN for a failed case.
    truth : (n,), finite, in the same unit.
    subjects : (n,) whom each case comes from.
    resamples : bootstrap resamples of subjects.
    seed : seed or generator of the resampling.

    Returns
    -------
    Figures "mae", "rmse", "bias" (mean of predicted minus true) in the target's unit, "r2" (1 - squared error over the
    variation of the truth: at most 1, negative when worse than the mean) and "correlation" (Pearson; undefined for
    constant values); counts "cases", "subjects", "failed".

    Raises
    ------
    VoxTempoError : a truth is not a finite number, or the columns differ in length.
    """
    true = np.asarray(truth, np.float64)
    guess = np.asarray(predicted, np.float64)
    names = np.asarray(subjects).astype(str)
    check_lengths(predicted=guess, truth=true, subjects=names)
    if not np.isfinite(true).all():
        position = int(np.argmin(np.isfinite(true)))
        raise VoxTempoError(f"The case at position {position} has no finite true value to be judged by.")
    failed = ~np.isfinite(guess)
    guess = np.where(failed, _worst(true), guess)
    centre = float(true.mean()) if true.size else 0.0  # keeps the sums of squares below free of cancellation
    y, p = true - centre, guess - centre
    columns = np.stack([np.ones_like(y), np.abs(p - y), (p - y) ** 2, p, y, p * p, y * y, p * y], axis=1)

    def statistic(weights: Weights) -> dict[str, NDArray[np.float64]]:
        with np.errstate(invalid="ignore", divide="ignore"):
            sums = weights @ columns
            absolute, squared, mp, my, mpp, myy, mpy = (sums[:, i] / sums[:, 0] for i in range(1, 8))
            spread, own = np.maximum(myy - my**2, 0.0), np.maximum(mpp - mp**2, 0.0)
            # Rounding leaves about 1e-16 of the mean square where the variance is zero.
            spread = np.where(spread <= 1e-12 * myy, np.nan, spread)
            own = np.where(own <= 1e-12 * mpp, np.nan, own)
            return {
                "mae": absolute,
                "rmse": np.sqrt(squared),
                "r2": 1.0 - squared / spread,
                "correlation": np.clip((mpy - mp * my) / np.sqrt(spread * own), -1.0, 1.0),
                "bias": mp - my,
            }

    result: dict[str, Any] = dict(weighted_figures(statistic, names, resamples, seed))
    result.update(cases=true.size, subjects=len(np.unique(names)), failed=int(failed.sum()))
    return result


def _worst(truth: NDArray[np.float64]) -> NDArray[np.float64]:
    if truth.size == 0:
        return truth
    low, high = truth.min(), truth.max()
    return np.where(truth - low > high - truth, low, high)


def regression_baseline(
    truth: ArrayLike,
    training_mean: float,
    subjects: ArrayLike | Sequence[Any],
    resamples: int = 2000,
    seed: int | np.random.Generator = 0,
) -> dict[str, Any]:
    """Return what always answering the mean of the training cases reaches: the error to beat.

    Returns
    -------
    Figures "mae", "rmse", "r2" and "bias", and "method", a phrase that says what was predicted.
    """
    metrics = regression_metrics(np.full(np.shape(truth), training_mean), truth, subjects, resamples, seed)
    kept = {name: metrics[name] for name in ("mae", "rmse", "r2", "bias")}
    return {"method": f"always {training_mean:.4g}, the mean of the training cases", **kept}
