from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from voxtempo.augment import build_transforms
from voxtempo.cohort.study import Window
from voxtempo.feed import Batches, FeedCase, LabelMap, PatchSampler, VolumeSampler, Voxels, WindowSampler


def cases(count: int, shape=(1, 6, 6, 6, 1), task: str = "classify") -> list[FeedCase]:
    made = []
    for i in range(count):
        image = np.random.default_rng(i).normal(size=shape).astype(np.float32)
        mask = LabelMap((image[:1, ..., :1] > 0.5).astype(np.uint8)) if task == "segment" else None
        made.append(FeedCase(f"c{i}", Voxels(image), (1, 1, 1), mask=mask, target=i % 3))
    return made


def batches(count: int = 7, batch: int = 3, **more) -> Batches:
    settings = {"kind": "volume", "task": "classify", "seed": 5, **more}
    return Batches(cases(count), VolumeSampler((6, 6, 6)), batch=batch, **settings)


def ids(made) -> list[list[int]]:
    return [[case for case, _ in batch.positions] for batch in made]


def flat(lists: list[list[int]]) -> list[int]:
    return [item for each in lists for item in each]


def test_one_pass_shows_every_case_once_and_fills_the_last_batch():
    order = ids(batches().epoch(0))
    assert [len(b) for b in order] == [3, 3, 3]
    assert sorted(flat(order)[:7]) == list(range(7))


def test_same_seed_same_batches_and_another_epoch_another_order():
    first, again, other = (list(batches(9).epoch(e)) for e in (0, 0, 1))
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, again, strict=True))
    assert ids(first) != ids(other)


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_order_and_content_do_not_depend_on_the_number_of_threads(workers):
    stack = build_transforms("default", task="classify")
    reference = list(batches(6, augment=stack, workers=2).epoch(3))
    made = list(batches(6, augment=stack, workers=workers).epoch(3))
    assert all(np.array_equal(a.image, b.image) for a, b in zip(reference, made, strict=True))


def test_an_epoch_taken_up_in_the_middle_gives_the_same_batches():
    stack = build_transforms("default", task="classify")
    whole = list(batches(10, 2, augment=stack).epoch(4))
    rest = list(batches(10, 2, augment=stack).epoch(4, start=2))
    assert len(rest) == len(whole) - 2
    assert all(np.array_equal(a.image, b.image) for a, b in zip(whole[2:], rest, strict=True))


def test_more_steps_than_a_pass_go_on_into_further_passes():
    order = flat(ids(batches(4, 2).epoch(0, steps=4)))
    assert sorted(order[:4]) == sorted(order[4:]) == [0, 1, 2, 3]


def test_cover_shows_everything_once_in_order_unchanged():
    made = list(batches(5, 2, augment=build_transforms("default", task="classify")).cover())
    assert flat(ids(made)) == [0, 1, 2, 3, 4]
    source = cases(5)
    assert np.array_equal(made[2].image[0], source[4].image.array[0])


def test_batch_equals_one_by_one():
    both = next(iter(batches(4, 2, augment=build_transforms("default", task="classify")).epoch(0)))
    single = Batches(
        cases(4), VolumeSampler((6, 6, 6)), batch=1, kind="volume", task="classify", seed=5,
        augment=build_transforms("default", task="classify"),
    )  # fmt: skip
    ones = [b.image[0] for b, _ in zip(single.epoch(0), range(2), strict=False)]
    assert np.array_equal(both.image, np.stack(ones))


def test_targets_have_the_shape_and_type_of_their_task():
    classify = next(iter(batches().epoch(0)))
    assert (classify.target.dtype, classify.target.shape) == (np.int32, (3,))
    regress = next(iter(batches(task="regress").epoch(0)))
    assert (regress.target.dtype, regress.target.shape) == (np.float32, (3, 1))
    segment = Batches(cases(4, task="segment"), PatchSampler((4, 4, 4)), batch=2, kind="volume", task="segment")
    batch = next(iter(segment.epoch(0)))
    assert (batch.target.dtype, batch.target.shape) == (np.int32, (2, 4, 4, 4))


def test_image_and_label_of_a_patch_move_together():
    shape = (1, 24, 24, 24, 1)
    mask = np.zeros(shape, dtype=np.uint8)
    mask[0, 6:18, 6:18, 6:18] = 1
    case = FeedCase("c", Voxels(mask.astype(np.float32)), (1, 1, 1), mask=LabelMap(mask))
    made = Batches(
        [case], PatchSampler((16, 16, 16)), batch=4, kind="volume", task="segment", seed=1,
        augment=build_transforms("default", task="segment"),
    )  # fmt: skip
    for batch in made.epoch(0, steps=3):
        bright, dark = batch.image[batch.target == 1], batch.image[batch.target == 0]
        assert bright.mean() > dark.mean() + 0.4


def test_windows_give_a_time_axis():
    made = Batches(
        [FeedCase("s", Voxels(np.zeros((20, 4, 4, 1, 2), np.float32)), (1, 1, 1), target=0)],
        WindowSampler(Window(length=5), (4, 4, 1)), batch=2, kind="series", task="classify",
    )  # fmt: skip
    assert next(iter(made.epoch(0))).image.shape == (2, 5, 4, 4, 1, 2)


def test_epochs_do_not_leak_memory():
    made = batches(12, 4, augment=build_transforms("default", task="classify"))
    for epoch in range(3):
        list(made.epoch(epoch))
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for epoch in range(3, 23):
        for _ in made.epoch(epoch):
            pass
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 200_000
