"""Pydantic's findings, told as sentences a scientist can act on: key path, line, what was found, what was expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from voxtempo.errors import did_you_mean

Place = tuple[str, ...]

_EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "string": "text (put it in quotes)",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "dict": "keys with values",
    "model": "keys with values",
    "path": "a path",
}
_BOUNDS = {"greater_than": ("above", "gt"), "greater_than_equal": ("at least", "ge"),
           "less_than": ("below", "lt"), "less_than_equal": ("at most", "le")}  # fmt: skip


def explain_errors(
    error: ValidationError, document: Any, model: type[BaseModel], path: str, lines: Mapping[Place, int]
) -> str:
    """Return one paragraph that names the file and, for every fault, the key, its line and the way out.

    Parameters
    ----------
    error : what pydantic found.
    document : the values as read, before validation.
    model : the class they were checked against; it knows the keys that may be suggested.
    path : the file's name.
    lines : line of every key path in the file.
    """
    faults: dict[Place, list[Any]] = {}
    for fault in error.errors(include_url=False):
        faults.setdefault(_place(fault, document), []).append(fault)
    deepest = [p for p in faults if not any(q != p and q[: len(p)] == p for q in faults)]
    sentences = [_sentence(place, faults[place], model, _line(place, lines)) for place in deepest]
    if len(sentences) == 1:
        return f"{path}: {sentences[0]}"
    return f"{path} has {len(sentences)} faults. " + " ".join(f"({i}) {s}" for i, s in enumerate(sentences, 1))


def _place(fault: Any, document: Any) -> Place:
    """Return the key path in the file; pydantic's names for the branches of a union are not in the file."""
    place: list[str] = []
    node = document
    for step, part in enumerate(fault["loc"]):
        last = step == len(fault["loc"]) - 1
        if isinstance(node, dict) and any(str(key) == str(part) for key in node):
            node = next(value for key, value in node.items() if str(key) == str(part))
        elif isinstance(node, list | tuple) and isinstance(part, int) and part < len(node):
            node = node[part]
        elif not (last and fault["type"] in ("missing", "extra_forbidden")):
            continue
        place.append(str(part))
    return tuple(place)


def _line(place: Place, lines: Mapping[Place, int]) -> str:
    for end in range(len(place), 0, -1):
        if place[:end] in lines:
            return f" (line {lines[place[:end]]})"
    return ""


def _sentence(place: Place, faults: Sequence[Any], model: type[BaseModel], line: str) -> str:
    fault = faults[0]
    key = f"'{'.'.join(place)}'{line}" if place else "the study"
    if fault["type"] == "missing":
        if place[-1].isdecimal():
            return f"'{'.'.join(place[:-1])}'{line} needs more values."
        return f"'{'.'.join(place)}' is required."
    if fault["type"] == "extra_forbidden":
        section = _section(model, place[:-1])
        where = f"of '{'.'.join(place[:-1])}'" if len(place) > 1 else "of a study file"
        return f"{key} is not a key {where}. {did_you_mean(place[-1], section.model_fields if section else ())}"
    if fault["type"] == "value_error":
        return f"{key}: {fault['ctx']['error']}." if place else f"{fault['ctx']['error']}."
    if fault["loc"][-1] == "[key]":
        return f"{key}: the key {_shown(fault['input'])} should be {_expected(fault)}."
    expected = list(dict.fromkeys(_expected(f) for f in faults))
    suggestion = ""
    literal = next((f for f in faults if f["type"] == "literal_error"), None)
    if literal is not None and isinstance(fault["input"], str):
        words = [word.strip("'") for word in literal["ctx"]["expected"].replace(" or ", ", ").split(", ")]
        near = did_you_mean(fault["input"], words)
        suggestion = f" {near}" if near.startswith("Did") else ""
    return f"{key} is {_shown(fault['input'])}, expected {' or '.join(expected)}.{suggestion}"


def _expected(fault: Any) -> str:
    kind = fault["type"]
    context = fault.get("ctx", {})
    if kind == "literal_error":
        return str(context["expected"])
    if kind in _BOUNDS:
        words, name = _BOUNDS[kind]
        return f"{words} {context[name]}"
    if kind == "string_pattern_mismatch":
        return "letters, digits, '.', '_' and '-' only, starting with a letter or digit"
    if kind in ("too_short", "too_long", "string_too_short"):
        bound = context.get("min_length", context.get("max_length"))
        return f"{'at least' if 'min_length' in context else 'at most'} {bound} of them"
    return _EXPECTED.get(kind.split("_")[0], str(fault["msg"]))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _section(model: type[BaseModel], place: Place) -> type[BaseModel] | None:
    """Return the class that checks the section at ``place``, looking through optional, union and list types."""
    current: type[BaseModel] | None = model
    for part in place:
        if current is None:
            return None
        if part in current.model_fields:
            current = _model_in(current.model_fields[part].annotation)
    return current


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _model_in(inner)) is not None), None)
