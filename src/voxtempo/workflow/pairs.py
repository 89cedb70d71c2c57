"""Label maps of validation cases beside their truth, for what is chosen on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from voxtempo.cohort import Case, ValidationView
from voxtempo.inference import Answer, Predictor, judge
from voxtempo.inference.native import native_outputs
from voxtempo.inference.postprocess import Doubt, Labels, Pair, find_doubt
from voxtempo.inference.structures import without_ignored
from voxtempo.learning.tasks import SegmentTask
from voxtempo.prepare import PreparedCase
from voxtempo.scans import Scan, read_scan


class ValidationMaps:
    """What a fold's networks make of its validation cases, predicted once for each set of mirror axes.

    Parameters
    ----------
    view : the validation cases.
    prepared : by id.
    """

    def __init__(self, view: ValidationView, prepared: Mapping[str, PreparedCase]) -> None:
        self.view, self.prepared = view, prepared
        self._pairs: dict[tuple[str, ...], list[Pair]] = {}

    def pairs(self, predictor: Predictor) -> list[Pair]:
        """Return the pairs of a predictor without operations; its mirror axes alone may differ from one call to the next."""
        if predictor.mirror not in self._pairs:
            assert isinstance(predictor.task, SegmentTask)
            found = validation_pairs(predictor, predictor.task, self.view.cases, self.prepared)
            self._pairs[predictor.mirror] = found
        return self._pairs[predictor.mirror]


def validation_pairs(
    predictor: Predictor, task: SegmentTask, cases: Sequence[Case], prepared: Mapping[str, PreparedCase]
) -> list[Pair]:
    """Return each case's predicted and true label map on its native grid; what the study ignores is 0 in both."""
    pairs: list[Pair] = []
    choosing = predictor.study.evaluate.postprocess == "auto"

    def look(case: Case, answer: Answer, labels: Scan | None) -> None:
        assert labels is not None
        truth = read_scan(case.mask or "", kind="label").volume()
        maps = without_ignored(labels.volume(), truth, task)
        doubt = _doubt(answer, prepared[case.id], truth, task) if choosing else None
        pairs.append(Pair(*maps, labels.geometry.spacing, case.group, doubt).cropped())

    judge(predictor, cases, prepared, "validation", look)
    return pairs


def _doubt(answer: Answer, prepared: PreparedCase, truth: Labels, task: SegmentTask) -> Doubt:
    assert answer.probabilities is not None
    chances = native_outputs(answer.probabilities, prepared.image.geometry, prepared.native, task, answer.case)
    return find_doubt(chances, task, None if task.ignore is None else truth != task.ignore)
