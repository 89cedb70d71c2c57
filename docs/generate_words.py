"""Docstrings, types and defaults in the words of a reader, and tables of them.

Written by hand rather than with mkdocstrings because the project's docstrings say ``name : what it is`` and leave types
to the annotations, while numpydoc's readers take what follows the colon for the type.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import types
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

SECTIONS = ("Parameters", "Returns", "Raises", "Examples", "Notes", "References", "Class attributes")
PLAIN = {int: "whole number", float: "number", str: "text", bool: "true or false", Path: "path", Any: "any"}
EMPTY = inspect.Parameter.empty


@dataclasses.dataclass(frozen=True)
class Doc:
    """A docstring taken apart: ``text`` before the sections, ``entries`` of Parameters, and the other sections."""

    text: str
    entries: dict[str, str]
    sections: dict[str, str]


def read_doc(target: Any) -> Doc:
    """Return the docstring of a class or function in parts; of an inherited one nothing."""
    raw = target.__dict__.get("__doc__") if inspect.isclass(target) else target.__doc__
    lines = inspect.cleandoc(raw or "").splitlines()
    parts: dict[str, list[str]] = {"": []}
    current = ""
    for number, line in enumerate(lines):
        if line in SECTIONS and number + 1 < len(lines) and set(lines[number + 1]) == {"-"}:
            current = line
            parts[current] = []
        elif not (current and set(line) == {"-"} and len(line) == len(current)):
            parts[current].append(line)
    texts = {name: "\n".join(body).strip() for name, body in parts.items()}
    return Doc(texts.pop(""), _entries(texts.pop("Parameters", "")), texts)


def _entries(text: str) -> dict[str, str]:
    """Return name -> description of ``name, other : description`` lines with indented continuations."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in text.splitlines():
        head = re.match(r"^(\w+(?:, \w+)*) : (.*)$", line)
        if head:
            names = head[1].split(", ")
            found.update(dict.fromkeys(names, head[2]))
        elif line.strip():
            for name in names:
                found[name] += " " + line.strip()
    return found


def option_docs(cls: type) -> dict[str, str]:
    """Return the described options of a class and of those it derives from."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        found |= read_doc(base).entries
    return found


def words(hint: Any) -> str:
    """Return a type as a reader of a study file would say it, with its bounds."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return bounded(words(arguments[0]), arguments[1:])
    if origin is Literal:
        return " \\| ".join(f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        kinds = list(dict.fromkeys(_inner(a) for a in arguments if a is not type(None)))
        kinds = [words(arguments[0])] if len(kinds) == 1 else kinds
        return " or ".join([*kinds, "nothing"] if type(None) in arguments else kinds)
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return f"list of {words(arguments[0])}"
        kinds = [words(a) for a in arguments]
        return f"list of {len(kinds)}: {kinds[0] if len(set(kinds)) == 1 else ', '.join(kinds)}"
    if origin is list:
        return f"list of {words(arguments[0])}".replace("registered thing", "registered things")
    if origin is dict:
        return f"{words(arguments[0])} -> {_inner(arguments[1])}"
    if inspect.isclass(hint) and issubclass(hint, BaseModel):
        return "registered thing" if hint.__name__ == "Named" else f"[section](#{hint.__name__.lower()})"
    return PLAIN.get(hint, getattr(hint, "__name__", str(hint)))


def _inner(hint: Any) -> str:
    text = words(hint)
    return f"({text})" if " -> " in text or " or " in text else text


def bounded(text: str, metadata: Iterable[Any]) -> str:
    """Return a type with the bounds that its annotation carries."""
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    found = []
    for item in metadata:
        for each in item.metadata if isinstance(item, FieldInfo) else [item]:
            found += [f"{sign} {getattr(each, key):g}" for key, sign in signs.items() if hasattr(each, key)]
            if hasattr(each, "min_length") and text.startswith("list"):
                found.append(f"at least {each.min_length}")
            if hasattr(each, "max_length") and text.startswith("list"):
                found.append(f"at most {each.max_length}")
    return f"{text} {', '.join(found)}" if found else text


def shown(default: Any) -> str:
    """Return a default as it would stand in a study file."""
    if default is EMPTY or default is PydanticUndefined or default is dataclasses.MISSING:
        return "required"
    if default is None:
        return ""
    if isinstance(default, BaseModel):
        given = default.model_dump(exclude_unset=True)
        return f"`{json.dumps(given)}`" if given else "its own defaults"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple | list):
        return f"`{json.dumps(list(default))}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def cell(text: str) -> str:
    """Return text that a table's cell can hold; braces and angle brackets of templates stay as they are."""
    text = text.replace("``", "`").replace("\n", " ")
    return re.sub(r"(?<!\\)\|", r"\\|", text)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines)


def prose(text: str) -> str:
    """Return a docstring as Markdown."""
    return text.replace("``", "`")


def options_table(options: Sequence[tuple[str, str, str, str]]) -> str:
    """Return the table of (name, type, default, meaning)."""
    if not options:
        return "No options."
    rows = [(f"`{name}`", kind, default, cell(meaning)) for name, kind, default, meaning in options]
    return table(("option", "type", "default", "meaning"), rows)


def class_options(cls: type) -> list[tuple[str, str, str, str]]:
    """Return the options of a registered dataclass: its fields."""
    hints, docs = get_type_hints(cls, include_extras=True), option_docs(cls)
    return [
        (field.name, words(hints[field.name]), shown(field.default), docs.get(field.name, ""))
        for field in dataclasses.fields(cls)
    ]
