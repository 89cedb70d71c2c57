"""Samples of one slice: what covers a scan, what lies beside a slice, and that nothing depends on the axis across."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxtempo.augment import build_transforms
from voxtempo.cohort.sections.base import Named
from voxtempo.cohort.sections.sample import Sample
from voxtempo.feed import Batches, FeedCase, LabelMap, PatchSampler, Plane, Position, SliceSampler, Voxels, make_sampler

AXES = (0, 1, 2)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def case_of(image: np.ndarray, spacing=(1.0, 1.0, 1.0), mask: np.ndarray | None = None) -> FeedCase:
    return FeedCase("c", Voxels(image), spacing, mask=None if mask is None else LabelMap(mask))


def flat_patch(axis: int, plane=(4, 5)) -> tuple[int, int, int]:
    return Plane(axis).turned_back((*plane, 1))


def patches(axis: int, plane=(4, 5), beside: int = 0, **more) -> PatchSampler:
    return PatchSampler(flat_patch(axis, plane), plane=Plane(axis, beside), **more)


def padded(image: np.ndarray, axis: int, beside: int, around: int) -> np.ndarray:
    """The scan with its border slices repeated along one axis and zeros around the others: the reference to read from."""
    widths = [(0, 0), *((beside, beside) if a == axis else (0, 0) for a in AXES), (0, 0)]
    image = np.pad(image, widths, mode="edge")
    return np.pad(image, [(0, 0), *((0, 0) if a == axis else (around, around) for a in AXES), (0, 0)])


@settings(max_examples=60, deadline=None)
@given(shape=st.tuples(*[st.integers(1, 9)] * 3), axis=st.sampled_from(AXES), overlap=st.floats(0, 0.8))
def test_flat_patches_cover_every_voxel_and_every_slice_equally_often(shape, axis, overlap):
    case = case_of(np.zeros((1, *shape, 1), np.float32))
    places = patches(axis, (3, 4), overlap=overlap).cover(case)
    seen = np.zeros(shape, int)
    for place in places:
        seen[tuple(slice(max(s, 0), s + n) for s, n in zip(place.start, place.size, strict=True))] += 1
    assert seen.min() >= 1
    often = Counter(place.start[axis] for place in places)
    assert sorted(often) == list(range(shape[axis]))
    assert set(often.values()) == {len(places) // shape[axis]}
    assert np.array_equal(seen, np.broadcast_to(np.take(seen, [0], axis=axis), shape))
    assert len(set(places)) == len(places)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 6)] * 3),
    axis=st.sampled_from(AXES),
    beside=st.integers(0, 4),
    channels=st.integers(1, 2),
    margin=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    data=st.data(),
)
def test_a_slice_comes_with_those_beside_it_and_the_border_again_beyond_it(shape, axis, beside, channels, margin, data):
    image = noise(1, *shape, channels)
    mask = (1 + np.arange(np.prod(shape))).reshape(1, *shape, 1).astype(np.int32)
    case = case_of(image, mask=mask)
    sampler = patches(axis, (2, 3), beside)
    place = data.draw(st.sampled_from(sampler.cover(case)))
    found, label = sampler.read(case, place, (*margin, 0))
    channelled = sampler.finish(found)
    a, b = 2 + 2 * margin[0], 3 + 2 * margin[1]
    assert found.shape == (2 * beside + 1, a, b, 1, channels)
    assert channelled.shape == (1, a, b, 1, (2 * beside + 1) * channels)

    around = 12
    wide, labels = padded(image, axis, beside, around)[0], padded(mask, axis, 0, around)[0, ..., 0]
    first, second = (other for other in AXES if other != axis)
    for k in range(2 * beside + 1):
        box = [slice(None)] * 3
        for other, length, extra in ((first, a, margin[0]), (second, b, margin[1])):
            start = around + place.start[other] - extra
            box[other] = slice(start, start + length)
        box[axis] = place.start[axis] + k
        expected = wide[tuple(box)]
        assert np.array_equal(found[k, :, :, 0], expected)
        assert np.array_equal(channelled[0, :, :, 0, k * channels : (k + 1) * channels], expected)
        if k == beside:
            inner = list(box)
            inner[axis] = place.start[axis]
            assert np.array_equal(label[:, :, 0], labels[tuple(inner)])


@pytest.mark.parametrize("axis", AXES)
def test_whole_slices_have_the_same_neighbours_as_patches_that_hold_them(axis):
    case = case_of(noise(1, 4, 5, 6, 2))
    plane = Plane(axis).turned((4, 5, 6))[:2]
    whole, patch = SliceSampler(axis, plane, 2), patches(axis, plane, 2)
    for one, two in zip(whole.cover(case), patch.cover(case), strict=True):
        assert np.array_equal(
            whole.finish(whole.read(case, one)[0]),
            patch.finish(patch.read(case, two)[0]),
        )


class Placed(PatchSampler):
    """Patches that training takes from given places, so that nothing is drawn but the augmentation."""

    def __init__(self, places: list[tuple[int, int, int]], **more) -> None:
        super().__init__(**more)
        self.places = places

    def per_pass(self, case: FeedCase) -> int:
        return len(self.places)

    def draw(self, case: FeedCase, index: int, rng: np.random.Generator) -> Position:
        return Position(case.id, (0,), self.places[index], self.patch)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("kind", ["patch", "slices"])
def test_a_scan_sliced_across_an_axis_is_augmented_as_the_turned_scan_is_across_z(axis, kind):
    """Spacing, margins, mirrored axes and neighbours all belong to the slice's own axes."""
    plane = Plane(axis, 1)
    image, mask = noise(1, 9, 9, 9, 2), np.random.default_rng(1).integers(0, 3, (1, 9, 9, 9, 1)).astype(np.uint8)
    spacing = (1.0, 1.7, 2.9)
    turned = [np.ascontiguousarray(np.moveaxis(array, 1 + axis, 3)) for array in (image, mask)]
    starts = [(1, 2, 0), (0, 4, 3), (5, 5, 8)]

    def made(image, mask, spacing, plane, starts):
        sampler = (
            SliceSampler(plane.axis, (9, 9), 1)
            if kind == "slices"
            else Placed(starts, patch=plane.turned_back((5, 4, 1)), plane=plane)
        )
        stack = build_transforms("default", task="segment", flip=("y",))
        case = case_of(image, spacing, mask)
        return Batches([case], sampler, batch=3, kind="slice", task="segment", augment=stack, seed=3, workers=0)

    own = made(image, mask, spacing, plane, [plane.turned_back(start) for start in starts])
    other = made(*turned, plane.turned(spacing), Plane(2, 1), starts)
    changed = 0
    for epoch in range(3):
        for one, two in zip(own.epoch(epoch), other.epoch(epoch), strict=True):
            assert np.array_equal(one.image, two.image)
            assert np.array_equal(one.target, two.target)
            changed += 1
    assert changed >= 3


