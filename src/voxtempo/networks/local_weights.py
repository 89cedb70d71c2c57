"""Weights for a backbone from a local file: plain arrays, checked one by one, nothing in the file is executed.

A study names the file (``network: {backbone: VGG19, weights: path}``). It is read when a run begins to train; from then
on the weights are the run's own, so predicting needs no such file. Three kinds are understood:

- ``.safetensors`` that VoxTempo wrote: the backbone's arrays of any run with one, or all of a network for slices;
- ``.weights.h5`` that Keras 3 wrote;
- ``.h5`` as keras.applications distributes them (and Keras's older files of weights and models).

Layers after the backbone, such as ImageNet's classes in files "with top", are left aside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator

from voxtempo.errors import StudyError


def _known_kind(file: str) -> str:
    if not file.endswith((".safetensors", ".h5")):
        raise StudyError(
            f"network.weights is '{file}'; expected a local .safetensors, .weights.h5 or .h5 file. Nothing is downloaded."
        )
    return file


WeightsFile: TypeAlias = Annotated[str, AfterValidator(_known_kind)]


@dataclass(frozen=True)
class Stored:
    """An array in a file: its name, its shape, and how to read it."""

    name: str
    shape: tuple[int, ...]
    read: Callable[[], NDArray[Any]]


@dataclass(frozen=True)
class Fit:
    """The variables of one layer, and what the file holds for them (None: no such layer)."""

    layer: str
    variables: Sequence[Any]
    stored: Sequence[Stored] | None


def refuse_unusable(options: Mapping[str, Any]) -> None:
    """Refuse a network's options that name a weights file that is not there, or freeze a backbone without weights.

    Raises
    ------
    StudyError : either.
    """
    file = options.get("weights")
    if isinstance(file, str) and not Path(_known_kind(file)).is_file():
        raise StudyError(
            f"network.weights: there is no file {file}. Weights are never downloaded: put the file there, or remove "
            "'weights' to start from random numbers."
        )
    if file is None and options.get("frozen"):
        raise StudyError("network.frozen needs network.weights: random numbers would be frozen.")


def load_into(model: Any, options: Mapping[str, Any]) -> None:
    """Give the backbone inside a network the weights its option ``weights`` names; without that option, do nothing.

    Parameters
    ----------
    model : a built network.
    options : of the network, as in the study file.

    Raises
    ------
    StudyError : the file is missing or damaged, or the first layer that does not fit; the model is then unchanged.
    """
    file = options.get("weights")
    if file is None:
        return
    refuse_unusable(options)
    path, backbone = Path(file), model.get_layer("backbone")
    with ExitStack() as stack:
        if path.suffix == ".safetensors":
            fits = list(_from_safetensors(backbone, path))
        else:
            from voxtempo.networks.local_weights_h5 import fits_of, open_h5

            fits = list(fits_of(backbone, stack.enter_context(open_h5(path))))
        for fit in fits:
            _refuse_misfit(fit, path, options.get("backbone"))
        for fit in fits:
            for variable, stored in zip(fit.variables, fit.stored or (), strict=True):
                variable.assign(np.asarray(stored.read(), dtype=variable.dtype))


def _refuse_misfit(fit: Fit, path: Path, backbone: str | None) -> None:
    wanted = [tuple(variable.shape) for variable in fit.variables]
    found = None if fit.stored is None else [stored.shape for stored in fit.stored]
    if found == wanted:
        return
    holds = "has no such layer" if found is None else f"has {_shapes(found)} ({fit.stored[0].name})"  # type: ignore[index]
    raise StudyError(
        f"network.weights: {path} does not fit the backbone{f' {backbone}' if backbone else ''}. The first layer that does "
        f"not is '{fit.layer}': it takes {_shapes(wanted)}, the file {holds}. Choose the backbone (and its options) that the "
        "file was written for."
    )


def _shapes(shapes: Sequence[tuple[int, ...]]) -> str:
    return " and ".join(" x ".join(map(str, shape)) or "one number" for shape in shapes) or "nothing"


def _from_safetensors(backbone: Any, path: Path) -> Iterator[Fit]:
    """Pair the backbone's variables with arrays in order: those of the file's backbone, or the file's first ones."""
    from safetensors import SafetensorError, safe_open

    try:
        file = safe_open(path, framework="numpy")
        names = sorted(file.keys())
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in names}
    except (SafetensorError, OSError) as error:
        raise StudyError(f"network.weights: {path} is no valid safetensors file: {error}.") from None
    inside = [name for name in names if name.partition(".")[2].startswith("backbone/")]
    chosen = inside or names
    if len(inside) > len(backbone.weights):
        raise StudyError(
            f"network.weights: the backbone in {path} has {len(inside)} arrays, but this one has {len(backbone.weights)}. "
            "Choose the backbone (and its options) that the file was written for."
        )
    for place, variable in enumerate(backbone.weights):
        if place >= len(chosen):
            yield Fit(variable.path, [variable], None)
        else:
            name = chosen[place]
            yield Fit(variable.path, [variable], [Stored(name, shapes[name], partial(file.get_tensor, name))])
