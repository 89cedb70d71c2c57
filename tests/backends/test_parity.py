"""Every network gives the same numbers on TensorFlow, JAX and PyTorch.

The numbers are in ``reference.npz``, written by ``make_reference.py`` on TensorFlow. The default test run checks on
TensorFlow that they still hold; ``make test-backends`` checks the other backends against them.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from voxtempo.errors import RunError
from voxtempo.learning.weights import assign_variables, load_arrays, read_variables, save_arrays
from voxtempo.networks import Classify, build_network, networks
from voxtempo.networks.keras_seam import keras


def reference_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_reference", Path(__file__).with_name("make_reference.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = reference_module()


def agree(case: str) -> None:
    with np.load(reference.FILE, allow_pickle=False) as stored:
        assert f"{case}/logits" in stored, "run tests/backends/make_reference.py on TensorFlow"
        expected_logits, expected_losses = stored[f"{case}/logits"], stored[f"{case}/losses"]
    logits, losses = reference.compute(case)
    scale = np.abs(expected_logits).max()
    np.testing.assert_allclose(logits, expected_logits, atol=2e-4 * scale)
    np.testing.assert_allclose(losses, expected_losses, rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("case", reference.CASES)
def test_reference_still_holds_on_tensorflow(case: str) -> None:
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the reference is TensorFlow's")
    agree(case)


def test_reference_is_small_and_tells_networks_apart() -> None:
    assert reference.FILE.stat().st_size < 200_000
    with np.load(reference.FILE, allow_pickle=False) as stored:
        for case in reference.CASES:
            assert stored[f"{case}/logits"].std() > 0.01
            assert len(set(stored[f"{case}/losses"].tolist())) == 3, "gradient descent changes the loss"


@pytest.mark.backends
@pytest.mark.parametrize("case", reference.CASES)
def test_logits_and_training_are_tensorflows(case: str) -> None:
    agree(case)


@pytest.mark.backends
@pytest.mark.parametrize("name", networks)
def test_weights_are_saved_and_read(name: str, tmp_path: Path) -> None:
    case = f"{name}-{networks[name].tasks[0]}"
    model, other = reference.build(case), reference.build(case)
    x, _ = reference.samples(case)
    save_arrays(tmp_path / "weights.safetensors", read_variables(model.weights))
    for variable in other.weights:
        variable.assign(np.zeros(variable.shape, np.float32))
    assign_variables(other.weights, load_arrays(tmp_path / "weights.safetensors"), "weights")
    before, after = (keras.ops.convert_to_numpy(m(x, training=False)) for m in (model, other))
    np.testing.assert_allclose(after, before, atol=1e-6)
    with pytest.raises(RunError):
        assign_variables(
            build_network("lightweight_cnn", (8, 8, 1), Classify(7)).weights, read_variables([]), "weights"
        )


@pytest.mark.backends
@pytest.mark.parametrize("name", networks)
def test_bfloat16_gives_finite_float32_logits(name: str) -> None:
    card = networks[name]
    head = reference.head_for(card.tasks[0], reference.OUTPUTS[card.tasks[0]])
    model = build_network(name, reference.SHAPES[card.input], head, precision="bfloat16")
    x, _ = reference.samples(f"{name}-{card.tasks[0]}")
    logits = model(x, training=False)
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
    assert np.isfinite(keras.ops.convert_to_numpy(logits)).all()


@pytest.mark.backends
@pytest.mark.parametrize("name", networks)
def test_the_seed_decides_the_weights(name: str) -> None:
    card = networks[name]
    head = reference.head_for(card.tasks[0], reference.OUTPUTS[card.tasks[0]])
    shape = reference.SHAPES[card.input]
    models = [build_network(name, shape, head, seed=seed) for seed in (1, 1, 2)]
    first, again, other = ([keras.ops.convert_to_numpy(w.value) for w in model.weights] for model in models)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
