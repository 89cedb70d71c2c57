from __future__ import annotations

import numpy as np
import pytest

from voxtempo.cohort.case import Case, Event
from voxtempo.errors import CohortError
from voxtempo.learning.cases import feed_case
from voxtempo.learning.tasks import ClassifyTask, SegmentTask
from voxtempo.prepare import PreparedCase
from voxtempo.prepare.store import save_case
from voxtempo.scans import Geometry, Scan


@pytest.fixture
def prepared(tmp_path) -> PreparedCase:
    geometry = Geometry.from_spacing((2, 2, 2), (1, 1, 3))
    image = Scan(np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2, 1), geometry)
    mask = np.array([0, 10, 10, 49, 49, 3, 0, 0], np.uint8).reshape(1, 2, 2, 2, 1)
    save_case(tmp_path, image, Scan(mask, geometry, kind="label"), geometry, [], None)
    return PreparedCase.open_case(tmp_path, "c")


def test_label_values_become_the_networks_outputs_in_order(prepared):
    task = SegmentTask({49: "b", 10: "a", 3: "z"})
    case = feed_case(Case("c", "c", {}), prepared, task)
    assert case.mask is not None
    assert case.mask.read().ravel().tolist() == [0, 2, 2, 3, 3, 1, 0, 0]
    assert case.spacing == (1, 1, 3)


def test_values_without_a_name_are_refused_or_background_as_the_study_says(prepared):
    case = Case("c", "c", {})
    with pytest.raises(CohortError, match=r"values \[3, 10\].*others: background"):
        feed_case(case, prepared, SegmentTask({49: "b"}))
    fed = feed_case(case, prepared, SegmentTask({49: "b"}, others=True))
    assert fed.mask is not None
    assert fed.mask.read().ravel().tolist() == [0, 0, 0, 1, 1, 0, 0, 0]


def test_events_carry_their_encoded_truth_and_a_name_of_their_own(prepared):
    case = Case("run-1", "s", {}, events=(Event(2.5, 5, "go"), Event(10, 5, "stop")), repetition_time=2.0)
    fed = feed_case(case, prepared, ClassifyTask(("go", "stop")))
    assert [(e.unit, e.target, e.duration) for e in fed.events] == [("run-1@2.5s", 0, 5), ("run-1@10s", 1, 5)]
    assert fed.repetition_time == 2.0


def test_the_row_of_the_table_goes_along_for_windows_that_a_column_names(prepared):
    fed = feed_case(Case("p1", "p1", {}, target="go", row={"ed": "0"}), prepared, ClassifyTask(("go", "stop")))
    assert fed.row["ed"] == "0"


def test_ignored_voxels_are_minus_one_whatever_else_is_named(prepared):
    fed = feed_case(Case("c", "c", {}), prepared, SegmentTask({49: "b", 3: "z"}, ignore=10))
    assert fed.mask is not None
    assert fed.mask.read().ravel().tolist() == [0, -1, -1, 2, 2, 1, 0, 0]
    absent = feed_case(Case("c", "c", {}), prepared, SegmentTask({49: "b", 10: "a", 3: "z"}, ignore=255))
    assert absent.mask is not None
    assert absent.mask.read().min() == 0


@pytest.mark.parametrize(
    ("labels", "ignore", "expected"),
    [
        ({1: "a", 2: "b"}, None, [0, 0, 1, 2]),
        ({2: "b"}, None, [0, 0, 0, 1]),
        ({1: "a", 5: "c"}, 2, [0, 0, 1, -1]),
    ],
)
def test_negative_values_are_background_where_others_are(tmp_path, labels, ignore, expected):
    geometry = Geometry.from_spacing((2, 2, 1))
    image = Scan(np.zeros((1, 2, 2, 1, 1), np.float32), geometry)
    mask = np.array([-1, 0, 1, 2], np.int8).reshape(1, 2, 2, 1, 1)
    save_case(tmp_path, image, Scan(mask, geometry, kind="label"), geometry, [], None)
    fed = feed_case(
        Case("c", "c", {}), PreparedCase.open_case(tmp_path, "c"), SegmentTask(labels, others=True, ignore=ignore)
    )
    assert fed.mask is not None
    assert fed.mask.read().ravel().tolist() == expected
    piece = (slice(1, 2), slice(0, 2), slice(0, 1))
    assert fed.mask.read(piece).ravel().tolist() == expected[2:]


def test_a_label_map_stays_on_disk_whatever_its_values_count_as(prepared):
    fed = feed_case(Case("c", "c", {}), prepared, SegmentTask({49: "b", 3: "z"}, ignore=10))
    assert fed.mask is not None
    assert isinstance(fed.mask.array, np.memmap)
