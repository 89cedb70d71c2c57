"""What the sections of a study file are made of."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema


class Section(BaseModel):
    """A part of a study file: unknown keys are errors, values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Named(Section):
    """A registered thing and its options, written ``name``, ``{name: value}`` or ``{name: {option: value}}``."""

    name: str
    options: Any = Field(default=None, description="None, one value for the main option, or a mapping of options")


def _named(value: Any) -> Any:
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, dict) and len(value) == 1 and not isinstance(value.get("name"), str):
        name, options = next(iter(value.items()))
        return {"name": name, "options": options}
    return value


NamedItem = Annotated[Named, BeforeValidator(_named)]


def _text(value: Any) -> Any:
    """YAML reads ``run: 1`` as a number, but tables hold text; booleans stay refused (yes and on are both True)."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Text = Annotated[str, BeforeValidator(_text), WithJsonSchema({"type": ["string", "number"]})]
