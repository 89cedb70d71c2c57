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


def stored(key: str) -> np.ndarray:
    with np.load(reference.FILE, allow_pickle=False) as arrays:
        assert key in arrays, "run tests/backends/make_reference.py on TensorFlow"
        return np.asarray(arrays[key])


def check_logits(case: str) -> None:
    expected = stored(f"{case}/logits")
    np.testing.assert_allclose(reference.logits_of(case), expected, atol=2e-4 * np.abs(expected).max())


def check_losses(case: str) -> None:
    np.testing.assert_allclose(reference.losses_of(case), stored(f"{case}/losses"), rtol=2e-3, atol=1e-4)


def skip_unless_tensorflow() -> None:
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the reference is TensorFlow's")


@pytest.mark.parametrize("case", reference.CASES)
def test_reference_logits_still_hold_on_tensorflow(case: str) -> None:
    skip_unless_tensorflow()
    check_logits(case)


@pytest.mark.parametrize("case", reference.TRAINED)
def test_reference_losses_still_hold_on_tensorflow(case: str) -> None:
    skip_unless_tensorflow()
    check_losses(case)


def test_reference_is_small_and_can_tell_a_difference() -> None:
    assert reference.FILE.stat().st_size < 200_000
    assert all(np.abs(stored(f"{case}/logits")).max() > 1e-3 for case in reference.CASES)
    assert all(stored(f"{case}/logits").std() > 1e-3 for case in reference.TRAINED)
    assert all(np.abs(np.diff(stored(f"{case}/losses"))).min() > 1e-3 for case in reference.TRAINED)


@pytest.mark.backends
@pytest.mark.parametrize("case", reference.CASES)
def test_logits_are_tensorflows(case: str) -> None:
    check_logits(case)


@pytest.mark.backends
@pytest.mark.parametrize("case", reference.TRAINED)
def test_three_training_steps_are_tensorflows(case: str) -> None:
    check_losses(case)


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
    before, after = (reference.logits_by(each, x) for each in (model, other))
    np.testing.assert_allclose(after, before, atol=1e-6)
    with pytest.raises(RunError):
        assign_variables(
            build_network("lightweight_cnn", (8, 8, 1), Classify(7)).weights, read_variables([]), "weights"
        )


@pytest.mark.backends
@pytest.mark.parametrize("name", networks)
def test_bfloat16_gives_finite_float32_logits(name: str) -> None:
    case = f"{name}-{networks[name].tasks[0]}"
    model = reference.build(case, precision="bfloat16")
    logits = reference.logits_by(model, reference.samples(case)[0])
    assert any(layer.compute_dtype == "bfloat16" for layer in model.layers)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()


@pytest.mark.backends
def test_the_seed_decides_the_weights() -> None:
    models = [build_network("cnn_lstm", (2, 6, 6, 4, 1), Classify(2), seed=seed) for seed in (1, 1, 2)]
    first, again, other = ([keras.ops.convert_to_numpy(w.value) for w in model.weights] for model in models)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
