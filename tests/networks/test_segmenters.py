"""What is particular to each family of segmentation networks."""

from __future__ import annotations

import numpy as np
import pytest

from voxtempo.errors import StudyError
from voxtempo.networks import Segment, build_features, build_network
from voxtempo.networks.attention_gate import attention_gate
from voxtempo.networks.blocks import Style, conv, dilation_along
from voxtempo.networks.dilated_encoder import encode_dilated
from voxtempo.networks.keras_seam import keras
from voxtempo.networks.resize import average_to, averaging_matrix
from voxtempo.networks.tokens import as_map, embed_patches

RNG = np.random.default_rng(2)


def numpy_of(x: object) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(x))


def answer(model, x: np.ndarray, training: bool = False) -> np.ndarray:
    return numpy_of(model(x, training=training))


def weights_named(model, part: str) -> list:
    return [w for w in model.weights if part in w.path]


def test_a_gate_lets_through_between_nothing_and_all() -> None:
    level, gate = keras.Input((9, 6, 4)), keras.Input((5, 3, 7))
    model = keras.Model([level, gate], attention_gate(level, gate, Style("none")))
    x, g = RNG.normal(size=(1, 9, 6, 4)).astype(np.float32), RNG.normal(size=(1, 5, 3, 7)).astype(np.float32)
    projection = next(w for w in reversed(model.weights) if tuple(w.shape) == (1, 1, 4, 4))
    projection.assign(np.eye(4, dtype=np.float32)[None, None])
    seen = numpy_of(model([x, g]))
    share = seen / x
    assert share.shape == x.shape
    assert (share > 0).all()
    assert (share < 1).all()
    np.testing.assert_allclose(share, share[..., :1].repeat(4, -1), rtol=1e-4)
    assert share.std() > 1e-3
    last = next(w for w in reversed(model.weights) if tuple(w.shape) == (1,))
    for bias, expected in ((40, 1), (-40, 0)):
        last.assign([float(bias)])
        np.testing.assert_allclose(numpy_of(model([x, g])), expected * x, atol=1e-5)


def test_dropout_samples_answers_with_instance_norm() -> None:
    options = {"widths": [4, 6, 8], "dropout": 0.5}
    model = build_network("attention_multiscale_unet2d", (16, 12, 1), Segment(2), options)
    x = RNG.normal(size=(2, 16, 12, 1)).astype(np.float32)
    drawn = [answer(model, x, training=True) for _ in range(2)]
    assert not np.allclose(*drawn)
    np.testing.assert_array_equal(answer(model, x), answer(model, x))
    off = build_network("attention_multiscale_unet2d", (16, 12, 1), Segment(2), {**options, "dropout": 0.0})
    for ours, theirs in zip(off.weights, model.weights, strict=True):
        ours.assign(numpy_of(theirs.value))
    np.testing.assert_array_equal(answer(off, x), answer(model, x))
    np.testing.assert_allclose(answer(off, x, training=True), answer(off, x), atol=1e-5)


@pytest.mark.parametrize(("level", "silenced"), [(1, {5}), (2, {5, 6})])
def test_the_averaged_image_enters_every_coarser_level_by_itself(level: int, silenced: set[int]) -> None:
    """What the levels above hand down is silenced: their kernels, told by their channels, are 0."""
    options = {"widths": [5, 6, 8], "dropout": 0.0, "norm": "none"}
    inputs, features = build_features("attention_multiscale_unet2d", (16, 12, 1), options)
    model = keras.Model(inputs, features.levels[level])
    for weight in model.weights:
        if weight.shape[-1] in silenced:
            weight.assign(np.zeros(weight.shape, np.float32))
    image = RNG.normal(size=(1, 16, 12, 1)).astype(np.float32)
    seen = answer(model, image)
    assert not np.allclose(seen, answer(model, 0 * image))
    # A change that its cells average away is not seen.
    cell = 2**level
    jagged = np.tile([1.0, -1.0], 8)[None, :, None, None].astype(np.float32) * np.ones((1, 16, 12, 1), np.float32)
    assert cell % 2 == 0
    np.testing.assert_allclose(answer(model, image + jagged), seen, atol=1e-5)


