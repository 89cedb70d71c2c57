"""Charts as inline SVG that take their colours and type from the page, so they follow light, dark and print.

matplotlib draws with one fixed colour for each role; in the SVG every such colour becomes a CSS variable. ``Figure``
objects are used directly: no pyplot, no state shared between charts.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

import matplotlib
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text

INK, MUTED, RULE, PAPER = "#1d2935", "#5d6b79", "#d5dbe1", "#fffffe"
BLUE, ORANGE, GREEN, PURPLE = "#0a679f", "#c9540c", "#0b8063", "#9c4b86"
SKY, GOLD, BROWN, GREY = "#3d9fd6", "#a87900", "#7d5a3c", "#78838e"

VARIABLES = {
    INK: "ink", MUTED: "muted", RULE: "rule", PAPER: "paper", BLUE: "blue", ORANGE: "orange", GREEN: "green",
    PURPLE: "purple", SKY: "sky", GOLD: "gold", BROWN: "brown", GREY: "grey",
}  # fmt: skip
SERIES = (BLUE, ORANGE, GREEN, PURPLE, SKY, GOLD, BROWN, GREY)
"""Colours told apart by readers with any colour vision, in order of use."""

DASHES: tuple[str | tuple[int, tuple[int, ...]], ...] = ("-", (0, (6, 2)), (0, (2, 2)), (0, (7, 2, 2, 2)))
"""Line styles, so that series differ in print too."""

_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "voxtempo",
    "font.size": 12,
    "font.family": ["DejaVu Sans"],
}


def new_chart(width: int, height: int) -> tuple[Figure, Axes]:
    """Return a figure of this size in CSS pixels with one plain set of axes."""
    layout = ConstrainedLayoutEngine(w_pad=3 / 72, h_pad=3 / 72)
    figure = Figure(figsize=(width / 72, height / 72), dpi=72, layout=layout)
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    dress(axes)
    return figure, axes


def dress(axes: Axes, *, grid: str | None = "both") -> None:
    """Give axes the house style: no frame, faint grid, quiet ticks."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(RULE)
    axes.tick_params(colors=MUTED, length=0, labelsize=12, pad=5)
    axes.xaxis.label.set(color=MUTED, fontsize=12)
    axes.yaxis.label.set(color=MUTED, fontsize=12)
    axes.set_facecolor("none")
    axes.set_axisbelow(True)
    if grid:
        axes.grid(True, axis=grid, color=RULE, linewidth=1)  # type: ignore[arg-type]


def legend(axes: Axes, place: str, title: str | None = None) -> None:
    """Add an unframed legend in the page's ink."""
    shown = axes.legend(frameon=False, labelcolor=INK, fontsize=12, handlelength=1.6, loc=place, title=title)  # type: ignore[call-overload]
    shown.get_title().set(color=INK, fontsize=12)


def svg(figure: Figure, name: str, description: str, wide: bool = False) -> Markup:
    """Return the figure as an ``svg`` element for the page.

    Parameters
    ----------
    figure : what ``new_chart`` made.
    name : unique on the page; keeps the ids of several charts apart.
    description : what a reader who cannot see the chart should know.
    wide : the chart keeps a readable size on a narrow screen, inside a box that scrolls.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context(_STYLE):  # type: ignore[arg-type]
        for words in figure.findobj(Text):
            words.set_parse_math(False)  # a dollar sign in a user's name is a dollar sign
        figure.savefig(buffer, format="svg", transparent=True, dpi=180, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    width, height = _size(text)
    kind = "chart wide" if wide else "chart"
    label = escape(description)
    opening = (
        f'<svg class="{kind}" viewBox="0 0 {width:g} {height:g}" style="--w:{width:g}px" role="img" '
        f'aria-label="{label}" xmlns:xlink="http://www.w3.org/1999/xlink"'
    )
    text = re.sub(r"<svg [^>]*?(?=>)", lambda _: opening, text, count=1)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(xlink:href|href)="#', f'href="#{name}-', text)
    text = text.replace("url(#", f"url(#{name}-")
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", text)  # the page's type, not matplotlib's
    text = re.sub(r"font-family: [^;\"]*;? ?", "", text)
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    return Markup(text.strip())  # matplotlib escapes text, and everything else here is our own


def png(figure: Figure, title: str) -> bytes:
    """Return the figure as a picture on white paper, for a file of its own, with a title."""
    figure.suptitle(title, x=0.01, ha="left", color=INK, fontsize=13)
    for words in figure.findobj(Text):
        words.set_parse_math(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=144, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def _size(text: str) -> tuple[float, float]:
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)
    if found is None:
        raise ValueError("matplotlib wrote an SVG without a viewBox")
    return float(found[1]), float(found[2])


def shortened(names: Sequence[str], longest: int = 18) -> list[str]:
    """Return names cut to a length that fits beside an axis.

    >>> shortened(["short", "a very long class name indeed"], 12)
    ['short', 'a very long…']
    """
    return [name if len(name) <= longest else name[: longest - 1].rstrip() + "…" for name in names]
