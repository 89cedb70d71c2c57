"""2D backbones on frames and slices: what they are given, where their weights come from, what freezing means."""

from __future__ import annotations

import csv
import importlib
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from cohorts import disks
from numpy.typing import NDArray

from voxtempo.cohort import load_study
from voxtempo.errors import StudyError
from voxtempo.inference import Run
from voxtempo.learning.recipe import Recipe
from voxtempo.learning.statistics import keeps_batch_statistics
from voxtempo.learning.weights import load_arrays, read_variables, save_arrays
from voxtempo.networks import build_network, head_for
from voxtempo.networks.backbones import APPLICATIONS, LIMIT, Backbone, colour_matrix, known_backbone, photograph_range
from voxtempo.networks.frames import pictures_of
from voxtempo.networks.local_weights import load_into
from voxtempo.workflow import train_study

LIGHT = {"backbone": "lightweight_cnn", "backbone_options": {"widths": [4, 6], "units": 5, "grid": 2}}
MOBILE = {"backbone": "MobileNet", "backbone_options": {"alpha": 0.25}}
MODULES = {  # those that bring pictures to their range outside the network
    "VGG16": "vgg16", "VGG19": "vgg19", "ResNet50": "resnet", "ResNet101V2": "resnet_v2", "DenseNet121": "densenet",
    "MobileNet": "mobilenet", "MobileNetV2": "mobilenet_v2", "InceptionV3": "inception_v3",
    "InceptionResNetV2": "inception_resnet_v2", "Xception": "xception", "NASNetMobile": "nasnet",
}  # fmt: skip
SMALLEST = (
    "VGG16", "ResNet50", "ResNet50V2", "DenseNet121", "EfficientNetB0", "EfficientNetV2B0", "EfficientNetV2S", "MobileNet",
    "MobileNetV2", "MobileNetV3Small", "InceptionV3", "InceptionResNetV2", "Xception", "NASNetMobile", "ConvNeXtTiny",
)  # fmt: skip


def network(name: str, shape: tuple[int, ...], task: str = "classify", **options: Any) -> keras.Model:
    return build_network(name, shape, head_for(task, 3), options)  # type: ignore[arg-type]


