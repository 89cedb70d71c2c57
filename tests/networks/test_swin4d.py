"""Windows of a 4D grid: cut and joined exactly, attention that stays within them, and the network made of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxtempo.networks import build_features, build_network, head_for
from voxtempo.networks.attention_windows import Windows
from voxtempo.networks.patches import cut_patches

Sizes = tuple[int, int, int, int]
sizes = st.tuples(*[st.integers(1, 7)] * 4)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(grid=sizes, size=sizes, shifted=st.booleans())
def test_join_undoes_cut(grid: Sizes, size: Sizes, shifted: bool) -> None:
    windows = Windows.fit(grid, size, shifted)
    x = normal(2, *grid, 3)
    cut = windows.cut(x)
    assert cut.shape == (2, np.prod(windows.counts), windows.tokens, 3)
    np.testing.assert_array_equal(np.asarray(windows.join(cut)), x)


@settings(max_examples=60, deadline=None)
@given(grid=sizes, size=sizes)
def test_windows_are_no_larger_than_wanted_and_as_few_as_can_be(grid: Sizes, size: Sizes) -> None:
    windows = Windows.fit(grid, size)
    for n, wanted, found, count in zip(grid, size, windows.size, windows.counts, strict=True):
        assert found <= min(n, wanted)
        assert count == -(-n // wanted) or found * count - n < found
        assert (count - 1) * found < n, "every window holds something"


def test_a_window_holds_neighbours() -> None:
    grid = (4, 4, 2, 2)
    number = np.arange(np.prod(grid), dtype=np.float32).reshape(1, *grid, 1)
    windows = Windows.fit(grid, (2, 2, 2, 2))
    cut = np.asarray(windows.cut(number))[0, ..., 0]
    for window, (t, x) in enumerate(itertools.product((0, 2), (0, 2))):
        np.testing.assert_array_equal(cut[window], number[0, t : t + 2, x : x + 2, :, :, 0].ravel())


def test_offsets_number_the_differences_of_places() -> None:
    windows = Windows.fit((2, 3, 1, 2), (2, 3, 1, 2))
    offsets = windows.offsets()
    place = list(itertools.product(range(2), range(3), range(1), range(2)))
    seen: dict[int, tuple[int, ...]] = {}
    for i, j in itertools.product(range(len(place)), repeat=2):
        difference = tuple(a - b for a, b in zip(place[i], place[j], strict=True))
        assert seen.setdefault(int(offsets[i, j]), difference) == difference
    assert len(set(seen.values())) == len(seen) == windows.offset_count


def influence(grid: Sizes, size: Sizes, shifted: bool, relative: bool) -> np.ndarray:
    """Return which output tokens change with which input token, (tokens of the input, tokens of the output)."""
    from voxtempo.networks.attention import WindowAttention

    layer = WindowAttention(2, size, shifted, relative)
    x = normal(1, *grid, 4)
    layer(x)
    rng = np.random.default_rng(5)
    for weight in layer.weights:
        weight.assign(rng.normal(scale=0.5, size=weight.shape))
    tokens = int(np.prod(grid))
    perturbed = np.repeat(x.reshape(1, tokens, 4), tokens, axis=0)
    perturbed[np.arange(tokens), np.arange(tokens)] += 1.0
    change = np.asarray(layer(perturbed.reshape(tokens, *grid, 4))) - np.asarray(layer(x))
    return np.abs(change).max(axis=-1).reshape(tokens, tokens) > 1e-6


def expected_influence(grid: Sizes, size: Sizes, shifted: bool) -> np.ndarray:
    """Return the same from the definition: shifted windows begin at -shift, and none reaches round the grid."""
    windows = Windows.fit(grid, size, shifted)
    same = np.ones((*grid, *grid), bool)
    for axis, (n, length, shift) in enumerate(zip(grid, windows.size, windows.shift, strict=True)):
        window = (np.arange(n) + (length - shift if shift else 0)) // length
        along = window[:, None] == window[None]
        same &= along.reshape([n if i in (axis, axis + 4) else 1 for i in range(8)])
    tokens = int(np.prod(grid))
    return same.reshape(tokens, tokens)


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize(
    ("grid", "size"),
    [
        ((4, 4, 2, 2), (2, 2, 2, 2)),
        ((6, 1, 4, 1), (4, 4, 2, 4)),
        ((5, 3, 1, 3), (3, 2, 2, 2)),
        ((8, 4, 1, 1), (4, 2, 2, 2)),
        ((1, 7, 1, 3), (4, 3, 4, 2)),
    ],
)
def test_a_token_hears_exactly_those_of_its_window(grid: Sizes, size: Sizes, shifted: bool, relative: bool) -> None:
    np.testing.assert_array_equal(influence(grid, size, shifted, relative), expected_influence(grid, size, shifted))


def test_the_ends_of_time_do_not_hear_each_other_through_the_roll() -> None:
    heard = influence((8, 1, 1, 1), (4, 1, 1, 1), shifted=True, relative=False)
    parts = [{0, 1}, {2, 3, 4, 5}, {6, 7}]
    for source in range(8):
        assert set(np.flatnonzero(heard[source])) == next(part for part in parts if source in part)


def test_patches_are_those_of_a_strided_convolution() -> None:
    import keras

    x, kernel = normal(2, 3, 6, 4, 8, 2), normal(3, 2, 4, 2, 5, seed=1)
    patches = np.asarray(cut_patches(x, (1, 3, 2, 4)))
    expected = keras.ops.conv(x.reshape(6, 6, 4, 8, 2), kernel, strides=(3, 2, 4), padding="valid")
    np.testing.assert_allclose(
        patches @ kernel.reshape(-1, 5), np.asarray(expected).reshape(2, 3, 2, 2, 2, 5), atol=1e-4
    )


def test_size_at_the_papers_input() -> None:
    import keras

    inputs, features = build_features("swin4d", (20, 96, 96, 96, 1))
    assert features.vector.shape == (None, 288)
    widths, depths, grids = (36, 72, 144, 288), (2, 2, 6, 2), (16, 8, 4, 2)
    embedding = 6**3 * 36 + 36 + 3 * 36**2 + 4 * 36  # the convolution over time is normalised over the batch
    blocks = sum(d * (12 * w**2 + 13 * w) for w, d in zip(widths, depths, strict=True))
    places = sum(w * (g**3 + 20) for w, g in zip(widths, grids, strict=True))
    merging = sum(8 * w * 2 * w + 2 * 8 * w for w in widths[:-1])
    size = keras.Model(inputs, features.vector).count_params()
    assert size == embedding + blocks + places + merging == 4_318_668


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((6, 12, 10, 7, 1), {"positions": "relative", "depths": [2, 2]}),
        ((7, 9, 8, 1, 3), {"patch": [2, 2, 2, 2], "window": [2, 2, 2, 2], "depths": [2, 1], "time_kernel": 1}),
        ((1, 8, 8, 8, 1), {"patch": [1, 2, 2, 2], "depths": [2], "dropout": 0.1, "drop_path": 0.2}),
    ],
)
def test_options_build_train_and_come_back(shape: tuple[int, ...], options: dict[str, object]) -> None:
    import keras

    model = build_network("swin4d", shape, head_for("regress", 1), {"features": 12, **options})
    model.compile("sgd", "mse", jit_compile=False)
    assert np.isfinite(model.train_on_batch(normal(2, *shape), normal(2, 1)))
    again = keras.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    x = normal(2, *shape)
    np.testing.assert_allclose(again.predict_on_batch(x), model.predict_on_batch(x), atol=1e-6)
