"""The part of a study file that says which network learns."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from voxtempo.cohort.sections.base import Section


class NetworkSection(Section):
    """Which network: a registered name, or a function in the user's own file; any further key is an option of it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str | None = Field(default=None, description="a registered network (planned when left out)")
    python: str | None = Field(default=None, description="'path/to/file.py:function' that builds a keras.Model")

    @model_validator(mode="after")
    def _one_source(self) -> NetworkSection:
        if self.name is not None and self.python is not None:
            raise ValueError("give either 'name' or 'python'")
        return self

    @property
    def options(self) -> dict[str, Any]:
        """The options meant for the network function."""
        return dict(self.model_extra or {})


def _network(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


NetworkItem = Annotated[NetworkSection, BeforeValidator(_network)]
