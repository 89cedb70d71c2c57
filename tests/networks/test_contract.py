"""What every network of the zoo must do; a new one is tested by being registered."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from voxtempo.errors import StudyError
from voxtempo.learning.losses import build_loss
from voxtempo.learning.weights import assign_variables, load_arrays, read_variables, save_arrays
from voxtempo.networks import build_features, build_network, head_for, networks

SHAPES = {"slice": (32, 24, 2), "volume": (16, 20, 12, 2), "series": (3, 16, 12, 8, 2)}
AWKWARD = {"slice": [(9, 33, 1)], "volume": [(17, 21, 1, 1), (8, 30, 5, 3)], "series": [(1, 17, 9, 1, 1)]}
OUTPUTS = {"classify": 3, "regress": 1, "segment": 3}
EVERY = [(name, task) for name in networks for task in networks[name].tasks]
ON_BACKBONES = ("backbone2d", "conv3d_2d", "framewise_2d", "lstm_2d", "slicewise_2d")
SMALL = {"widths": (4, 6, 8)}
FEW = {**SMALL, "units": 1, "output_stride": 2}
LIGHTER = {
    "attention_unet": SMALL,
    "attention_multiscale_unet": {**SMALL, "dropout": 0.0},
    "deeplabv3plus": {**FEW, "rates": (2, 4), "decoder_width": 8},
    "deepmedic": {"widths": (6, 6, 8, 8), "merged": (12,)},
    "fcn": {**SMALL, "units": 1, "votes": 8},
    "mednext": {"widths": (8, 12, 16), "blocks": 1, "response_norm": True},
    "pspnet": FEW,
    "segresnet": {"width": 4, "units": (1, 2, 1)},
    "swin_unetr": {"window": 4, "features": 8, "depths": (2, 1), "head_size": 4},
    "unetpp": SMALL,
    "unetr": {"patch": 4, "features": 12, "depth": 2, "heads": 2, "width": 4},
}
LIGHT = {name: {"backbone": "lightweight_cnn"} for name in ON_BACKBONES}
LIGHT |= {f"{family}{axes}": options for family, options in LIGHTER.items() for axes in ("2d", "3d")}
"""Options in the place of defaults that have millions of weights; ``test_backbones`` has those."""
RATES = {"swin4d": 1e-3}  # a deep transformer diverges at the rate that suits the others
RATES |= {f"{family}{axes}": 1e-2 for family in LIGHTER for axes in ("2d", "3d")}
MEMORISED = {**SHAPES, "slice": (16, 12, 2), "volume": (8, 12, 8, 2)}
ONCE = {networks[name].function: name for name in networks}
"""One function may have two cards, for slices and for volumes; what takes time is tested on one of them."""
EACH = [(name, networks[name].tasks[0]) for name in ONCE.values()]


def build(name: str, task: str, shape: tuple[int, ...] | None = None, **settings: object):
    settings = {"options": LIGHT.get(name), **settings}
    return build_network(name, shape or SHAPES[networks[name].input], head_for(task, OUTPUTS[task]), **settings)


def samples(name: str, count: int, seed: int = 0, shapes: dict[str, tuple[int, ...]] = SHAPES) -> np.ndarray:
    shape = shapes[networks[name].input]
    return np.random.default_rng(seed).normal(size=(count, *shape)).astype(np.float32)


def truth(task: str, count: int, shape: tuple[int, ...]) -> np.ndarray:
    rng = np.random.default_rng(1)
    if task == "classify":
        return np.arange(count) % 3
    if task == "regress":
        return rng.normal(size=(count, 1)).astype(np.float32)
    labels = rng.integers(0, 3, (count, *(-(-n // 4) for n in shape[:-1])))
    for axis, n in enumerate(shape[:-1], start=1):  # blocks of four voxels: some networks see no finer
        labels = labels.repeat(4, axis).take(range(n), axis)
    return labels


@pytest.mark.parametrize(("name", "task"), EVERY)
def test_gives_float32_logits_of_the_right_shape(name: str, task: str) -> None:
    card = networks[name]
    # What a shape does to a network it does whatever the task.
    for shape in [SHAPES[card.input], *(AWKWARD[card.input] if task == card.tasks[0] else ())]:
        model = build(name, task, shape)
        assert model.output.shape[1:] == head_for(task, OUTPUTS[task]).output_shape(shape)
        assert model.output.dtype == "float32"


SUPERVISED = [name for name in networks if "deep_supervision" in [option.name for option in networks[name].options]]


def test_every_family_of_segmentation_networks_can_be_supervised_deeply() -> None:
    assert {name[:-2] for name in SUPERVISED} == {*LIGHTER, "unet"}


@pytest.mark.parametrize("name", SUPERVISED)
def test_deep_supervision_adds_answers_in_training_and_changes_none_of_the_others(name: str) -> None:
    shape = SHAPES[networks[name].input]
    options = {**LIGHT.get(name, {}), "deep_supervision": True}
    if name.startswith("deepmedic"):
        options["factors"] = (3,)
    taught = build(name, "segment", options=options, supervised=True, seed=3)
    assert len(taught.outputs) > 1
    for extra in taught.outputs[1:]:
        assert extra.shape[-1] == 3, "logits of every label"
        assert extra.dtype == "float32"
        assert all(n <= whole for n, whole in zip(extra.shape[1:-1], shape[:-1], strict=True))
    alone = build(name, "segment", options=options, seed=3)
    assert [output.shape for output in alone.outputs] == [taught.outputs[0].shape]
    x = samples(name, 2)
    first = np.asarray(taught(x, training=False)[0])
    np.testing.assert_allclose(np.asarray(alone(x, training=False)), first, atol=1e-5)


@pytest.mark.parametrize("name", networks)
def test_card_is_complete(name: str) -> None:
    card = networks[name]
    assert card.summary.endswith(".")
    assert "References" in card.description
    assert any(year in card.source for year in map(str, range(1980, 2030)))
    for option in card.options:
        assert option.name in card.description, f"{name}: the docstring does not explain '{option.name}'"
        assert card.validate({option.name: option.default}) == {option.name: option.default}


@pytest.mark.parametrize("name", networks)
def test_levels_run_from_fine_to_coarse(name: str) -> None:
    _, features = build_features(name, SHAPES[networks[name].input], LIGHT.get(name))
    sizes = [np.prod(level.shape[1:-1]) for level in features.levels]
    assert sizes == sorted(sizes, reverse=True)
    assert features.levels or features.vector is not None


@pytest.mark.parametrize(("name", "task"), EACH)
def test_overfits_a_handful_of_samples(name: str, task: str) -> None:
    import keras

    x = samples(name, 3, shapes=MEMORISED if task == "segment" else SHAPES)
    model = build(name, task, x.shape[1:])
    y = truth(task, 3, x.shape[1:])
    model.compile(keras.optimizers.Adam(RATES.get(name, 3e-3)), build_loss(task), jit_compile=False)
    first = model.train_on_batch(x, y)
    for _ in range(150):
        last = model.train_on_batch(x, y)
        if last < 0.1 * first:
            return
    pytest.fail(f"the loss only fell from {first:.3f} to {last:.3f}")


@pytest.mark.parametrize(("name", "task"), EACH)
def test_a_batch_equals_its_samples_one_by_one(name: str, task: str) -> None:
    model, x = build(name, task), samples(name, 3)
    together = model.predict_on_batch(x)
    alone = np.concatenate([model.predict_on_batch(x[i : i + 1]) for i in range(3)])
    np.testing.assert_allclose(together, alone, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(("name", "task"), EACH)
def test_bfloat16_gives_finite_float32_logits_near_the_float32_ones(name: str, task: str) -> None:
    import keras

    exact, coarse = build(name, task), build(name, task, precision="bfloat16")
    assert keras.config.dtype_policy().name == "float32"
    assert any(layer.compute_dtype == "bfloat16" for layer in coarse.layers[1:])
    assert all(w.dtype == "float32" for w in coarse.weights)
    x = samples(name, 2)
    expected, found = exact.predict_on_batch(x), coarse.predict_on_batch(x)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert np.abs(found - expected).mean() < 0.1 * expected.std() + 0.02


@pytest.mark.parametrize(("name", "task"), EACH)
def test_the_seed_decides_the_weights(name: str, task: str) -> None:
    first, again, other = (list(read_variables(build(name, task, seed=s).weights).values()) for s in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    random = [w.ravel() for w in first if np.unique(w).size > 1]
    assert len({w[:4].tobytes() for w in random}) == len(random), "two layers drew the same weights"


@pytest.mark.parametrize(("name", "task"), EACH)
def test_survives_keras_own_file(name: str, task: str, tmp_path: Path) -> None:
    import keras

    model, x = build(name, task), samples(name, 1)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(again.predict_on_batch(x), model.predict_on_batch(x), atol=1e-5)


def test_weights_come_back_in_a_fresh_process(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    for name, task in EACH:
        model, x = build(name, task), samples(name, 2)
        for weight in model.weights:
            weight.assign(rng.uniform(0.1, 0.2, weight.shape))
        save_arrays(tmp_path / f"{name}.safetensors", read_variables(model.weights))
        np.save(tmp_path / f"{name}.npy", model.predict_on_batch(x))
    subprocess.run([sys.executable, __file__, str(tmp_path)], check=True, timeout=300)
    for name, _ in EACH:
        before, after = (np.load(tmp_path / f"{name}{end}.npy") for end in ("", "-again"))
        np.testing.assert_allclose(after, before, rtol=1e-4)


def predict_again(folder: Path) -> None:
    for name, task in EACH:
        model = build(name, task)
        assign_variables(model.weights, load_arrays(folder / f"{name}.safetensors"), name)
        np.save(folder / f"{name}-again.npy", model.predict_on_batch(samples(name, 2)))


@pytest.mark.parametrize("name", networks)
def test_what_does_not_fit_is_refused(name: str) -> None:
    card = networks[name]
    with pytest.raises(StudyError, match=f"takes a {card.input}"):
        build_network(name, (4, 4), head_for("classify", 2))
    with pytest.raises(StudyError, match=f"'{name}' has no option 'nonsense'"):
        build(name, card.tasks[0], options={"nonsense": 1})
    for task in {"classify", "regress", "segment"} - set(card.tasks):
        with pytest.raises(StudyError, match=f"cannot {task}"):
            build(name, task)


def test_names_are_suggested() -> None:
    with pytest.raises(StudyError, match="Did you mean 'unet3d'"):
        networks["unet_3d"]


def test_listing_the_zoo_loads_no_framework() -> None:
    code = (
        "import sys; from voxtempo.networks import networks; from voxtempo.learning.losses import losses, choose_loss;"
        "[networks[n].options for n in networks]; list(losses); choose_loss('segment');"
        "assert not {'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


if __name__ == "__main__":
    predict_again(Path(sys.argv[1]))
