"""The weights of a Keras model in a file that another framework, or another backend, can read."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np


def named_variables(model: Any) -> dict[str, Any]:
    """Return variables by class of layer, place among the layers of its class in the order they were made, and name.

    Keras numbers the layers of a class as they are made; layers with a name of their own (the last one, here) come after
    them. The order of ``model.layers`` is another one where a graph has branches.
    """
    kinds: dict[str, list[Any]] = {}
    for layer in model.layers:
        if layer.weights:
            kinds.setdefault(type(layer).__name__, []).append(layer)
    found = {}
    for kind, layers in kinds.items():
        for place, layer in enumerate(sorted(layers, key=_number)):
            found |= {f"{kind}.{place}.{variable.name}": variable for variable in layer.weights}
    return found


def _number(layer: Any) -> float:
    """Return the number at the end of a layer's name: 0 where Keras gave none, infinite where the name is no class's."""
    plain, number = re.fullmatch(r"(.*?)(?:_(\d+))?", layer.name).groups()  # type: ignore[union-attr]
    own = plain.replace("_", "") == type(layer).__name__.lower()
    return float(number or 0) if own else math.inf


def save_weights(model: Any, file: Path) -> None:
    """Write an .npz with the arrays of ``named_variables``."""
    import keras

    found = named_variables(model)
    np.savez(file, **{name: keras.ops.convert_to_numpy(value) for name, value in found.items()})


def load_weights(model: Any, file: Path) -> None:
    """Give a model the weights of such a file."""
    with np.load(file) as arrays:
        for name, variable in named_variables(model).items():
            variable.assign(arrays[name])
