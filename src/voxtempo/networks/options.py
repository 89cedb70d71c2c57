"""The options of a registered function or class: its keyword arguments, checked by type before anything is built."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

from pydantic import AfterValidator, ConfigDict, Field, ValidationError, create_model

from voxtempo.errors import StudyError, did_you_mean

Count: TypeAlias = Annotated[int, Field(ge=1)]
"""A number of channels, units, cells, voxels or levels."""

AnyCount: TypeAlias = Annotated[int, Field(ge=0)]
"""The same where there may be none at all."""

Widths: TypeAlias = Annotated[tuple[Count, ...], Field(min_length=1)]
"""Channels of one convolution, scale or level after another."""

AnyWidths: TypeAlias = tuple[Count, ...]
"""The same where there may be no convolution at all."""


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("an even number has no middle voxel")
    return value


def _rising(values: tuple[int, ...]) -> tuple[int, ...]:
    if list(values) != sorted({*values} - {1}):
        raise ValueError("give numbers above 1 that rise")
    return values


OddCount: TypeAlias = Annotated[int, Field(ge=1), AfterValidator(_odd)]
"""Voxels of a kernel that has a middle."""

Factors: TypeAlias = Annotated[tuple[Count, ...], AfterValidator(_rising)]
"""By how much each pathway sees the input smaller."""

Share: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
"""A fraction below one."""

Ratio: TypeAlias = Annotated[float, Field(gt=0)]
"""A size relative to another."""


@dataclass(frozen=True)
class Option:
    """One option: its name, its type in words and its default."""

    name: str
    type: str
    default: Any


def _keywords(target: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(target).parameters
    return {name: p for name, p in parameters.items() if p.default is not inspect.Parameter.empty}


def options_of(target: Callable[..., Any]) -> tuple[Option, ...]:
    """Return every argument that has a default.

    >>> def cnn(inputs, *, width: int = 16): ...
    >>> options_of(cnn)
    (Option(name='width', type='int', default=16),)
    """
    hints = _hints(target)
    return tuple(Option(name, _in_words(hints.get(name, Any)), p.default) for name, p in _keywords(target).items())


def _hints(target: Callable[..., Any]) -> dict[str, Any]:
    return get_type_hints(target.__init__ if inspect.isclass(target) else target, include_extras=True)


def _in_words(hint: Any) -> str:
    """Return a type as a reader of a study file would say it.

    >>> _in_words(Literal["add", "concatenate"]), _in_words(Widths), _in_words(Count | None)
    ('add | concatenate', 'list of int', 'int | None')
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _in_words(arguments[0])
    if origin is Literal:
        return " | ".join(map(str, arguments))
    if origin is tuple:
        return f"list of {_in_words(arguments[0])}"
    if hint is type(None):
        return "None"
    if arguments:
        return " | ".join(map(_in_words, arguments))
    return str(getattr(hint, "__name__", hint))


def validate_options(target: Callable[..., Any], options: dict[str, Any], where: str) -> dict[str, Any]:
    """Return ``options`` with every value in the type that ``target`` declares for it.

    Parameters
    ----------
    target : function or class with typed keyword arguments.
    options : name -> value, as a study file gives them (lists become tuples, 3.0 becomes 3).
    where : what they are options of, for messages.

    Raises
    ------
    StudyError : an option is unknown (the nearest name is suggested) or its value does not fit.
    """
    keywords = _keywords(target)
    for name in options:
        if name not in keywords:
            raise StudyError(f"{where} has no option '{name}'. {did_you_mean(name, keywords)}")
    hints = _hints(target)
    fields: dict[str, Any] = {name: (hints.get(name, Any), ...) for name in options}
    model = create_model("Options", __config__=ConfigDict(arbitrary_types_allowed=True), **fields)
    try:
        checked = model(**options)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise StudyError(
            f"{where}: option '{name}' is {options[name]!r}, which does not fit its type "
            f"({_in_words(hints.get(name, Any))}): {first['msg']}."
        ) from None
    return {name: getattr(checked, name) for name in options}
