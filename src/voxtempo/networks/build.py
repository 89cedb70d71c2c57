"""Build a network: its function, a head, a precision and a seed make one ``keras.Model``."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from voxtempo.errors import StudyError
from voxtempo.networks.card import AXES, Card, Features, networks
from voxtempo.networks.heads import Head
from voxtempo.networks.keras_seam import Tensor, keras

Precision = Literal["auto", "float32", "bfloat16", "float16"]
_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


def resolve_precision(precision: Precision) -> Precision:
    """Return "float32", "bfloat16" or "float16"; "auto" is bfloat16 on an accelerator and float32 on a processor."""
    if precision != "auto":
        return precision
    device = str(keras.ops.zeros(1).device)
    return "float32" if "cpu" in device.lower() else "bfloat16"


@contextmanager
def building(precision: Precision = "float32", seed: int = 0) -> Iterator[None]:
    """Within this block, layers compute in ``precision`` and draw their weights from ``seed``.

    Keras takes both from global state (the dtype policy; Python's ``random``, which gives every unseeded initialiser
    its seed), so both are put back as they were afterwards.
    """
    policy, state = keras.config.dtype_policy(), random.getstate()
    keras.config.set_dtype_policy(_POLICIES[resolve_precision(precision)])
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
        keras.config.set_dtype_policy(policy)


def _refuse_misfits(card: Card, input_shape: tuple[int, ...], head: Head | None) -> None:
    axes = AXES[card.input].split()
    if len(input_shape) != len(axes) or any(n is None or n < 1 for n in input_shape):
        raise StudyError(
            f"Network '{card.name}' takes a {card.input} of shape ({', '.join(axes)}), found {tuple(input_shape)}."
        )
    if head is not None and head.task not in card.tasks:
        others = [name for name in networks if networks[name].input == card.input and head.task in networks[name].tasks]
        way_out = (
            f"Networks for a {card.input} that can: {', '.join(others)}."
            if others
            else (f"No network for a {card.input} can; use samples of another kind.")
        )
        raise StudyError(f"Network '{card.name}' cannot {head.task}: it can {', '.join(card.tasks)}. {way_out}")


def build_features(
    name: str, input_shape: tuple[int, ...], options: dict[str, Any] | None = None, select_voxels: bool = False
) -> tuple[Tensor, Features]:
    """Return the symbolic input and the features of a registered network, without a head.

    Parameters
    ----------
    name : of a registered network.
    input_shape : without the batch, channels last: (x, y, c), (x, y, z, c) or (t, x, y, z, c).
    options : of the network.
    select_voxels : begin with a mask of voxels, which training sets.
    """
    card = networks[name]
    _refuse_misfits(card, input_shape, None)
    checked = card.validate(options or {})
    inputs = keras.Input(tuple(input_shape), name="image")
    if not select_voxels:
        return inputs, card.function(inputs, **checked)
    from voxtempo.networks.voxel_selection import NAME, VoxelSelection

    return inputs, card.function(VoxelSelection(card.input == "series", name=NAME)(inputs), **checked)


def build_network(
    name: str,
    input_shape: tuple[int, ...],
    head: Head,
    options: dict[str, Any] | None = None,
    *,
    dropout: float = 0.0,
    precision: Precision = "float32",
    seed: int = 0,
    select_voxels: bool = False,
    supervised: bool = False,
) -> keras.Model:
    """Build a registered network with a head.

    Parameters
    ----------
    name : of a registered network.
    input_shape : without the batch, channels last: (x, y, c), (x, y, z, c) or (t, x, y, z, c).
    head : ``Classify``, ``Regress`` or ``Segment``.
    options : of the network.
    dropout : share of features dropped before the last layer in training.
    precision : "float32", "bfloat16" or "float16" computes in it, with float32 weights and logits.
    seed : of the weights; the same seed gives the same weights on one backend.
    select_voxels : begin with a mask of voxels, which training sets.
    supervised : with deep supervision, give a list: the logits, then those of the maps that answer too in training.

    Returns
    -------
    keras.Model from (batch, *input_shape) to float32 logits: (batch, classes), (batch, 1) or
    (batch, x, y[, z], labels). What only training needs is no part of it unless ``supervised``; the weights that both
    have are the same.

    Raises
    ------
    StudyError : the name or an option is unknown, or network, shape and task do not fit together.
    """
    _refuse_misfits(networks[name], input_shape, head)
    with building(precision, seed):
        inputs, features = build_features(name, input_shape, options, select_voxels)
        logits = head.attach(features, tuple(input_shape), dropout)
        deep = head.supervise(features)
        return keras.Model(inputs, [logits, *deep] if supervised and deep else logits, name=name)
