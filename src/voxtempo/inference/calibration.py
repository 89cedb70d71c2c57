"""Maps from a classifier's probabilities to calibrated ones, fitted on validation cases and kept as plain numbers.

They act on what is said of a case, after its windows or slices are joined, through the logarithms of the probabilities. In a
fit every subject weighs the same. The fits are convex or one-dimensional, so scipy finds the minimum; scikit-learn's
``CalibratedClassifierCV`` wraps estimators that it fits itself, and gives no subjects their weight in a temperature.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax

from voxtempo.cohort import ValidationView, fitted_on
from voxtempo.inference.record import read_record

CALIBRATION = "calibration.json"
COLDEST, HOTTEST = 0.05, 20.0
"""Temperatures between which the best is looked for; where every validation case is right the coldest is the best."""

PULL = 0.01
"""Penalty of vector scaling on the squared distance from changing nothing, so that few cases change little."""

LEAST = 1e-7

Floats = NDArray[np.float64]
Method = Literal["temperature", "vector", "isotonic"]


@dataclass(frozen=True)
class Calibration:
    """A fitted map.

    Parameters
    ----------
    method : "temperature": softmax(log p / t) (Guo et al. 2017, "On calibration of modern neural networks", ICML,
        arXiv:1706.04599); "vector": softmax(w log p + b), a scale and a shift for each class (the same); "isotonic": a
        rising curve for each class against the rest (Zadrozny, Elkan 2002, KDD), made to add up to 1 again.
    values : what was fitted: "temperature"; "scale" and "shift", (k,) each; "curves" (k of [x, y]) and "weight", the
        subjects that the curves weigh as much as, against one for each class.
    """

    method: Method
    values: dict[str, Any] = field(default_factory=dict)

    def apply(self, probabilities: Any) -> Floats:
        """Return calibrated probabilities (..., k)."""
        p = np.asarray(probabilities, np.float64)
        logs = np.log(np.clip(p, LEAST, 1.0))
        if self.method == "temperature":
            return np.exp(log_softmax(logs / self.values["temperature"], axis=-1))
        if self.method == "vector":
            return np.exp(log_softmax(logs * self.values["scale"] + self.values["shift"], axis=-1))
        curves = self.values["curves"]
        said = np.stack([np.interp(p[..., k], x, y) for k, (x, y) in enumerate(curves)], axis=-1)
        total = said.sum(axis=-1, keepdims=True)
        share = np.where(total > 0, said / np.where(total > 0, total, 1.0), p)
        weight = self.values["weight"]
        return np.asarray((weight * share + 1) / (weight + len(curves)))

    @property
    def neutral(self) -> bool:
        """Whether the map leaves probabilities as they are."""
        return self == NEUTRAL

    def as_json(self) -> dict[str, Any]:
        """Return what ``restore`` takes."""
        return {"method": self.method, **self.values}


NEUTRAL = Calibration("temperature", {"temperature": 1.0})
"""What a fold that was not calibrated goes through among others that were."""


def restore(record: dict[str, Any]) -> Calibration | None:
    """Return the map of a record; None where it says that nothing is calibrated."""
    names = {"temperature": ("temperature",), "vector": ("scale", "shift"), "isotonic": ("curves", "weight")}
    if record["method"] == "none":
        return None
    return Calibration(record["method"], {name: record[name] for name in names[record["method"]]})


def calibration_in(folder: Path) -> Calibration | None:
    """Return the map that a run folder keeps; None where it keeps none.

    Raises
    ------
    RunError : the record is damaged.
    """

    def read(record: dict[str, Any]) -> Calibration | None:
        found = restore(record)
        if found is not None:
            found.apply(np.full(len(found.values.get("shift", found.values.get("curves", (0, 0)))), 0.5))
        return found

    return read_record(folder / CALIBRATION, read)


@fitted_on(ValidationView, "view")
def fit_calibration(
    view: ValidationView,
    method: Method,
    probabilities: Floats,
    codes: NDArray[np.intp],
    cases: list[str],
    groups: list[str],
) -> Calibration:
    """Return the map under which the validation cases are the likeliest.

    Parameters
    ----------
    view : the only cases that it is fitted on.
    method : which map.
    probabilities : (n, k), without failed cases.
    codes : (n,) positions of the true classes.
    cases, groups : (n,) the case that each row is of, and whose it is.

    Raises
    ------
    LeakageError : a case is not of the view.
    """
    view.refuse_others(cases)
    weights = subject_weights(groups)
    logs = np.log(np.clip(probabilities, LEAST, 1.0))
    if method == "temperature":
        return Calibration(method, {"temperature": _temperature(logs, codes, weights)})
    if method == "vector":
        scale, shift = _vector(logs, codes, weights)
        return Calibration(method, {"scale": scale.tolist(), "shift": shift.tolist()})
    curves = [_curve(probabilities[:, k], codes == k, weights) for k in range(probabilities.shape[1])]
    return Calibration(method, {"curves": curves, "weight": len(set(groups))})


def subject_weights(groups: list[str]) -> Floats:
    """Return the weight of each case (n,), that of a subject's together being the same for all; they add up to 1.

    >>> subject_weights(["a", "a", "b"]).tolist()
    [0.25, 0.25, 0.5]
    """
    _, codes, counts = np.unique(groups, return_inverse=True, return_counts=True)
    return np.asarray(1 / counts[codes.reshape(-1)] / len(counts), np.float64)


def _loss(logs: Floats, codes: NDArray[np.intp], weights: Floats) -> float:
    return float(-(weights @ log_softmax(logs, axis=1)[np.arange(len(codes)), codes]))


def _temperature(logs: Floats, codes: NDArray[np.intp], weights: Floats) -> float:
    found = minimize_scalar(
        lambda log_t: _loss(logs / np.exp(log_t), codes, weights),
        bounds=(np.log(COLDEST), np.log(HOTTEST)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(np.exp(found.x))


def _vector(logs: Floats, codes: NDArray[np.intp], weights: Floats) -> tuple[Floats, Floats]:
    k = logs.shape[1]
    start = np.concatenate([np.ones(k), np.zeros(k)])

    def loss(values: Floats) -> float:
        moved = logs * values[:k] + values[k:]
        return _loss(moved, codes, weights) + PULL * float(((values - start) ** 2).sum())

    found = minimize(loss, start, method="L-BFGS-B").x
    return found[:k], found[k:]


def _curve(told: Floats, true: NDArray[np.bool_], weights: Floats) -> list[list[float]]:
    from sklearn.isotonic import IsotonicRegression

    found = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(told, true, weights)
    return [found.X_thresholds_.tolist(), found.y_thresholds_.tolist()]
