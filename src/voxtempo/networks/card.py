"""The card of a network: what a chooser must know, readable without loading a deep-learning framework.

A network is one function in a file of ``voxtempo.networks.zoo``::

    @network("tiny_cnn", input="slice", tasks=("classify", "regress"), summary="Two convolutions.", source="LeCun 1998")
    def tiny_cnn(inputs: Tensor, *, widths: tuple[int, ...] = (8, 16)) -> Features:
        ...

Its keyword arguments are the options a study file may give; it returns ``Features``, and a head makes the outputs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from voxtempo.networks.keras_seam import Tensor
from voxtempo.networks.options import Option, options_of, validate_options
from voxtempo.registry import Registry

Input = Literal["slice", "volume", "series"]
Task = Literal["classify", "regress", "segment"]

AXES: dict[Input, str] = {"slice": "x y c", "volume": "x y z c", "series": "t x y z c"}


@dataclass(frozen=True)
class Features:
    """What a network hands to a head.

    Parameters
    ----------
    levels : maps of the encoder from fine to coarse, each (batch, x, y[, z], channels); empty when there are none.
    dense : a decoded map at the input's resolution, (batch, x, y[, z], channels), or None.
    deep : maps that answer too in training, from fine to coarse, each (batch, x, y[, z], channels); empty without deep
        supervision.
    vector : one vector a sample, (batch, features), or None. Heads prefer it to pooling the coarsest level.
    """

    levels: tuple[Tensor, ...] = ()
    dense: Tensor | None = None
    vector: Tensor | None = None
    deep: tuple[Tensor, ...] = ()


NetworkFunction = Callable[..., Features]


@dataclass(frozen=True)
class Card:
    """One network of the zoo.

    Parameters
    ----------
    name : as in a study file.
    input : what one sample is: "slice" (x, y, c), "volume" (x, y, z, c) or "series" (t, x, y, z, c).
    tasks : what it can be used for.
    summary : one sentence.
    source : the paper.
    function : builds the graph: (inputs, **options) -> Features.
    """

    name: str
    input: Input
    tasks: tuple[Task, ...]
    summary: str
    source: str
    function: NetworkFunction

    @property
    def options(self) -> tuple[Option, ...]:
        """The options of the network with their defaults."""
        return options_of(self.function)

    @property
    def description(self) -> str:
        """The whole docstring of the network."""
        return inspect.cleandoc(self.function.__doc__ or self.summary)

    def validate(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the options in the types the network wants, or raise a ``StudyError`` that names the wrong one."""
        return validate_options(self.function, options, f"network '{self.name}'")


networks: Registry[Card] = Registry("network", "voxtempo.networks.zoo")


def network(
    name: str, *, input: Input, tasks: tuple[Task, ...], summary: str, source: str
) -> Callable[[NetworkFunction], NetworkFunction]:
    """Register a network function with its card."""

    def decorate(function: NetworkFunction) -> NetworkFunction:
        networks.add(name, Card(name, input, tasks, summary, source, function))
        return function

    return decorate
