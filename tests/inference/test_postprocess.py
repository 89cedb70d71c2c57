"""Operations on label maps: shapes whose answer is plain, properties of all of them, and the choice among them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from voxtempo.cohort import Study
from voxtempo.cohort.case import Cohort
from voxtempo.cohort.study import Named
from voxtempo.errors import RunError, StudyError
from voxtempo.inference.postprocess import (
    Pair,
    build_operations,
    check_operations,
    choose_operations,
    operations,
    read_operations,
    record_of,
    thresholds_of,
)
from voxtempo.inference.postprocess.choose import ENOUGH
from voxtempo.inference.postprocess.doubt import THRESHOLDS, find_doubt
from voxtempo.inference.postprocess.fill_holes import FillHoles
from voxtempo.inference.postprocess.largest_component import LargestComponent
from voxtempo.inference.postprocess.remove_small import RemoveSmall
from voxtempo.inference.postprocess.threshold import Threshold
from voxtempo.learning.tasks import SegmentTask

PLAIN = SegmentTask({1: "a", 3: "b"})
NESTED = SegmentTask({1: "rim", 2: "middle", 3: "inner"}, regions={"whole": (1, 2, 3), "core": (2, 3), "inner": (3,)})
UNIT = (1.0, 1.0, 1.0)


def ball(shape, centre, radius) -> np.ndarray:
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    return np.linalg.norm(grid - np.array(centre), axis=-1) <= radius


def random_labels(seed: int, values=(0, 0, 0, 1, 3)) -> np.ndarray:
    return np.random.default_rng(seed).choice(values, (7, 6, 5)).astype(np.uint8)


def test_the_largest_component_stays_and_touching_corners_connect():
    labels = np.zeros((8, 8, 1), np.uint8)
    labels[0:2, 0:2], labels[2, 2], labels[6, 6] = 1, 1, 1
    labels[7, 0] = 3
    kept = LargestComponent("a").apply(labels, PLAIN, UNIT)
    assert kept[2, 2] == 1
    assert kept[6, 6] == 0
    assert kept[7, 0] == 3
    assert labels[6, 6] == 1, "the map that was given is not to change"
    assert LargestComponent().apply(labels, PLAIN, UNIT)[7, 0] == 0


def test_small_components_are_removed_by_their_volume_in_mm3():
    labels = np.zeros((9, 9, 9), np.uint8)
    labels[0:2, 0, 0], labels[4:7, 4, 4] = 1, 1
    for spacing, volume, left in (
        (UNIT, 2.0, 5),
        (UNIT, 2.1, 3),
        ((1, 1, 0.7), 2.1, 3),
        ((1, 1, 1.1), 2.1, 5),
        (UNIT, 9, 0),
    ):
        assert np.count_nonzero(RemoveSmall("a", volume).apply(labels, PLAIN, spacing)) == left


def test_holes_are_filled_in_volumes_and_slices_but_other_labels_stay():
    labels = np.zeros((9, 9, 9), np.uint8)
    labels[1:8, 1:8, 1:8] = 1
    labels[4, 4, 4], labels[2, 2, 2], labels[6, 6, :5] = 0, 3, 0
    filled = FillHoles("a").apply(labels, PLAIN, UNIT)
    assert filled[4, 4, 4] == 1
    assert filled[2, 2, 2] == 3
    assert filled[6, 6, 3] == 0, "a tunnel leads out"
    plane = labels[:, :, 3:4]
    assert FillHoles("a").apply(plane, PLAIN, UNIT)[6, 6, 0] == 1
    corner = np.zeros((4, 4, 1), np.uint8)
    corner[:2, 2] = corner[2, :2] = 1
    assert np.array_equal(FillHoles("a").apply(corner, PLAIN, UNIT), corner), "the edge of the image closes nothing"


def test_holes_of_the_foreground_get_the_nearest_label_and_those_of_a_region_its_own():
    labels = np.zeros((12, 7, 7), np.uint8)
    labels[0:6], labels[6:12] = 1, 3
    labels[2, 3, 3], labels[9, 3, 3] = 0, 0
    filled = FillHoles().apply(labels, PLAIN, UNIT)
    assert filled[2, 3, 3] == 1
    assert filled[9, 3, 3] == 3
    nested = np.where(ball((9, 9, 9), (4, 4, 4), 4), 1, 0).astype(np.uint8)
    nested[ball((9, 9, 9), (4, 4, 4), 2.5)] = 3
    nested[4, 4, 4] = 0
    assert FillHoles("core").apply(nested, NESTED, UNIT)[4, 4, 4] == 2
    assert FillHoles("whole").apply(nested, NESTED, UNIT)[4, 4, 4] == 1


def test_what_lies_open_in_its_slice_of_a_volume_is_not_filled():
    volume = np.zeros((60, 60, 10), np.uint8)
    volume[10, 20, 5] = volume[40, 20, 5] = 1  # in one row
    volume[20:31, 40:51, 3] = 1
    volume[21:30, 41:50, 3] = 0  # a ring that the next slices leave open
    assert np.array_equal(FillHoles("a").apply(volume, PLAIN, UNIT), volume)
    picture = volume[:, :, 3:4]
    assert np.count_nonzero(FillHoles("a").apply(picture, PLAIN, UNIT)) == 11 * 11
    pixels = volume[:, :, 5:6]
    assert np.array_equal(FillHoles("a").apply(pixels, PLAIN, UNIT), pixels)


@pytest.mark.parametrize("made", [LargestComponent("inner"), RemoveSmall("inner", 5.0)])
def test_what_is_removed_of_an_inner_region_stays_in_the_outer_ones(made):
    labels = np.where(ball((20, 11, 11), (9, 5, 5), 5), 1, 0).astype(np.uint8)
    labels[7:10, 4:7, 4:7] = 3
    labels[12, 5, 5] = 3
    kept = made.apply(labels, NESTED, UNIT)
    assert kept[12, 5, 5] == 2, "of the core, which holds the inner region"
    assert kept[8, 5, 5] == 3
    assert np.array_equal(kept > 0, labels > 0)
    assert type(made)("core").apply(np.where(labels == 3, 2, labels), NESTED, UNIT)[12, 5, 5] == 1
    assert LargestComponent("whole").apply(labels[:, :, 5:6], NESTED, UNIT)[0, 0, 0] == 0


MADE = [
    (LargestComponent(), PLAIN), (LargestComponent("b"), PLAIN), (LargestComponent("core"), NESTED),
    (RemoveSmall("a", 3.0), PLAIN), (RemoveSmall("foreground", 3.0), PLAIN), (FillHoles("b"), PLAIN), (FillHoles(), PLAIN),
    (FillHoles("core"), NESTED), (Threshold("a", 0.7), PLAIN),
]  # fmt: skip


@pytest.mark.parametrize(("made", "task"), MADE, ids=lambda item: str(getattr(item, "of", "")))
@given(seed=st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_every_operation_is_done_once_and_brings_no_new_label(made, task, seed):
    labels = random_labels(seed, (0, 0, 1, 2, 3) if task is NESTED else (0, 0, 0, 1, 3))
    spacing = (0.8, 1.0, 1.5)
    once = made.apply(labels, task, spacing)
    assert np.array_equal(made.apply(once, task, spacing), once)
    assert once.dtype == labels.dtype
    assert set(np.unique(once)) <= {*np.unique(labels), *task.labels}
    flipped = made.apply(labels[::-1, :, ::-1], task, spacing)
    if not isinstance(made, LargestComponent) and made.of != "foreground":  # where two are equal, the first counts
        assert np.array_equal(flipped[::-1, :, ::-1], once)


@given(st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_holes_are_scipys(seed):
    labels = random_labels(seed, (0, 1, 1, 1, 1))
    assert np.array_equal(FillHoles("a").apply(labels, PLAIN, UNIT) == 1, ndimage.binary_fill_holes(labels == 1))


def test_every_registered_operation_is_tried_here():
    assert {each.name for each, _ in MADE} == set(operations)


def test_a_studys_words_become_operations_and_a_record_brings_them_back(tmp_path):
    listed = [
        Named(name="largest_component", options="b"),
        Named(name="remove_small", options={"of": "a", "volume": 4}),
        Named(name="fill_holes"),
        Named(name="threshold", options=0.4),
        Named(name="threshold", options={"of": "b", "probability": 0.8}),
    ]
    made = build_operations(listed, PLAIN)
    assert made[:3] == (LargestComponent("b"), RemoveSmall("a", 4.0), FillHoles())
    assert thresholds_of(made, PLAIN) == {"a": 0.4, "b": 0.8}
    assert thresholds_of(made[:3], PLAIN) == {}
    path = tmp_path / "postprocess.json"
    path.write_text(json.dumps({"operations": record_of(made)}), encoding="utf-8")
    assert read_operations(path, PLAIN) == made
    assert read_operations(tmp_path / "none.json", PLAIN) == ()
    path.write_text('{"operations": [{"largest_component": {"of": "c"}}]}', encoding="utf-8")
    with pytest.raises(RunError, match="no label or region 'c'"):
        read_operations(path, PLAIN)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("bigest", None, "There is no operation on label maps called 'bigest'"),
        ("largest_component", "c", "there is no label or region 'c'"),
        ("remove_small", {"volum": 3}, "Did you mean 'volume'"),
        ("remove_small", -3, "does not fit its type"),
        ("threshold", {"of": "rim"}, "no label or region 'rim'"),
    ],
)
def test_wrong_words_are_explained(name, options, message):
    with pytest.raises(StudyError, match=message):
        build_operations([Named(name=name, options=options)], NESTED)


def asked(postprocess, split) -> Study:
    target = {"mask": "m", "labels": {1: "a", 3: "b"}}
    return Study.model_validate(
        {
            "name": "s", "task": "segment", "cohort": {"table": "t", "scans": {"a": "a"}, "target": target},
            "split": split, "evaluate": {"postprocess": postprocess},
        }
    )  # fmt: skip


def test_check_finds_what_training_would():
    cohort = Cohort((), labels={1: "a", 3: "b"})
    assert not list(check_operations(asked("auto", {"folds": 3}), cohort))
    assert not list(check_operations(asked(["fill_holes", {"remove_small": {"of": "b"}}], {"folds": 3}), cohort))
    (problem,) = check_operations(asked("auto", {"folds": 3, "validation": 0}), cohort)
    assert "validation" in problem.message
    (problem,) = check_operations(asked([{"fill_holes": "liver"}], {"folds": 3}), cohort)
    assert "'liver'" in problem.message


def pairs(seed: int, subjects: int, spurious: float) -> list[Pair]:
    """Return balls with a core, found with a ragged edge; a share of ``spurious`` subjects has a false lump far away."""
    rng = np.random.default_rng(seed)
    made = []
    for subject in range(subjects):
        centre = rng.uniform(8, 11, 3)
        truth = np.where(ball((24, 20, 20), centre, 3), 3, np.where(ball((24, 20, 20), centre, 6), 1, 0))
        moved = np.where(ball((24, 20, 20), centre + rng.normal(0, 0.4, 3), 3), 3, 0)
        said = np.where(
            moved, 3, np.where(ball((24, 20, 20), centre + rng.normal(0, 0.4, 3), rng.normal(6, 0.3)), 1, 0)
        )
        if rng.random() < spurious:
            said[ball((24, 20, 20), (21, *rng.uniform(3, 16, 2)), 2)] = 1
        made.append(Pair(said.astype(np.uint8), truth.astype(np.uint8), UNIT, f"p{subject}"))
    return made


def mean_dice(chosen, some: list[Pair]) -> float:
    scores = []
    for pair in some:
        said = pair.predicted
        for each in chosen:
            said = each.apply(said, PLAIN, pair.spacing)
        for value in (1, 3):
            a, b = said == value, pair.truth == value
            scores.append(2 * (a & b).sum() / (a.sum() + b.sum()))
    return float(np.mean(scores))


def test_what_helps_most_subjects_is_chosen_and_helps_others():
    chosen, record = choose_operations(pairs(0, 8, 0.8), PLAIN)
    assert LargestComponent() in chosen
    assert record["operations"] == record_of(chosen)
    assert sum(each["kept"] for each in record["tried"]) == len(chosen)
    others = pairs(1, 8, 0.8)
    assert mean_dice(chosen, others) > mean_dice((), others) + 0.005


def test_one_subjects_luck_and_too_few_subjects_choose_nothing():
    one = pairs(2, 8, 0.0)
    one[0].predicted[19:24, 2:9, 2:9] = 1
    chosen, record = choose_operations(one, PLAIN)
    assert chosen == ()
    assert record["tried"][0]["gain"] > 0.001, "the mean alone would have been fooled"
    few, record = choose_operations(pairs(0, ENOUGH - 1, 1.0), PLAIN)
    assert few == ()
    assert record["tried"] == []
    same_person = [Pair(p.predicted, p.truth, p.spacing, "one") for p in pairs(0, 8, 1.0)]
    assert choose_operations(same_person, PLAIN)[0] == ()


@pytest.mark.parametrize("spurious", [0.0, 0.15, 0.5])
def test_the_choice_does_no_harm_to_subjects_it_has_not_seen(spurious):
    changes = []
    for seed in range(6):
        chosen, _ = choose_operations(pairs(10 + seed, 8, spurious), PLAIN)
        others = pairs(100 + seed, 10, spurious)
        changes.append(mean_dice(chosen, others) - mean_dice((), others))
    assert min(changes) > -0.001
    assert np.mean(changes) >= 0


def test_cropping_a_pair_changes_no_answer():
    for pair in pairs(3, 6, 0.5):
        small = pair.cropped()
        assert small.predicted.size < pair.predicted.size
        for each in (LargestComponent(), RemoveSmall("a", 40.0), FillHoles("a")):
            whole, part = (each.apply(p.predicted, PLAIN, p.spacing) for p in (pair, small))
            assert np.count_nonzero(whole == 1) == np.count_nonzero(part == 1)


def chances_of(rng: np.random.Generator, task: SegmentTask, shape=(6, 5, 4)) -> np.ndarray:
    logits = rng.normal(0, 3, (*shape, task.head.outputs))
    chances = 1 / (1 + np.exp(-logits)) if task.regions else np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    return chances.astype(np.float32)


@pytest.mark.parametrize("task", [PLAIN, NESTED], ids=["labels", "regions"])
@given(seed=st.integers(0, 10_000), data=st.data())
@settings(max_examples=60, deadline=None)
def test_the_voxels_in_doubt_are_all_that_thresholds_can_change(task, seed, data):
    chances = chances_of(np.random.default_rng(seed), task)
    limits = {name: data.draw(st.sampled_from((0.5, *THRESHOLDS))) for name in task.averaged}
    before = task.values[task.judged(chances)].astype(np.uint8)
    doubt = find_doubt(chances, task)
    assert np.array_equal(doubt.relabelled(before, task, limits), task.values[task.judged(chances, limits)])
    assert len(doubt.places) < before.size, "what is certain is not kept"


def timid(seed: int, subjects: int, *, timid: float = 1.0) -> list[Pair]:
    """Return balls of which the network believes only the middle; at the rim, for a share of the subjects, it says 0.35."""
    rng = np.random.default_rng(seed)
    made = []
    for subject in range(subjects):
        centre = rng.uniform(8, 11, 3)
        truth = np.where(ball((24, 20, 20), centre, 6), 1, 0).astype(np.uint8)
        chance = np.where(truth == 1, np.where(rng.random() < timid, 0.35, 0.9), 0.05)
        chance[ball((24, 20, 20), centre, 5)] = 0.95
        chances = np.stack([1 - chance, chance, np.zeros_like(chance)], axis=-1).astype(np.float32)
        chances /= chances.sum(-1, keepdims=True)
        said = PLAIN.values[PLAIN.judged(chances)].astype(np.uint8)
        made.append(Pair(said, truth, UNIT, f"p{subject}", find_doubt(chances, PLAIN)).cropped())
    return made


def test_a_threshold_that_helps_is_chosen_and_the_others_are_recorded():
    some = timid(0, 8)
    chosen, record = choose_operations(some, PLAIN)
    (kept,) = chosen
    assert kept == Threshold("a", 0.3), "the highest of those that hold the rim comes nearest to 0.5"
    tried = [each for each in record["tried"] if "threshold" in each["operation"]]
    assert len(tried) == 2 * len(THRESHOLDS)
    assert sum(each["kept"] for each in tried) == 1
    for pair in timid(1, 5):
        assert pair.doubt is not None
        found = pair.doubt.relabelled(pair.predicted, PLAIN, thresholds_of(chosen, PLAIN))
        assert np.array_equal(found, pair.truth)


def test_a_threshold_that_helps_two_of_eight_is_left_out():
    some = timid(0, 6, timid=0.0) + [
        Pair(p.predicted, p.truth, UNIT, f"q{p.group}", p.doubt) for p in timid(1, 2, timid=1.0)
    ]
    chosen, record = choose_operations(some, PLAIN)
    assert chosen == ()
    assert max(each["gain"] for each in record["tried"]) > 0.001


def test_what_people_draw_in_several_parts_is_not_cut_down_to_one():
    some = pairs(0, 8, 0.8)
    assert LargestComponent() in choose_operations(some, PLAIN)[0]
    two = np.zeros((24, 20, 20), np.uint8)
    two[2:9, 2:9, 2:9], two[15:19, 15:19, 15:19] = 1, 1
    chosen, record = choose_operations(some, PLAIN, [(two, UNIT)])
    tried = [each["operation"] for each in record["tried"]]
    assert not any("largest_component" in each and each["largest_component"]["of"] != "b" for each in tried)
    assert {"remove_small": {"of": "a", "volume": 32.0}} in tried, "half of the smallest part that was drawn"
    assert all(each.apply(two, PLAIN, UNIT)[16, 16, 16] == 1 for each in chosen)


def test_a_few_stray_voxels_of_a_rater_are_no_second_part():
    stray = np.zeros((24, 20, 20), np.uint8)
    stray[2:9, 2:9, 2:9], stray[15, 15, 15] = 1, 1
    record = choose_operations(pairs(0, 8, 0.8), PLAIN, [(stray, UNIT)])[1]
    tried = [next(iter(each["operation"].items())) for each in record["tried"]]
    assert ("largest_component", {"of": "foreground"}) in tried
    assert not any(name == "remove_small" and options["of"] == "a" for name, options in tried)
