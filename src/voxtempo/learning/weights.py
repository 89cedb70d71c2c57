"""Variables to and from safetensors files: plain arrays, checked on the way in, written so that a crash leaves no half file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from voxtempo.errors import RunError
from voxtempo.scans.atomic import atomic_file

Arrays = Mapping[str, NDArray[Any]]


def save_arrays(path: Path, arrays: Arrays) -> str:
    """Write arrays as safetensors and return the file's sha256."""
    content = save_tensors({name: np.asarray(array, order="C") for name, array in arrays.items()})
    with atomic_file(path) as file:
        file.write(content)
    return hashlib.sha256(content).hexdigest()


def load_arrays(path: Path, sha256: str | None = None) -> dict[str, NDArray[Any]]:
    """Return the arrays of a safetensors file.

    Raises
    ------
    RunError : the file is missing, damaged, or not the one that ``sha256`` names.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}.") from None
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise RunError(f"{path} is damaged: its checksum is not the recorded one.")
    try:
        return load_tensors(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise RunError(f"{path} is no valid safetensors file: {error}.") from None


def read_variables(variables: Sequence[Any]) -> dict[str, NDArray[Any]]:
    """Return the values of Keras variables, named by position and path."""
    import keras

    return {f"{i:04d}.{v.path}": np.asarray(keras.ops.convert_to_numpy(v.value)) for i, v in enumerate(variables)}


def assign_variables(variables: Sequence[Any], arrays: Arrays, source: str) -> None:
    """Give Keras variables the values that ``read_variables`` returned, matched by position and checked by shape.

    Raises
    ------
    RunError : the number of variables or a shape differs.
    """
    ordered = [arrays[name] for name in sorted(arrays)]
    if len(ordered) != len(variables):
        raise RunError(f"{source} holds {len(ordered)} arrays, but the network has {len(variables)} variables.")
    for variable, array in zip(variables, ordered, strict=True):
        if tuple(variable.shape) != tuple(array.shape):
            raise RunError(
                f"{source}: {variable.path} has shape {tuple(variable.shape)} in the network and {array.shape} in the file."
            )
        variable.assign(array)


def write_weights(model: Any, path: Path) -> None:
    """Write a model's weights (trained or not, without the states of random generators) as safetensors."""
    save_arrays(path, read_variables(model.weights))


def read_weights(model: Any, path: Path) -> None:
    """Give a model the weights that ``write_weights`` wrote, on any backend.

    Raises
    ------
    RunError : the file is missing or damaged, or belongs to another network.
    """
    assign_variables(model.weights, load_arrays(path), str(path))