def noise(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def values(model: keras.Model) -> list[NDArray[Any]]:
    return list(read_variables(model.weights).values())


def ask(model: keras.Model, x: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(keras.ops.convert_to_numpy(model(x, training=False)))


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    for variable, value in zip(target.weights, values(source), strict=True):
        variable.assign(value)


def scramble(model: keras.Model, seed: int = 3) -> None:
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        variable.assign(rng.uniform(0.02, 0.2, variable.shape))


# What a backbone is given


def test_every_network_of_keras_applications_is_known() -> None:
    assert set(APPLICATIONS) == {name for name in dir(keras.applications) if name[0].isupper()}
    assert known_backbone("vgg19") == "VGG19"
    assert known_backbone("resnet2d") == "resnet2d"
    with pytest.raises(StudyError, match="Did you mean 'VGG19'"):
        network("backbone2d", (32, 32, 1), backbone="VGG91")
    with pytest.raises(StudyError, match="no backbone called 'backbone2d'"):
        known_backbone("backbone2d")


@pytest.mark.parametrize("name", MODULES)
def test_z_scores_become_photographs_of_the_range_a_family_was_trained_with(name: str) -> None:
    z = np.linspace(-LIMIT, LIMIT, 7, dtype=np.float32)[:, None].repeat(3, axis=1)
    prepare = importlib.import_module(f"keras.applications.{MODULES[name]}").preprocess_input
    expected = prepare((255 * (0.449 + 0.226 * z)).reshape(1, 1, 7, 3).copy()).reshape(7, 3)
    gain, offset = photograph_range(APPLICATIONS[name].range)
    np.testing.assert_allclose(z * gain + offset, expected, rtol=1e-3, atol=0.2 if expected.max() > 20 else 2e-3)


@pytest.mark.parametrize("channels", range(1, 9))
def test_channels_are_mixed_into_colours_that_all_see_something(channels: int) -> None:
    matrix = colour_matrix(channels)
    assert matrix.shape == (channels, 3)
    np.testing.assert_allclose(matrix.sum(axis=0), 1, rtol=1e-6)
    assert matrix.min() >= 0
    assert np.linalg.matrix_rank(matrix) == min(channels, 3)
    if channels == 3:
        np.testing.assert_array_equal(matrix, np.eye(3))


def test_small_pictures_are_enlarged_and_large_ones_are_kept() -> None:
    sizes = {}
    for x, y in ((9, 16), (32, 40)):
        sizes[x, y] = network("backbone2d", (x, y, 1), **MOBILE).get_layer("backbone").input_shape[1:]
    assert sizes == {(9, 16): (32, 57, 3), (32, 40): (32, 40, 3)}


@pytest.mark.parametrize("slices", [1, 2, 5, 6])
def test_slices_become_pictures_tiles_or_channels(slices: int) -> None:
    volumes = noise(2, 4, 3, slices, 2)
    one = [volumes[:, :, :, z] for z in range(slices)]
    across = int(np.ceil(np.sqrt(slices)))
    down = -(-slices // across)
    blank = np.zeros_like(one[0])
    rows = [[one[r * down + c] if r * down + c < slices else blank for c in range(down)] for r in range(across)]
    mosaic = np.concatenate([np.concatenate(row, axis=2) for row in rows], axis=1)
    for kind, expected in (
        ("fold", np.stack(one, axis=1)), ("mosaic", mosaic[:, None]), ("channels", np.concatenate(one, axis=-1)[:, None])
    ):  # fmt: skip
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(pictures_of(volumes, kind)), expected)


def test_vgg19_is_the_default_and_its_random_kernels_keep_the_variance() -> None:
    model = network("lstm_2d", (2, 20, 16, 1, 1))
    backbone = model.get_layer("backbone")
    assert backbone.input_shape[1:] == (40, 32, 3)
    assert sum(np.prod(w.shape) for w in backbone.weights) == 20_024_384
    maps = keras.Model(backbone.input, [backbone.get_layer(f"block{i}_conv2").output for i in (1, 3, 5)])
    first, *later = (keras.ops.convert_to_numpy(m).std() for m in maps(noise(2, 40, 32, 3)))
    assert all(0.1 * first < spread < 10 * first for spread in later)
    assert np.isfinite(ask(model, noise(1, 2, 20, 16, 1, 1))).all()


def test_options_of_a_backbone_are_checked() -> None:
    with pytest.raises(StudyError, match=r"MobileNet has no option 'width'\. It has alpha, depth_multiplier"):
        network("backbone2d", (32, 32, 1), backbone="MobileNet", backbone_options={"width": 2})
    with pytest.raises(StudyError, match=r"VGG19 has no option 'alpha'\. It has none"):
        network("backbone2d", (32, 32, 1), backbone_options={"alpha": 2})
    with pytest.raises(StudyError, match="'lightweight_cnn' has no option 'alpha'"):
        network("backbone2d", (32, 32, 1), backbone="lightweight_cnn", backbone_options={"alpha": 2})


# What is made of the pictures


@pytest.mark.parametrize("task", ["classify", "regress"])
def test_decisions_of_frames_and_slices_are_averaged(task: str) -> None:
    series = network("framewise_2d", (3, 12, 10, 4, 2), task, **LIGHT)
    volume = network("slicewise_2d", (12, 10, 4, 2), task, **LIGHT)
    one = network("backbone2d", (12, 10, 2), task, **LIGHT)
    scramble(one)
    copy_weights(one, series)
    copy_weights(one, volume)
    x = noise(2, 3, 12, 10, 4, 2)
    each = [[ask(one, x[:, t, :, :, z]) for z in range(4)] for t in range(3)]
    np.testing.assert_allclose(ask(series, x), np.mean(each, axis=(0, 1)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ask(volume, x[:, 0]), np.mean(each[0], axis=0), rtol=1e-5, atol=1e-6)
    assert np.std(each, axis=(0, 1)).max() > 1e-4


def test_only_frames_on_their_own_do_not_know_their_order() -> None:
    x = noise(2, 5, 12, 10, 2, 1)
    turned = x[:, ::-1]
    for name, options, knows in (
        ("framewise_2d", {}, False), ("lstm_2d", {}, True), ("lstm_2d", {"reader": "gru"}, True),
        ("lstm_2d", {"reader": "transformer"}, True), ("conv3d_2d", {}, True),
    ):  # fmt: skip
        model = network(name, x.shape[1:], **LIGHT, **options)
        change = np.abs(ask(model, x) - ask(model, turned)).max()
        assert (change > 1e-3) == knows, name


@pytest.mark.parametrize("slices", ["fold", "mosaic", "channels"])
def test_one_volume_and_one_slice_are_series_too(slices: str) -> None:
    for name, shape in (
        ("framewise_2d", (1, 9, 8, 3, 2)), ("lstm_2d", (1, 9, 8, 3, 2)), ("lstm_2d", (4, 9, 8, 1, 1)),
        ("conv3d_2d", (1, 9, 8, 3, 2)), ("conv3d_2d", (4, 9, 8, 1, 1)),
    ):  # fmt: skip
        model = network(name, shape, "regress", slices=slices, **LIGHT)
        assert np.isfinite(ask(model, noise(2, *shape))).all()


@pytest.mark.parametrize("reader", ["lstm", "gru", "transformer"])
def test_slices_are_read_in_order(reader: str) -> None:
    model = network("slicewise_2d", (12, 10, 5, 1), reader=reader, **LIGHT)
    x = noise(2, 12, 10, 5, 1)
    assert np.abs(ask(model, x) - ask(model, x[:, :, :, ::-1])).max() > 1e-3


# Weights from a file


@pytest.fixture(scope="module")
def mobile() -> keras.Model:
    """Keras's own MobileNet, with its ImageNet classes, and weights that are nowhere symmetric."""
    keras.utils.set_random_seed(0)
    model = keras.applications.MobileNet(alpha=0.25, weights=None, include_top=True, input_shape=(32, 32, 3))
    rng = np.random.default_rng(0)
    for variable in model.weights:
        kind = variable.path.rsplit("/", 1)[-1]
        if kind in ("gamma", "moving_variance"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif kind in ("beta", "moving_mean"):
            variable.assign(rng.normal(0, 0.2, variable.shape))
    return model


def write_listed(model: keras.Model, path: Path, inside: str = "") -> Path:
    """Write weights as keras.applications distributes them."""
    from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

    with h5py.File(path, "w") as file:
        save_weights_to_hdf5_group(file.create_group(inside) if inside else file, model)
    return path


def without_top(model: keras.Model) -> keras.Model:
    return keras.Model(model.input, model.get_layer("conv_pw_13_relu").output)


@pytest.mark.parametrize("kind", ["listed", "listed with top", "whole model", "keras 3", "keras 3 with top", "a run's"])
def test_weights_come_from_a_file_of_every_kind(kind: str, mobile: keras.Model, tmp_path: Path) -> None:
    path, bare = tmp_path / "w.h5", without_top(mobile)
    assert bare.output.shape[1:] == (1, 1, 256)
    if kind.startswith("listed"):
        write_listed(mobile if "top" in kind else bare, path)
    elif kind == "whole model":
        write_listed(mobile, path, "model_weights")
    elif kind.startswith("keras 3"):
        path = tmp_path / "w.weights.h5"
        (mobile if "top" in kind else bare).save_weights(path)
    else:
        path = tmp_path / "w.safetensors"
        run = network("lstm_2d", (2, 32, 32, 1, 2), **MOBILE)
        for variable, value in zip(run.get_layer("backbone").weights, values(bare), strict=True):
            variable.assign(value)
        save_arrays(path, read_variables(run.weights))
    options = {**MOBILE, "weights": str(path), "scaling": "imagenet"}
    model = network("backbone2d", (32, 32, 1), **options)
    untouched = values(model)[-2:]
    load_into(model, options)
    backbone = model.get_layer("backbone")
    for found, expected in zip(values(backbone), values(bare), strict=True):
        np.testing.assert_array_equal(found, expected)
    for found, expected in zip(values(model)[-2:], untouched, strict=True):
        np.testing.assert_array_equal(found, expected)
    z = noise(2, 32, 32, 1)
    photographs = keras.applications.mobilenet.preprocess_input(255 * (0.449 + 0.226 * z.repeat(3, axis=-1)))
    expected = ask(bare, photographs).mean(axis=(1, 2))
    describe = keras.Model(model.input, backbone(model.get_layer("backbone")._inbound_nodes[-1].input_tensors[0]))
    np.testing.assert_allclose(ask(describe, z), expected, rtol=2e-3, atol=2e-3)


def test_scaling_follows_the_kind_of_file() -> None:
    z = noise(1, 32, 32, 1)

    def given(**options: Any) -> NDArray[np.float32]:
        return np.asarray(keras.ops.convert_to_numpy(Backbone("MobileNet", **options).photographs(z)))

    plain = z.repeat(3, axis=-1)
    scaled = keras.applications.mobilenet.preprocess_input(255 * (0.449 + 0.226 * plain.clip(-LIMIT, LIMIT)))
    np.testing.assert_allclose(given(), plain)
    np.testing.assert_allclose(given(weights="a.safetensors"), plain)
    np.testing.assert_allclose(given(weights="a.h5"), scaled, atol=2e-3)
    np.testing.assert_allclose(given(weights="a.safetensors", scaling="imagenet"), scaled, atol=2e-3)
    np.testing.assert_allclose(given(weights="a.h5", scaling="none"), plain)


def test_a_slice_networks_own_run_is_a_source_whatever_was_built_before(tmp_path: Path) -> None:
    settings = LIGHT["backbone_options"]
    source = build_network("lightweight_cnn", (16, 12, 1), head_for("classify", 2), settings, seed=5)  # type: ignore[arg-type]
    save_arrays(tmp_path / "w.safetensors", read_variables(source.weights))
    options = {**LIGHT, "weights": str(tmp_path / "w.safetensors")}
    models = [network("framewise_2d", (2, 16, 12, 2, 1), **options) for _ in range(2)]
    for model in models:
        names = [name.partition(".")[2] for name in read_variables(model.weights)]
        assert len(set(names)) == len(names)
        assert names[0].startswith("backbone/")
        load_into(model, options)
        for found, expected in zip(values(model.get_layer("backbone")), values(source), strict=False):
            np.testing.assert_array_equal(found, expected)


def test_what_does_not_fit_is_refused_by_its_first_layer_and_changes_nothing(
    mobile: keras.Model, tmp_path: Path
) -> None:
    write_listed(mobile, tmp_path / "w.h5")
    mobile.save_weights(tmp_path / "w.weights.h5")
    save_arrays(tmp_path / "w.safetensors", read_variables(mobile.weights))
    for file, layer in (
        ("w.h5", "'conv1'"), ("w.weights.h5", "'conv1'"), ("w.safetensors", "'backbone/conv1/kernel'")
    ):  # fmt: skip
        options = {"backbone": "MobileNet", "backbone_options": {"alpha": 0.5}, "weights": str(tmp_path / file)}
        model = network("backbone2d", (32, 32, 1), **options)
        before = values(model)
        with pytest.raises(StudyError, match=rf"{layer}: it takes 3 x 3 x 3 x 16, the file has 3 x 3 x 3 x 8 \("):
            load_into(model, options)
        assert all(np.array_equal(a, b) for a, b in zip(before, values(model), strict=True))
        options = {"backbone": "lightweight_cnn", "weights": str(tmp_path / file)}
        with pytest.raises(StudyError, match="does not fit the backbone lightweight_cnn"):
            load_into(network("backbone2d", (32, 32, 1), **options), options)


def test_a_file_that_ends_too_early_is_refused(tmp_path: Path) -> None:
    model = network("backbone2d", (16, 12, 1), **LIGHT)
    arrays = read_variables(model.get_layer("backbone").weights)
    save_arrays(tmp_path / "w.safetensors", dict(list(arrays.items())[:-1]))
    with pytest.raises(StudyError, match=r"dense(_\d+)?/bias': it takes 5, the file has no such layer"):
        load_into(model, {**LIGHT, "weights": str(tmp_path / "w.safetensors")})


def test_files_that_are_no_weights_are_refused(mobile: keras.Model, tmp_path: Path) -> None:
    model = network("backbone2d", (32, 32, 1), **MOBILE)

    def refused(name: str, match: str) -> None:
        with pytest.raises(StudyError, match=match):
            load_into(model, {**MOBILE, "weights": str(tmp_path / name)})

    refused("gone.h5", "there is no file .*never downloaded")
    for name in ("text.h5", "text.safetensors"):
        (tmp_path / name).write_text("no weights", encoding="utf-8")
        refused(name, "is no (HDF5|valid safetensors) file")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.zeros(3)
    refused("other.h5", "holds no weights that Keras wrote")
    for name, link in (
        ("link.h5", h5py.ExternalLink("w.h5", "/conv1/conv1/kernel")), ("soft.h5", h5py.SoftLink("/conv1_bn"))
    ):  # fmt: skip
        with h5py.File(write_listed(mobile, tmp_path / name), "a") as file:
            del file["conv1/conv1/kernel"]
            file["conv1/conv1/kernel"] = link
        refused(name, "links to elsewhere|damaged")
    with h5py.File(write_listed(mobile, tmp_path / "text_inside.h5"), "a") as file:
        del file["conv1/conv1/kernel"]
        file["conv1/conv1/kernel"] = "text"
    refused("text_inside.h5", "is no array of numbers")
    with pytest.raises(StudyError, match=r"model.keras'; expected a local .safetensors, .weights.h5 or .h5 file"):
        network("backbone2d", (32, 32, 1), **MOBILE, weights="model.keras")


# Freezing


def step(model: keras.Model, shape: tuple[int, ...]) -> None:
    model.compile(keras.optimizers.SGD(0.5), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.train_on_batch(noise(4, *shape), np.arange(4) % 3)


@pytest.mark.parametrize(("frozen", "moves"), [(True, set()), ("batch_norm", {"kernel", "bias"}), (False, {"all"})])
def test_frozen_weights_do_not_move_in_a_training_step(frozen: Any, moves: set[str]) -> None:
    model = network("framewise_2d", (2, 12, 10, 2, 1), **LIGHT, weights="a.safetensors", frozen=frozen)
    backbone = model.get_layer("backbone")
    before = read_variables(backbone.weights)
    head = values(model)[-2]
    step(model, (2, 12, 10, 2, 1))
    after = read_variables(backbone.weights)
    moved = {name.rsplit("/", 1)[-1] for name in before if not np.array_equal(before[name], after[name])}
    everything = {name.rsplit("/", 1)[-1] for name in before}
    assert moved == (everything if moves == {"all"} else moves)
    assert not np.array_equal(head, values(model)[-2])
    assert keeps_batch_statistics(model) == (frozen is False)


def test_a_frozen_backbone_drops_nothing_in_training() -> None:
    options = {"backbone": "EfficientNetB0", "weights": "a.h5", "frozen": True}
    model = network("backbone2d", (32, 32, 1), **options)
    backbone = model.get_layer("backbone")
    x = noise(16, 32, 32, 3)
    learning, predicting = (keras.ops.convert_to_numpy(backbone(x, training=t)) for t in (True, False))
    np.testing.assert_allclose(learning, predicting, rtol=1e-4, atol=1e-4 * predicting.std())
    assert len(model.trainable_weights) == 2


def test_freezing_needs_weights() -> None:
    with pytest.raises(StudyError, match="random numbers would be frozen"):
        network("backbone2d", (16, 12, 1), **LIGHT, frozen=True)


# A whole run


def test_a_run_starts_from_the_file_and_predicts_without_it(tmp_path: Path) -> None:
    study = disks(tmp_path / "data", subjects=8)
    file = tmp_path / "data" / "pretrained.safetensors"
    settings = [
        "network.name=backbone2d", "network.backbone=lightweight_cnn", "network.weights=pretrained.safetensors",
        "network.frozen=true", "network.backbone_options={widths: [4, 6], units: 5, grid: 2}",
    ]  # fmt: skip
    settings += ["train.epochs=1", "train.batch=4", "evaluate.intervals=100"]
    asked = load_study(study, ["network={name: backbone2d}", *settings])
    with pytest.raises(StudyError, match=r"there is no file .*pretrained.safetensors"):
        train_study(asked, tmp_path / "run", cache=tmp_path / "cache")
    source = network("backbone2d", (24, 24, 1), **LIGHT)
    scramble(source)
    save_arrays(file, read_variables(source.weights))
    train_study(asked, tmp_path / "run", cache=tmp_path / "cache")
    kept = load_arrays(tmp_path / "run" / "weights.safetensors")
    inside = [kept[name] for name in sorted(kept) if "backbone/" in name]
    for found, expected in zip(inside, values(source.get_layer("backbone")), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert str(file) in (tmp_path / "run" / "manifest.json").read_text(encoding="utf-8")
    file.unlink()
    (tmp_path / "run" / "manifest.json").unlink()
    train_study(asked, tmp_path / "run", cache=tmp_path / "cache")  # goes on from the checkpoint
    run = Run(tmp_path / "run")
    assert Recipe.loads(tmp_path / "run" / "network.json").options["weights"] == str(file)
    restored = values(run.predictor.networks[0].model.get_layer("backbone"))
    for found, expected in zip(restored, values(source.get_layer("backbone")), strict=True):
        np.testing.assert_array_equal(found, expected)
    with (tmp_path / "run" / "split.csv").open(encoding="utf-8") as rows:
        sides = {(row["subject"], row["role"]) for row in csv.DictReader(rows)}
    assert len(sides) == 8


# Every family, with Keras's own numbers


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALLEST)
def test_every_family_is_built_small_and_given_what_it_was_trained_on(name: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    smallest = APPLICATIONS[name].smallest
    with pytest.raises(ValueError, match="at least"):
        getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(smallest - 1, smallest, 3))
    original = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(smallest, smallest, 3))
    listed = write_listed(original, tmp_path / "w.h5")
    original.save_weights(tmp_path / "w.weights.h5")
    for path in (listed, tmp_path / "w.weights.h5"):
        options = {"backbone": name, "weights": str(path)}
        model = network("backbone2d", (smallest, smallest, 1), **options)
        load_into(model, options)
        backbone = model.get_layer("backbone")
        before = backbone._inbound_nodes[-1].input_tensors[0]
        z = noise(1, smallest, smallest, 1).clip(-1.9, 2.4)
        found = ask(keras.Model(model.input, backbone(before)), z)
        pixels = 255 * (0.449 + 0.226 * z.repeat(3, axis=-1))
        if name == "EfficientNetB0":  # its own normalisation is told by its file, which here holds nothing
            pixels = 255 * (pixels / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
        elif name in MODULES or name.startswith(("ResNet", "DenseNet")):
            pixels = original_range(name)(pixels)
        expected = ask(original, pixels).mean(axis=(1, 2))
        np.testing.assert_allclose(found, expected, rtol=0.02, atol=5e-3 * np.abs(expected).max())


def original_range(name: str) -> Any:
    module = MODULES.get(name) or ("resnet_v2" if name.endswith("V2") else "resnet")
    return importlib.import_module(f"keras.applications.{module}").preprocess_input
