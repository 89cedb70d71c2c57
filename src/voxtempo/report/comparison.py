"""The comparison of runs as one small self-contained page in the report's style."""

from __future__ import annotations

from typing import Any

from voxtempo.report.html import render_html


def comparison_page(content: dict[str, Any]) -> str:
    """Return the page.

    Parameters
    ----------
    content : "title"; "sentences" and "notes", texts; "ranks", "pairs" and "figures", tables of texts whose first row is
        the heading.
    """
    return render_html("comparison.html", **content)
