"""A user's own network: what works, and one clear message for each way it can fail."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from voxtempo.errors import StudyError
from voxtempo.networks import Classify, Segment, build_user_network

GOOD = """
import keras

def build(input_shape, outputs, width=8, last=None, classes=None):
    inputs = keras.Input(input_shape)
    x = keras.layers.Conv3D(width, 3, activation="relu")(inputs)
    x = keras.layers.GlobalAveragePooling3D()(x)
    return keras.Model(inputs, keras.layers.Dense(classes or outputs, activation=last)(x))

def nothing(input_shape, outputs):
    return 3

def fails(input_shape, outputs):
    raise ValueError("no such thing")
"""
SHAPE = (8, 8, 8, 1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my_models.py"
    path.write_text(GOOD, encoding="utf-8")
    return path


def test_a_users_model_is_built_with_its_options(file: Path) -> None:
    model = build_user_network(f"{file}:build", SHAPE, Classify(3), {"width": 5})
    assert model.layers[1].filters == 5
    assert model.output.shape == (None, 3)
    low = build_user_network(f"{file}:build", SHAPE, Classify(3), precision="bfloat16")
    assert low.predict_on_batch(np.ones((1, *SHAPE), np.float32)).dtype == np.float32


def test_the_seed_reaches_a_users_model(file: Path) -> None:
    models = [build_user_network(f"{file}:build", SHAPE, Classify(3), seed=seed) for seed in (1, 1, 2)]
    kernels = [model.layers[1].get_weights()[0] for model in models]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2])


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        ("biuld", {}, "has no function 'biuld'. Did you mean 'build'"),
        ("nothing", {}, "returned int; expected a keras.Model"),
        ("fails", {}, "failed: ValueError: no such thing"),
        ("build", {"wide": 3}, "failed: TypeError.*wide"),
        ("build", {"last": "softmax"}, "ends in a softmax; remove it"),
        ("build", {"classes": 7}, r"gives \(7,\) a sample; to classify here it must be \(3,\)"),
    ],
)
def test_what_is_wrong_is_named(file: Path, function: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        build_user_network(f"{file}:{function}", SHAPE, Classify(3), options)


def test_a_classifier_cannot_segment(file: Path) -> None:
    with pytest.raises(StudyError, match=r"it must be \(8, 8, 8, 2\)"):
        build_user_network(f"{file}:build", SHAPE, Segment(2))


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="there is no file"):
        build_user_network(f"{tmp_path / 'none.py'}:build", SHAPE, Classify(2))
    with pytest.raises(StudyError, match=r"expected 'path/to/file.py:function'"):
        build_user_network("build", SHAPE, Classify(2))
    broken = tmp_path / "broken.py"
    broken.write_text("import no_such_module_at_all", encoding="utf-8")
    with pytest.raises(StudyError, match="fails when imported: ModuleNotFoundError"):
        build_user_network(f"{broken}:build", SHAPE, Classify(2))
