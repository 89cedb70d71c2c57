"""A user's own network: ``network: {python: my_models.py:build}``.

The function gets the shapes and the options of the study file and returns a model that gives logits::

    def build(input_shape, outputs, width=8):
        inputs = keras.Input(input_shape)
        x = keras.layers.Conv3D(width, 3, activation="relu")(inputs)
        return keras.Model(inputs, keras.layers.Dense(outputs)(keras.layers.GlobalAveragePooling3D()(x)))
"""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from voxtempo.errors import StudyError, VoxTempoError, did_you_mean
from voxtempo.networks.build import Precision, building
from voxtempo.networks.heads import Head
from voxtempo.networks.keras_seam import keras

_SQUASHING = ("softmax", "sigmoid", "log_softmax")


def load_function(spec: str) -> Callable[..., Any]:
    """Return the function named by "path/to/file.py:function".

    Raises
    ------
    StudyError : the file is not there or fails when imported, or has no such function.
    """
    path_text, _, name = spec.rpartition(":")
    if not path_text or not name:
        raise StudyError(f"network.python is '{spec}'; expected 'path/to/file.py:function'.")
    path = Path(path_text)
    if not path.is_file():
        raise StudyError(f"network.python: there is no file {path}.")
    module_spec = importlib.util.spec_from_file_location(f"voxtempo_user_{path.stem}", path)
    if module_spec is None or module_spec.loader is None:
        raise StudyError(f"network.python: {path} is not a Python file.")
    module = importlib.util.module_from_spec(module_spec)
    try:
        module_spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise StudyError(f"network.python: {path} fails when imported: {type(error).__name__}: {error}") from error
    function = getattr(module, name, None)
    if not inspect.isfunction(function):
        functions = [n for n, value in vars(module).items() if inspect.isfunction(value)]
        raise StudyError(f"network.python: {path} has no function '{name}'. {did_you_mean(name, functions)}")
    return function


def build_user_network(
    spec: str,
    input_shape: tuple[int, ...],
    head: Head,
    options: dict[str, Any] | None = None,
    *,
    precision: Precision = "float32",
    seed: int = 0,
) -> keras.Model:
    """Build the model of a user's function, ``build(input_shape=..., outputs=..., **options)``, and check it.

    Parameters
    ----------
    spec : "path/to/file.py:function".
    input_shape : one sample, without the batch, channels last.
    head : says what comes out; ``outputs`` is the number of classes, of labels with the background, or 1.
    options, precision, seed : as for ``build_network``.

    Returns
    -------
    keras.Model with float32 logits.

    Raises
    ------
    StudyError : the function fails, or does not return a model with the right input and output.
    """
    function = load_function(spec)
    with building(precision, seed):
        try:
            model = function(input_shape=tuple(input_shape), outputs=head.outputs, **(options or {}))
        except VoxTempoError:
            raise
        except (Exception, SystemExit) as error:
            raise StudyError(f"network.python: {spec} failed: {type(error).__name__}: {error}") from error
        _check(model, spec, tuple(input_shape), head)
        if model.output.dtype == "float32":
            return model
        logits = keras.layers.Activation("linear", dtype="float32", name="logits")(model.output)
        return keras.Model(model.input, logits, name=model.name)


def _check(model: Any, spec: str, input_shape: tuple[int, ...], head: Head) -> None:
    if not isinstance(model, keras.Model):
        raise StudyError(f"network.python: {spec} returned {type(model).__name__}; expected a keras.Model.")
    if not model.built or len(getattr(model, "inputs", ())) != 1 or len(getattr(model, "outputs", ())) != 1:
        raise StudyError(f"network.python: {spec} must return a functional model with one input and one output.")
    for side, tensor, wanted in (
        ("takes", model.input, input_shape),
        ("gives", model.output, head.output_shape(input_shape)),
    ):
        if tuple(tensor.shape[1:]) != tuple(wanted):
            raise StudyError(
                f"network.python: the model of {spec} {side} {tuple(tensor.shape[1:])} a sample; "
                f"to {head.task} here it must be {tuple(wanted)}."
            )
    last = model.layers[-1]
    squash = getattr(getattr(last, "activation", None), "__name__", "")
    if squash in _SQUASHING or type(last).__name__ == "Softmax":
        raise StudyError(
            f"network.python: the model of {spec} ends in a {squash or 'softmax'}; remove it, logits are expected."
        )
