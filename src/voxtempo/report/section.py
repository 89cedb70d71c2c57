"""A section of the report: what a template part shows, or the sentence that says why there is nothing to show."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Section:
    """One section.

    Parameters
    ----------
    key : its anchor on the page, and the name of its template in ``templates/parts``.
    title : its heading.
    content : what the template shows; empty if nothing can be shown.
    notes : sentences about what is left out, and why.
    """

    key: str
    title: str
    content: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
