"""Sketches and likeness: one image in another guise is the same, another image is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.fft import dctn

from voxtempo.cohort.leakage.pair_scores import OWN, PLAIN, pair_scores
from voxtempo.cohort.leakage.similar import SAME, find_similar, symmetries, turn
from voxtempo.cohort.leakage.similar import _turn_waves as turn_waves
from voxtempo.cohort.leakage.sketch import Sketch, average_down, box_inside, sketch_of


def smooth(seed: int, shape: tuple[int, ...], amount: float = 2.0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=shape)
    return ndimage.gaussian_filter(noise, amount).astype(np.float32)


def named(*images: np.ndarray) -> dict[str, Sketch]:
    return {f"{place:02d}": sketch for place, image in enumerate(images) if (sketch := sketch_of(image)) is not None}


def test_averages_keep_the_mean_and_are_block_means_where_voxels_divide():
    image = smooth(0, (32, 48))
    small = average_down(image, ((0.0, 32.0), (0.0, 48.0)), 16)
    np.testing.assert_allclose(small, image.reshape(16, 2, 16, 3).mean((1, 3)), atol=1e-6)
    odd = average_down(image, ((0.0, 32.0), (0.0, 48.0)), 7)
    assert odd.mean() == pytest.approx(image.mean(), abs=1e-6)


def test_boxes_follow_the_foreground_and_its_size():
    image = np.zeros((40, 60), np.float32)
    image[10:30, 15:50] = 1
    np.testing.assert_allclose(box_inside(image), ((10, 30), (15, 50)), atol=1)
    np.testing.assert_allclose(box_inside(image.repeat(2, 0).repeat(2, 1)), ((20, 60), (30, 100)), atol=2)
    full = smooth(0, (20, 20)) + 10
    assert all(end - begin > 17 for begin, end in box_inside(full))


def test_sketches_survive_json_and_leave_out_what_shows_nothing():
    sketch = sketch_of(smooth(0, (40, 50, 30)))
    assert sketch is not None
    again = Sketch.from_json(sketch.as_json())
    assert (again.whole == sketch.whole).all()
    assert (again.inside == sketch.inside).all()
    assert (again.shape, again.series) == ((40, 50, 30), False)
    for empty in (np.ones((20, 20, 1)), np.arange(20.0).reshape(20, 1, 1), np.full((9, 9), np.nan), smooth(0, (3, 20))):
        assert sketch_of(empty) is None
    image = smooth(0, (20, 21))
    broken = image.copy()
    broken[3, 4] = np.nan
    assert sketch_of(broken) is not None


@pytest.mark.parametrize("axes", [2, 3])
def test_turned_waves_are_the_waves_of_turned_pictures(axes: int):
    pictures = np.stack([smooth(seed, (8,) * axes) for seed in range(2)])
    spectra = np.stack([dctn(picture, norm="ortho") for picture in pictures]).astype(np.float32)
    assert len(set(symmetries(axes))) == {2: 8, 3: 48}[axes]
    for symmetry in symmetries(axes):
        expected = np.stack([dctn(picture, norm="ortho") for picture in turn(pictures, symmetry)])
        np.testing.assert_allclose(turn_waves(spectra, symmetry), expected, atol=1e-5)


@given(st.integers(0, 7), st.floats(0.6, 1.6), st.floats(0.2, 5), st.floats(-50, 50))
@settings(max_examples=30, deadline=None)
def test_a_slice_turned_and_rescaled_is_the_same_and_its_way_is_named(number, gamma, slope, offset):
    image = smooth(1, (60, 44))
    image = (image - image.min()) / np.ptp(image)
    symmetry = symmetries(2)[number]
    other = turn(slope * image[None] ** np.float32(gamma) + offset, symmetry)[0]
    (pair,) = find_similar(named(image, other))
    assert pair.same
    flips = sum(symmetry[1]) + (symmetry[0] == (1, 0))
    turned = "" if number == 0 else "mirrored" if flips % 2 else "rotated"
    assert pair.how == (turned or "other values")


@given(st.integers(0, 47))
@settings(max_examples=12, deadline=None)
def test_a_volume_in_any_orientation_and_size_is_the_same(number):
    image = smooth(2, (32, 40, 24), 3)
    other = turn(ndimage.zoom(image, 1.25, order=1)[None], symmetries(3)[number])[0]
    (pair,) = find_similar(named(image, other))
    assert pair.score > SAME
    assert "resized" in pair.how


def test_different_images_and_slices_of_series_are_not_alike():
    assert find_similar(named(*(smooth(seed, (40, 40)) for seed in range(30)))) == ()
    anatomy = smooth(0, (30, 30, 8)) * 100
    first, second = (sketch_of(anatomy, change=smooth(seed, (30, 30, 8))) for seed in (1, 2))
    assert first is not None
    assert second is not None
    assert find_similar({"a": first, "b": second}) == ()
    assert len(find_similar({"a": first, "b": first})) == 1
    static = sketch_of(smooth(1, (30, 30, 8)))
    assert static is not None
    assert find_similar({"a": first, "b": static}) == ()


def test_the_order_of_names_does_not_matter_and_pairs_are_told_once():
    image = smooth(0, (40, 40))
    sketches = named(image, image[::-1], smooth(1, (40, 40)), image.T)
    assert find_similar(sketches) == find_similar(dict(reversed(sketches.items())))
    assert [(pair.first, pair.second) for pair in find_similar(sketches)] == [("00", "01"), ("00", "03"), ("01", "03")]


def test_what_all_images_share_does_not_count():
    shared = 20 * smooth(99, (40, 40))
    images = [shared + smooth(seed, (40, 40)) for seed in range(24)]
    first, second = named(*images[:2]).values()
    assert scored(np.stack([first.whole, second.whole]), symmetries(2)[0]) > 0.9
    assert find_similar(named(*images)) == ()
    (pair,) = find_similar(named(*images, 0.5 * images[3][::-1] + 1))
    assert (pair.first, pair.second, pair.how) == ("03", "24", "mirrored")


def scored(pictures: np.ndarray, symmetry, common: np.ndarray | None = None) -> float:
    """Return the score of the first two pictures, the second one turned."""
    places = turn(np.arange(pictures[0].size).reshape(1, *pictures.shape[1:]), symmetry).reshape(-1)
    return float(pair_scores(pictures, np.array([0]), np.array([1]), places, common, 1)[0])


def edges(picture: np.ndarray) -> np.ndarray:
    return np.concatenate([np.diff(picture.astype(np.float64), axis=axis).ravel() for axis in range(picture.ndim)])


def by_rank(picture: np.ndarray, like: np.ndarray) -> np.ndarray:
    given_ = np.empty_like(like.ravel())
    given_[np.argsort(picture.ravel(), kind="stable")] = np.sort(like.ravel())
    return given_.reshape(picture.shape)


def partial(between: float, first: float, second: float) -> float:
    return (between - first * second) / np.sqrt(max(1 - first**2, 1e-6) * max(1 - second**2, 1e-6))


def likeness(one: np.ndarray, two: np.ndarray, common: np.ndarray | None) -> float:
    """Return the score as it is defined, pair by pair."""

    def correlation(*pair: np.ndarray) -> float:
        return float(np.corrcoef(*(edges(each) for each in pair))[0, 1])

    if correlation(one, two) <= PLAIN:
        return 0.0
    found = []
    for first, second in ((by_rank(one, two), two), (one, by_rank(two, one))):
        between = correlation(first, second)
        if common is not None:
            alone = partial(between, correlation(first, common), correlation(second, common))
            between = between if alone > OWN else 0.0
        found.append(between)
    return max(found)


@pytest.mark.parametrize("axes", [2, 3])
@given(
    seed=st.integers(0, 10_000), noise=st.sampled_from([0.0, 0.02, 0.1, 0.5]), shared=st.sampled_from([None, 0.1, 2.0])
)
@settings(max_examples=30, deadline=None)
def test_scores_are_what_they_are_defined_to_be(axes: int, seed: int, noise: float, shared: float | None):
    shape = (9,) * axes if seed % 2 else (7, 9, 8)[:axes]
    rng = np.random.default_rng(seed)
    symmetry = symmetries(axes)[rng.integers(len(symmetries(axes)))] if len(set(shape)) == 1 else symmetries(axes)[0]
    rest = np.zeros(shape) if shared is None else shared * smooth(seed + 1, shape, 1.0)
    image = smooth(seed, shape, 1.0) + rest
    other = turn(image[None], symmetry)[0] + noise * smooth(seed + 2, shape, 1.0)
    back = next(each for each in symmetries(axes) if np.array_equal(turn(turn(image[None], symmetry), each)[0], image))
    pictures = np.stack([eight_bit(image), eight_bit(other**3)])
    common = None if shared is None else rest.astype(np.float64)
    expected = likeness(pictures[0], turn(pictures[1][None], back)[0], common)
    assert scored(pictures, back, common) == pytest.approx(expected, abs=1e-9)


def eight_bit(image: np.ndarray) -> np.ndarray:
    return np.round((image - image.min()) * (255 / np.ptp(image))).astype(np.uint8)


def test_threads_share_many_pairs_and_pictures_without_edges_are_not_alike(monkeypatch):
    monkeypatch.setattr("voxtempo.cohort.leakage.pair_scores.CHUNK", 7)
    pictures = np.stack([eight_bit(smooth(seed % 5, (8, 8))) for seed in range(20)] + [np.full((8, 8), 9, np.uint8)])
    first, second = (places.ravel() for places in np.indices((21, 21)))
    scores = pair_scores(pictures, first, second, np.arange(64), None, 3).reshape(21, 21)
    alone = pair_scores(pictures, first, second, np.arange(64), None, 1).reshape(21, 21)
    np.testing.assert_array_equal(scores, alone)
    np.testing.assert_allclose(scores, scores.T, atol=1e-12)
    same = np.arange(20)[:, None] % 5 == np.arange(20) % 5
    np.testing.assert_allclose(scores[:20, :20][same], 1)
    assert scores[:20, :20][~same].max() < 1
    assert not scores[20].any()
    assert pair_scores(pictures, first[:0], second[:0], np.arange(64), None).shape == (0,)
