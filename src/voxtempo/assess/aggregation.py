"""From cases to subjects: many slices, windows or sessions of one person make one answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxtempo.assess.intervals import check_lengths
from voxtempo.errors import VoxTempoError


@dataclass(frozen=True)
class BySubject:
    """One row a subject, sorted by name: ``probabilities`` (subjects, k) and ``truth`` (subjects,)."""

    subjects: NDArray[np.str_]
    probabilities: NDArray[np.float64]
    truth: NDArray[Any]


def aggregate_by_subject(
    probabilities: ArrayLike, truth: ArrayLike | Sequence[Any], subjects: ArrayLike | Sequence[Any]
) -> BySubject:
    """Return the mean probability of each subject's cases.

    A failed case (NaN) says nothing, so it counts as equal probabilities; a subject all of whose cases failed is NaN.
    Predicted values (n, 1) of a regression are averaged in the same way, over the cases that did not fail.

    Parameters
    ----------
    probabilities : (n, k).
    truth : (n,), the same for all cases of a subject.
    subjects : (n,).

    Raises
    ------
    VoxTempoError : the cases of one subject differ in their truth.

    >>> aggregate_by_subject([[1, 0], [0.5, 0.5], [0, 1]], ["x", "x", "y"], ["b", "b", "a"]).probabilities.tolist()
    [[0.0, 1.0], [0.75, 0.25]]
    """
    scores = np.asarray(probabilities, np.float64)
    names = np.asarray(subjects).astype(str)
    values = np.asarray(truth)
    check_lengths(probabilities=scores, truth=values, subjects=names)
    unique, first, codes = np.unique(names, return_index=True, return_inverse=True)
    mixed = values != values[first][codes]
    if mixed.any():
        case = int(np.flatnonzero(mixed)[0])
        raise VoxTempoError(
            f"Subject '{names[case]}' has cases whose truth is '{values[first][codes[case]]}' and '{values[case]}': "
            "they cannot be joined to one answer. Evaluate by case, or name another column as the subject."
        )
    k = scores.shape[1]
    failed = np.asarray(np.isnan(scores).any(axis=1))
    counted = ~failed if k == 1 else np.ones_like(failed)
    scores = np.where(failed[:, None], 0.0 if k == 1 else 1.0 / k, scores)
    total = np.zeros((len(unique), k))
    np.add.at(total, codes, scores)
    used = np.bincount(codes, weights=counted, minlength=len(unique))
    silent = np.bincount(codes, weights=~failed, minlength=len(unique)) == 0
    mean = total / np.maximum(used, 1)[:, None]
    return BySubject(unique, np.where(silent[:, None], np.nan, mean), values[first])
