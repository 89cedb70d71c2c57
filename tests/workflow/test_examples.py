from __future__ import annotations

import json
from types import SimpleNamespace

import nibabel as nib
import numpy as np

from voxtempo.cohort.case import Case, Cohort, Event
from voxtempo.cohort.study import Window
from voxtempo.feed.event_windows import nearest_volume
from voxtempo.inference import Judged
from voxtempo.learning.tasks import ClassifyTask, SegmentTask
from voxtempo.workflow import examples


def test_courses_are_those_of_the_network_that_judged_the_case(tmp_path, monkeypatch):
    def predictor(name):
        return SimpleNamespace(name=name, task=ClassifyTask(("a", "b")), recipe=SimpleNamespace(kind="series"))

    monkeypatch.setattr(examples, "_course", lambda folder, judge, case, prepared: {"id": case.id, "by": judge.name})
    cohort = Cohort(tuple(Case(name, name, {}) for name in "pqr"))
    judged = Judged(tuple({"id": name} for name in "pqr"))
    judges = {"p": predictor("without p"), "q": predictor("without q")}
    prepared = dict.fromkeys("pqr")
    examples.write_examples(tmp_path, predictor("all"), cohort, prepared, judged, tmp_path, judges)
    written = json.loads((tmp_path / "examples.json").read_text(encoding="utf-8"))
    assert [entry["by"] for entry in written] == ["without p", "without q", "all"]


def test_pictures_keep_large_labels_and_survive_voxels_that_are_no_numbers(tmp_path):
    image = np.random.default_rng(0).normal(size=(6, 5, 4)).astype(np.float32)
    image[0] = np.nan
    labels = np.zeros((6, 5, 4), np.int16)
    labels[2:4, 2, 2], labels[4, 3, 2] = 1024, 300
    for name, array in (("image", image), ("truth", labels), ("predicted/c", labels)):
        path = tmp_path / f"{name}.nii.gz"
        path.parent.mkdir(exist_ok=True)
        nib.save(nib.Nifti1Image(array, np.eye(4)), path)
    case = Case("c", "c", {"mr": str(tmp_path / "image.nii.gz")}, mask=str(tmp_path / "truth.nii.gz"))
    judged = Judged(({"id": "c", "status": "ok", "dice_a": 1.0},), ({"a": {"dice": 1.0}},))
    predictor = SimpleNamespace(task=SegmentTask({1024: "a", 300: "b"}))
    examples.write_examples(tmp_path / "out", predictor, Cohort((case,)), {}, judged, tmp_path / "predicted", {})
    (entry,) = json.loads((tmp_path / "out" / "examples.json").read_text(encoding="utf-8"))
    picture, truth = (np.load(tmp_path / "out" / entry["files"][name]) for name in ("image", "truth"))
    assert np.isfinite(picture).all()
    assert 0 < picture.std() < 1
    assert sorted(np.unique(truth)) == [0, 300, 1024]


def window(**options) -> Window:
    return Window(length=8, align="events", **options)


def test_the_truth_beside_an_aligned_window_is_its_own_event():
    """Windows of 16 s, 5 s after events of 6 s that follow each other."""
    labels = ["a", "b", "b", "a", "b", "a", "a"]
    case = Case("c", "c", {}, events=tuple(Event(12.0 * i, 6.0, name) for i, name in enumerate(labels)))
    for event in case.events:
        middle = 2.0 * nearest_volume(event.onset + 5.0, 2.0) + 8.0
        assert examples._event_at(case, window(delay=5.0), middle, 2.0) == event.label
    assert examples._event_at(case, window(delay=5.0), 2.0 * 5 + 8.0, 2.0) == "", "halfway between the first two"


def test_a_block_is_marked_where_windows_lie_about_it():
    """A block of 16 s from 20 s on and windows of 16 s: marked while the middle of the window is in the block."""
    case = Case("c", "c", {}, events=(Event(20.0, 16.0, "a"),))
    marked = [middle for middle in range(8, 60, 2) if examples._event_at(case, window(), float(middle), 2.0) == "a"]
    assert marked == list(range(20, 36, 2))


def test_an_impulse_and_two_events_at_once():
    case = Case("c", "c", {}, events=(Event(10.0, 0.0, "a"), Event(40.0, 10.0, "a"), Event(44.0, 10.0, "b")))
    assert examples._event_at(case, window(), 10.0 + 8.0, 2.0) == "a"
    assert examples._event_at(case, window(), 42.0 + 8.0, 2.0) == "", "within half of both"
    assert examples._event_at(case, None, 42.0, 2.0) == "a"
    assert examples._event_at(case, None, 46.0, 2.0) == ""
