"""HTML from templates: every value is escaped, and one that is missing is an error."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def render_html(template: str, **content: Any) -> str:
    """Return a template of this room filled in."""
    environment = Environment(
        loader=PackageLoader("voxtempo.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**content)
