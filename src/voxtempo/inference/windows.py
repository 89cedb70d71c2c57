"""From the answers of windows to the answer of their series or event: by mean, by vote, by learned weights."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from voxtempo.learning.attention_pooling import softmax_weights


def join_windows(
    answers: NDArray[np.float32],
    how: Literal["mean", "vote", "attention"],
    scores: NDArray[np.float64] | None = None,
) -> NDArray[np.float32]:
    """Return one answer (k,) for several windows' answers (n, k).

    Parameters
    ----------
    answers : probabilities of k classes, or values (n, 1).
    how : "mean" averages; "vote" gives each class its share of the windows that find it most probable, where the mean
        probability counts as one window more and so decides ties; "attention" weighs the windows by their scores.
    scores : (n, models), for "attention": each model's scores make weights, which are averaged over the models.

    >>> join_windows(np.array([[0.6, 0.4], [0.6, 0.4], [0.0, 1.0]], np.float32), "mean").tolist()
    [0.4000000059604645, 0.6000000238418579]
    >>> join_windows(np.array([[0.6, 0.4], [0.6, 0.4], [0.0, 1.0]], np.float32), "vote").tolist()
    [0.6000000238418579, 0.4000000059604645]
    """
    if how == "attention" and scores is not None:
        weights = np.mean([softmax_weights(column) for column in scores.T], axis=0)
        return np.asarray(weights @ answers, np.float32)
    mean = answers.mean(axis=0, dtype=np.float64)
    if how == "vote":
        votes = np.bincount(answers.argmax(axis=1), minlength=answers.shape[1])
        return np.asarray((votes + mean) / (len(answers) + 1), np.float32)
    return mean.astype(np.float32)