def test_deepmedics_second_pathway_sees_further_than_its_first() -> None:
    def reach(factors: list[int]) -> int:
        options = {"widths": [4, 4, 4], "merged": [4], "factors": factors, "norm": "none"}
        model = build_network("deepmedic2d", (45, 45, 1), Segment(2), options)
        x = np.zeros((1, 45, 45, 1), np.float32)
        moved = x.copy()
        moved[0, 22, 22] = 10
        changed = np.abs(answer(model, moved) - answer(model, x)).max(axis=-1)[0] > 1e-6
        return int(np.flatnonzero(changed.any(axis=1)).max() - 22)

    assert reach([]) == 3
    # Three convolutions over cells of three voxels, and a cell more that interpolation shares with its neighbours.
    assert 9 < reach([3]) <= 14
    with pytest.raises(StudyError, match="'factors' is"):
        build_network("deepmedic2d", (45, 45, 1), Segment(2), {"factors": [5, 3]})


def test_dilation_keeps_the_grid_and_sees_what_strides_would() -> None:
    inputs = keras.Input((32, 24, 1))
    levels = encode_dilated(inputs, (2, 3, 4, 5), 1, 4, Style("none"))
    assert [level.shape[1:] for level in levels] == [(32, 24, 2), (16, 12, 3), (8, 6, 4), (8, 6, 5)]
    model = keras.Model(inputs, levels)
    rates = [layer.dilation_rate for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert max(rates) == (2, 2)
    all_strided = encode_dilated(inputs, (2, 3, 4, 5), 1, None, Style("none"))
    assert all_strided[-1].shape[1:] == (4, 3, 5)


@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_a_dilated_kernel_is_a_sparse_one(dilation: int) -> None:
    inputs = keras.Input((9, 8, 7, 2))
    model = keras.Model(inputs, conv(inputs, 3, dilation=dilation))
    kernel = RNG.normal(size=(3, 3, 3, 2, 3)).astype(np.float32)
    model.weights[0].assign(kernel)
    side = 2 * dilation + 1
    sparse = np.zeros((side, side, side, 2, 3), np.float32)
    sparse[::dilation, ::dilation, ::dilation] = kernel
    other = keras.Model(inputs, conv(inputs, 3, kernel=side))
    other.weights[0].assign(sparse)
    x = RNG.normal(size=(2, 9, 8, 7, 2)).astype(np.float32)
    np.testing.assert_allclose(answer(model, x), answer(other, x), atol=1e-4)
    assert dilation_along((9, 2, 1), dilation) == (dilation, 1, 1)


def test_regions_are_averaged_evenly() -> None:
    x = RNG.normal(size=(2, 12, 6, 4, 3)).astype(np.float32)
    found = numpy_of(average_to(keras.ops.convert_to_tensor(x), 2))
    expected = x.reshape(2, 2, 6, 2, 3, 2, 2, 3).mean(axis=(2, 4, 6))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    for size, cells in ((7, 3), (5, 5), (10, 6), (4, 1)):
        matrix = averaging_matrix(size, cells)
        np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-6)
        np.testing.assert_allclose(matrix.sum(axis=0), cells / size, atol=1e-6)
    assert average_to(keras.Input((7, 1, 3)), 6).shape[1:] == (6, 1, 3)


def test_every_map_of_unetpp_hears_all_before_it_on_its_level() -> None:
    model = build_network("unetpp2d", (16, 16, 1), Segment(2), {"widths": [3, 5, 7], "convolutions": 1})
    taken = [w.shape[2] for w in weights_named(model, "kernel") if tuple(w.shape[:2]) == (3, 3) and w.shape[3] == 3]
    # Level 1: the input, then one map and the enlarged one, then two maps and the enlarged one.
    assert taken == [1, 6, 9]


def test_segresnet_has_as_many_levels_as_fit() -> None:
    _, features = build_features("segresnet3d", (6, 4, 1, 1), {"width": 4})
    assert [level.shape[1:-1] for level in features.levels] == [(6, 4, 1), (3, 2, 1), (2, 2, 1)]


def test_patches_become_tokens_and_maps_again() -> None:
    for shape, grid in (((16, 12, 2), (4, 3)), ((17, 21, 1, 1), (5, 6, 1)), ((8, 9, 5, 1), (2, 3, 2))):
        tokens = embed_patches(keras.Input(shape), 4, 6)
        assert as_map(tokens, len(shape) - 1).shape[1:] == (*grid, 6)


def test_mednext_refuses_even_kernels() -> None:
    with pytest.raises(StudyError, match="'kernel' is 4"):
        build_network("mednext3d", (8, 8, 8, 1), Segment(2), {"kernel": 4})
