"""Permuted truth: what a model finds then is what chance and leaks look like.

The unit of permutation is the subject, as it is in the split: were slices permuted one by one, a model could not
profit from recognising the subject, and a leak would stay hidden.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from voxtempo.cohort.case import Case, Cohort
from voxtempo.cohort.natural import natural
from voxtempo.errors import StudyError


def shuffle_truth(cohort: Cohort, seed: int) -> Cohort:
    """Return the cohort with its truth permuted; the rows' order does not matter, the seed does.

    Every case of a subject gets the truth of one other subject. Where that subject's cases differ, their values are
    dealt out in turn. With events, the labels change places within each series, so that onsets stay true.

    Raises
    ------
    StudyError : the truth is a label map, which has no meaning on another head.
    """
    rng = np.random.default_rng(seed)
    if any(case.mask is not None for case in cohort):
        raise StudyError("cohort.target.shuffle permutes classes, numbers and events; label maps cannot be exchanged.")
    if any(case.events for case in cohort):
        shuffled = {case.id: _shuffle_events(case, rng) for case in sorted(cohort, key=lambda c: natural(c.id))}
        return replace(cohort, cases=tuple(shuffled[case.id] for case in cohort))
    by_subject: dict[str, list[Case]] = {}
    for case in sorted(cohort, key=lambda c: natural(c.id)):
        by_subject.setdefault(case.subject, []).append(case)
    subjects = sorted(by_subject, key=natural)
    donors = [subjects[i] for i in rng.permutation(len(subjects))]
    dealt: dict[str, str | float | None] = {}
    for subject, donor in zip(subjects, donors, strict=True):
        values = [case.target for case in by_subject[donor]]
        for index, case in enumerate(by_subject[subject]):
            dealt[case.id] = values[index % len(values)]
    return replace(cohort, cases=tuple(replace(case, target=dealt[case.id]) for case in cohort))


def _shuffle_events(case: Case, rng: np.random.Generator) -> Case:
    labels = [case.events[i].label for i in rng.permutation(len(case.events))]
    return replace(case, events=tuple(replace(e, label=label) for e, label in zip(case.events, labels, strict=True)))
