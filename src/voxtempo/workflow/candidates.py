"""What nested cross-validation tries: combinations of values, each of which must make a study."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from voxtempo.cohort import Cohort, Problem, Study, with_values
from voxtempo.cohort.sections.tune import Tune
from voxtempo.errors import StudyError
from voxtempo.learning.choices import check_choices

Values = dict[str, Any]


def candidates(tune: Tune, seed: int) -> list[Values]:
    """Return the values to try together, in the order in which the study lists them.

    With ``trials`` so many are drawn without replacement from all combinations.

    >>> candidates(Tune(values={"train.rate": [0.1, 0.2], "train.batch": [2]}), 0)
    [{'train.rate': 0.1, 'train.batch': 2}, {'train.rate': 0.2, 'train.batch': 2}]
    """
    every = [dict(zip(tune.values, chosen, strict=True)) for chosen in product(*tune.values.values())]
    if tune.trials is None or tune.trials >= len(every):
        return every
    drawn = np.random.default_rng(seed).choice(len(every), tune.trials, replace=False)
    return [every[place] for place in sorted(drawn)]


def check_candidates(study: Study, cohort: Cohort) -> Iterator[Problem]:
    """Yield what is wrong with the first candidate that cannot be trained, if one cannot.

    Parameters
    ----------
    study : as its file says it.
    cohort : knows the classes and labels.
    """
    if study.tune is None:
        return
    known = {problem.message for problem in check_choices(study, cohort)}
    for values in candidates(study.tune, study.split.seed):
        try:
            problems = check_choices(with_values(study, values), cohort)
        except StudyError as error:
            problems = (Problem("error", "", str(error)),)
        new = [each for each in problems if each.severity == "error" and each.message not in known]
        if new:
            told = ", ".join(f"{key}={value}" for key, value in values.items())
            yield Problem("error", "tune.values", f"{told} cannot be trained: {' '.join(each.message for each in new)}")
            return
