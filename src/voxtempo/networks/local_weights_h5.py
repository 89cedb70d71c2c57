"""The two ways in which Keras keeps weights in HDF5 files, read as plain arrays.

Its older files list their layers; those of networks "with top" end in layers that are left aside. Its newer ones
(``.weights.h5``) name layers by their class and number them in the network's order. Links to other files and arrays that
lie in other files are refused, and a shape is compared before anything is read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import numpy as np

from voxtempo.errors import StudyError
from voxtempo.networks.local_weights import Fit, Stored


@contextmanager
def open_h5(path: Path) -> Iterator[Any]:
    """Give the open HDF5 file.

    Raises
    ------
    StudyError : it is none, or it holds what no file of weights needs.
    """
    import h5py  # type: ignore[import-untyped]

    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise StudyError(f"network.weights: {path} is no HDF5 file: {error}.") from None
    with file:
        try:
            yield file
        except (KeyError, ValueError, RuntimeError, OSError) as error:
            raise StudyError(f"network.weights: {path} is damaged: {error.args[0]}.") from None


def fits_of(backbone: Any, file: Any) -> Iterator[Fit]:
    """Pair the backbone's layers with those of an open file of either kind.

    Raises
    ------
    StudyError : it is a file of neither.
    """
    root = _group(file, "model_weights") if "model_weights" in file else file
    listed = _texts(root, "layer_names")
    if listed:
        yield from _by_list(backbone, root, listed)
        return
    prefix = next((name for name in ("layers", "_layer_checkpoint_dependencies") if name in file), None)
    if prefix is None:
        raise StudyError(f"network.weights: {file.filename} holds no weights that Keras wrote.")
    inner = f"{prefix}/functional/{prefix}"
    yield from _by_class(backbone, file, inner if inner in file else prefix)


def _by_list(backbone: Any, root: Any, listed: Sequence[str]) -> Iterator[Fit]:
    """Pair by name where the file knows every name, else in order, as names like "conv2d_7" depend on what came before."""
    held = {name: _texts(_group(root, name), "weight_names") for name in listed}
    held = {name: arrays for name, arrays in held.items() if arrays}
    layers = [layer for layer in backbone.layers if layer.weights]
    names = [layer.name for layer in layers] if all(layer.name in held for layer in layers) else list(held)
    for place, layer in enumerate(layers):
        if place >= len(names):
            yield Fit(layer.name, layer.weights, None)
            continue
        group = _group(root, names[place])
        yield Fit(layer.name, layer.weights, [_stored(group, name) for name in held[names[place]]])


def _by_class(model: Any, file: Any, prefix: str) -> Iterator[Fit]:
    """Pair by class and number: the second Conv2D of a network is ``layers/conv2d_1``."""
    seen: Counter[str] = Counter()
    for layer in model.layers:
        kind = _snake(type(layer).__name__)
        key = f"{prefix}/{kind}_{seen[kind]}" if seen[kind] else f"{prefix}/{kind}"
        seen[kind] += 1
        if hasattr(layer, "layers"):
            yield from _by_class(layer, file, f"{key}/{prefix.rpartition('/')[2]}")
        elif layer.weights:
            group = _group(file, f"{key}/vars") if f"{key}/vars" in file else None
            arrays = None if group is None else [_stored(group, name) for name in sorted(group, key=int)]
            yield Fit(layer.name, layer.weights, arrays)


def _snake(name: str) -> str:
    """Return a class's name as Keras writes it in files.

    >>> _snake("Conv2D"), _snake("BatchNormalization"), _snake("DepthwiseConv2D")
    ('conv2d', 'batch_normalization', 'depthwise_conv2d')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "_", name).lower()


def _texts(group: Any, name: str) -> list[str]:
    """Return a list of names from a group's attributes, where a long one is cut into several."""
    cut = takewhile(group.attrs.__contains__, map(f"{name}{{}}".format, count()))
    parts = [name] if name in group.attrs else list(cut)
    found = [text for part in parts for text in group.attrs[part]]
    return [text.decode() if isinstance(text, bytes) else str(text) for text in found]


def _member(group: Any, name: str) -> Any:
    import h5py

    for part in (part for part in name.split("/") if part):
        if part not in group:
            raise KeyError(f"there is no '{name}'")
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise StudyError(
                f"network.weights: {group.file.filename} links to elsewhere at '{name}', which is refused."
            )
        group = group[part]
    return group


def _group(parent: Any, name: str) -> Any:
    import h5py

    group = _member(parent, name)
    if not isinstance(group, h5py.Group):
        raise KeyError(f"'{name}' is no group")
    return group


def _stored(group: Any, name: str) -> Stored:
    import h5py

    data = _member(group, name)
    file = group.file.filename
    if not isinstance(data, h5py.Dataset) or data.dtype.kind not in "fiu":
        raise StudyError(f"network.weights: '{name}' in {file} is no array of numbers.")
    if data.external or data.is_virtual:
        raise StudyError(f"network.weights: '{name}' in {file} lies in another file, which is refused.")
    return Stored(f"{group.name}/{name}".lstrip("/"), tuple(data.shape), lambda: np.asarray(data[()]))
