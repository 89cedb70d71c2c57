from __future__ import annotations

import numpy as np
import pytest
from fold_sides import sides
from sklearn.metrics import balanced_accuracy_score

from voxtempo.cohort import Study
from voxtempo.cohort.case import Case, Cohort, Event
from voxtempo.errors import CohortError
from voxtempo.learning.make_task import make_task
from voxtempo.learning.tasks import ClassifyTask, RegressTask, SegmentTask, restore_task


def test_regression_target_is_standardised_and_decoded_back():
    task = RegressTask(50.0, 10.0)
    assert task.encode(70) == 2.0
    assert task.decode(np.array([[2.0]], np.float32)).tolist() == [70.0]
    assert task.score(np.array([70.0, 50.0]), np.array([[1.0], [0.0]])) == pytest.approx(5.0)


def test_classifier_score_is_balanced_accuracy():
    rng = np.random.default_rng(1)
    truth, said = rng.integers(0, 3, 50), rng.random((50, 3)).astype(np.float32)
    task = ClassifyTask(("a", "b", "c"))
    assert task.score(said, truth) == pytest.approx(balanced_accuracy_score(truth, said.argmax(1)))


def test_segmentation_score_is_the_mean_dice_of_present_labels():
    task = SegmentTask({1: "a", 2: "b", 5: "never there"})
    predicted = np.array([0, 1, 1, 2], np.uint8)
    truth = np.array([1, 1, 0, 2])
    assert task.score(predicted, truth) == pytest.approx((0.5 + 1.0) / 2)
    assert task.values.tolist() == [0, 1, 2, 5]


@pytest.mark.parametrize(
    "task", [ClassifyTask(("a", "b")), RegressTask(1.5, 2.0), SegmentTask({3: "x", 1: "y"}, others=True)]
)
def test_tasks_survive_json(task):
    import json

    assert restore_task(json.loads(json.dumps(task.as_json()))) == task


def regress_study() -> Study:
    return Study.model_validate(
        {"name": "s", "task": "regress", "cohort": {"table": "t", "scans": {"a": "a"}, "target": {"column": "age"}}}
    )


def test_standardisation_is_fitted_on_the_training_cases_alone():
    cases = tuple(Case(str(i), str(i), {}, target=float(v)) for i, v in enumerate([10, 20, 1000]))
    task = make_task(regress_study(), Cohort(cases), sides(cases[:2], (), cases[2:]).training)
    assert (task.mean, task.deviation) == (15.0, 5.0)


def test_a_target_that_never_changes_is_refused():
    cases = tuple(Case(str(i), str(i), {}, target=4.0) for i in range(3))
    with pytest.raises(CohortError, match="4 in every training case"):
        make_task(regress_study(), Cohort(cases), sides(cases).training)


def test_one_class_is_nothing_to_tell_apart():
    study = regress_study().model_copy(update={"task": "classify"})
    cases = (Case("a", "a", {}, events=(Event(0, 1, "go"), Event(5, 1, "go"))),)
    with pytest.raises(CohortError, match="only the class 'go'"):
        make_task(study, Cohort(cases, classes=("go", "stop")), sides(cases).training)


def test_regression_from_events_reads_their_numbers():
    cases = (Case("a", "a", {}, events=(Event(0, 1, "1.0"), Event(5, 1, "3.0"))),)
    assert make_task(regress_study(), Cohort(cases), sides(cases).training).mean == 2.0
    words = (Case("a", "a", {}, events=(Event(0, 1, "go"),)),)
    with pytest.raises(CohortError, match="a: the target 'go' is not a number"):
        make_task(regress_study(), Cohort(words), sides(words).training)


REGIONS = {"whole": (1, 2, 4), "core": (2, 4), "enhancing": (4,)}
NESTED = SegmentTask({1: "oedema", 2: "necrosis", 4: "enhancing"}, regions=REGIONS, ignore=255)


def test_regions_are_written_in_order_later_over_earlier():
    probabilities = np.array([[0.9, 0.1, 0.1], [0.9, 0.8, 0.2], [0.9, 0.9, 0.6], [0.1, 0.1, 0.7], [0.4, 0.4, 0.4]])
    assert NESTED.values[NESTED.judged(probabilities)].tolist() == [1, 2, 4, 4, 0]
    strict = NESTED.judged(probabilities, {"enhancing": 0.65, "whole": 0.3})
    assert NESTED.values[strict].tolist() == [1, 2, 2, 4, 1]
    assert NESTED.head.outputs == 3
    assert NESTED.region_indices == ((1, 2, 3), (2, 3), (3,))
    assert NESTED.outputs == ("whole", "core", "enhancing")


def test_a_nested_label_map_is_found_again_from_its_regions():
    indices = np.random.default_rng(0).integers(0, 4, (5, 6, 7))
    maps = np.stack([np.isin(indices, region) for region in NESTED.region_indices], axis=-1)
    assert np.array_equal(NESTED.judged(NESTED.decode(20.0 * maps - 10)), indices)


def test_regions_and_the_labels_that_are_none_are_judged_and_regions_averaged():
    assert NESTED.structures == {**REGIONS, "oedema": (1,), "necrosis": (2,)}
    assert NESTED.averaged == ("whole", "core", "enhancing")
    plain = SegmentTask({2: "b", 1: "a"})
    assert plain.structures == {"a": (1,), "b": (2,)}
    assert plain.averaged == ("a", "b")
    assert plain.outputs == ("", "a", "b")


def test_the_score_of_regions_is_their_mean_dice_without_what_is_ignored():
    targets = np.array([0, 1, 2, 3, 3, -1, -1])
    answers = np.array([0, 1, 1, 3, 2, 3, 1], np.uint8)
    # whole: all four; core: 2 of 3 found, nothing else; enhancing: 1 of 2.
    assert NESTED.score(answers, targets) == pytest.approx(np.mean([1.0, 2 * 2 / 5, 2 / 3]))


def test_a_threshold_of_one_label_is_the_probability_above_which_it_is_taken():
    task = SegmentTask({7: "a"})
    p = np.linspace(0, 1, 101, dtype=np.float32)
    answers = np.stack([1 - p, p], axis=-1)
    for limit in (0.2, 0.5, 0.8):
        found = task.judged(answers, {"a": limit})
        assert np.array_equal(found[np.abs(p - limit) > 0.005], (p > limit)[np.abs(p - limit) > 0.005])
    rng = np.random.default_rng(0).random((50, 3)).astype(np.float32)
    both = SegmentTask({1: "a", 2: "b"})
    assert np.array_equal(both.judged(rng, {"a": 0.5, "b": 0.5}), both.judged(rng))


def test_regions_survive_json_with_their_order():
    import json

    back = restore_task(json.loads(json.dumps(NESTED.as_json(), sort_keys=True)))
    assert back == NESTED
    assert list(back.regions) == list(REGIONS)
