"""Label maps of validation cases beside their truth, for what is chosen on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from voxtempo.cohort import Case
from voxtempo.inference import Answer, Predictor, judge
from voxtempo.inference.postprocess import Pair
from voxtempo.inference.structures import without_ignored
from voxtempo.learning.tasks import SegmentTask
from voxtempo.prepare import PreparedCase
from voxtempo.scans import Scan, read_scan


def validation_pairs(
    predictor: Predictor, task: SegmentTask, cases: Sequence[Case], prepared: Mapping[str, PreparedCase]
) -> list[Pair]:
    """Return each case's predicted and true label map on its native grid; what the study ignores is 0 in both."""
    pairs: list[Pair] = []

    def look(case: Case, answer: Answer, labels: Scan | None) -> None:
        assert labels is not None
        truth = read_scan(case.mask or "", kind="label").volume()
        maps = without_ignored(labels.volume(), truth, task)
        pairs.append(Pair(*maps, labels.geometry.spacing, case.group).cropped())

    judge(predictor, cases, prepared, "validation", look)
    return pairs