def test_thick_slices_are_not_turned_in_their_long_direction():
    """In a scan of 1 x 1 x 6 mm a sagittal slice has voxels of 1 x 6 mm, which the default leaves unmixed."""
    rows = np.zeros((1, 8, 16, 8, 1), np.float32)
    rows[..., ::2, :] = 1.0
    stack = build_transforms([Named(name="spatial", options={"rotation": 40.0, "probability": 1.0})], task="segment")
    case = case_of(rows, (1.0, 1.0, 6.0))
    sampler = SliceSampler(0, (16, 8))
    batch = next(Batches([case], sampler, batch=8, kind="slice", task="classify", augment=stack, workers=0).epoch(0))
    assert np.ptp(batch.image, axis=1).max() < 1e-6


def test_one_change_moves_all_slices_of_a_sample_and_its_label():
    waves = np.sin(np.arange(24) / 3)[:, None] + np.cos(np.arange(24) / 4)
    image = np.broadcast_to(waves.astype(np.float32)[:, :, None], (24, 24, 7))[None, ..., None].copy()
    mask = (image > 0).astype(np.uint8)
    stack = build_transforms("default", task="segment", flip=("x",))
    spatial = type(stack)(stack.transforms[:1])
    sampler = patches(2, (16, 16), 2, foreground=0.0)
    made = Batches(
        [case_of(image, mask=mask)], sampler, batch=8, kind="slice", task="segment", augment=spatial, workers=0
    )
    for batch in made.epoch(0):
        assert batch.image.shape == (8, 16, 16, 5)
        assert np.array_equal(batch.image, np.broadcast_to(batch.image[..., :1], batch.image.shape))
        assert np.mean((batch.image[..., 2] > 0) == batch.target) > 0.95


@pytest.mark.parametrize("axis", AXES)
def test_a_batch_equals_its_samples_one_by_one(axis):
    case = case_of(noise(1, 6, 7, 8, 1), mask=(noise(1, 6, 7, 8, 1) > 0).astype(np.uint8))
    stack = build_transforms("default", task="segment")

    def made(batch: int) -> Batches:
        sampler = patches(axis, (4, 4), 1)
        return Batches([case], sampler, batch=batch, kind="slice", task="segment", augment=stack, seed=2, workers=0)

    together, alone = list(made(4).epoch(1)), list(made(1).epoch(1))
    images, targets = (np.concatenate([getattr(b, name) for b in together]) for name in ("image", "target"))
    for number, single in enumerate(alone):
        assert np.array_equal(images[number], single.image[0])
        assert np.array_equal(targets[number], single.target[0])
    whole, each = list(made(5).cover()), list(made(1).cover())
    covered = np.concatenate([b.image[: len(b.positions)] for b in whole])
    assert np.array_equal(covered, np.concatenate([b.image for b in each]))


@pytest.mark.parametrize("axis", AXES)
def test_foreground_patches_of_one_slice_are_centred_on_every_label_equally_often(axis):
    mask = np.zeros((1, 20, 20, 20, 1), np.uint8)
    mask[0, 2:4, 3:5, 4:6] = 1
    mask[0, 8:18, 8:18, 8:18] = 2
    case = case_of(np.zeros((1, 20, 20, 20, 1), np.float32), mask=mask)
    sampler, rng = patches(axis, (6, 6), foreground=1.0), np.random.default_rng(0)
    found = Counter()
    for index in range(200):
        label = sampler.read(case, sampler.draw(case, index, rng))[1]
        assert label.max() > 0, "a foreground patch without foreground"
        found[int(label.max())] += 1
    assert 70 <= found[1] <= 130


def test_a_pass_takes_as_many_voxels_as_the_scan_has():
    case = case_of(np.zeros((1, 16, 16, 10, 1), np.float32))
    assert patches(2, (16, 16)).per_pass(case) == 10
    assert patches(0, (8, 10)).per_pass(case) == 32


def test_the_study_says_which_way_samples_are_flat():
    patch = make_sampler(Sample.model_validate({"patch": [8, 1, 6], "neighbours": 2}), (20, 20, 20))
    slices = make_sampler(Sample.model_validate({"slices": {"axis": "y", "neighbours": 1}}), (3, 4, 5))
    box = make_sampler(Sample.model_validate({"patch": [8, 1, 1]}), (20, 20, 20))
    assert patch.plane == Plane(1, 2)
    assert slices.plane == Plane(1, 1)
    assert slices.shape == (3, 5)
    assert box.plane is None
