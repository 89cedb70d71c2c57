"""How one series moved: translations, rotations, framewise displacement and DVARS, one above the other in time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from voxtempo.report.chart import BLUE, DASHES, GREEN, GREY, INK, MUTED, ORANGE, RULE, dress, new_chart, svg

AXES = (("x", BLUE), ("y", ORANGE), ("z", GREEN))
FAR = 0.5  # mm, the line that is drawn for framewise displacement
LITTLE = 0.25  # mm and degrees: a smaller range would blow noise up to motion

Courses = Mapping[str, NDArray[np.float64]]


def motion_chart(courses: Courses, key: str) -> Markup | None:
    """Return the chart of one series, or None if nothing of it can be drawn.

    Parameters
    ----------
    courses : name -> (t,): ``time`` (s) or ``volume``; trans_x .. trans_z (mm), rot_x .. rot_z (radians),
        framewise_displacement (mm), dvars and dvars_before (per cent). What is missing is left out.
    key : unique on the page.
    """
    panels = [draw for needed, draw in PANELS if all(name in courses for name in needed)]
    if not panels:
        return None
    figure, whole = new_chart(920, 40 + 118 * len(panels))
    whole.remove()
    rows = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, draw in zip(rows, panels, strict=True):
        dress(axes, grid="y")
        draw(axes, courses)
        axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        axes.margins(x=0.01)
        axes.spines["bottom"].set_visible(axes is rows[-1])
    rows[-1].set_xlabel("seconds" if "time" in courses else "volume")
    shown = ", ".join(axes.get_title("left") for axes in rows)
    return svg(figure, key, f"Motion over time: {shown}", wide=True)


def _across(courses: Courses) -> NDArray[np.float64]:
    """Return the places of the volumes on the horizontal axis, (t,)."""
    return courses["time"] if "time" in courses else courses["volume"]


def _translation(axes: Axes, courses: Courses) -> None:
    _three(axes, courses, "trans", 1.0)
    _headed(axes, "Translation, mm")


def _rotation(axes: Axes, courses: Courses) -> None:
    _three(axes, courses, "rot", float(np.rad2deg(1)))
    _headed(axes, "Rotation, degrees")


def _three(axes: Axes, courses: Courses, kind: str, factor: float) -> None:
    """Draw the courses of a kind along or about the three axes of the world."""
    for (name, colour), dash in zip(AXES, DASHES, strict=False):
        course = factor * courses[f"{kind}_{name}"]
        axes.plot(_across(courses), course, color=colour, linewidth=1.8, linestyle=dash, label=name)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, -LITTLE), max(high, LITTLE))


def _displacement(axes: Axes, courses: Courses) -> None:
    moved = np.nan_to_num(courses["framewise_displacement"])
    axes.fill_between(_across(courses), moved, color=BLUE, linewidth=0)
    if (moved > FAR).any():
        axes.axhline(FAR, color=ORANGE, linewidth=1.4, linestyle=DASHES[1], label=f"{FAR:g} mm")
    axes.set_ylim(0, max(axes.get_ylim()[1], LITTLE))
    _headed(axes, "Framewise displacement, mm")


def _dvars(axes: Axes, courses: Courses) -> None:
    """Draw what is left and, where it is known, what there was before; the first volume has no change."""
    across, told = _across(courses)[1:], "dvars_before" in courses
    if told:
        axes.plot(across, courses["dvars_before"][1:], color=GREY, linewidth=1.4, label="before")
    axes.plot(across, courses["dvars"][1:], color=BLUE, linewidth=1.8, label="after" if told else None)
    axes.set_ylim(bottom=0)
    _headed(axes, "DVARS, per cent of the mean")


def _headed(axes: Axes, title: str) -> None:
    """Write what a panel shows above it, and its legend at the right of that."""
    axes.set_title(title, loc="left", fontsize=12, color=INK, pad=6)
    axes.axhline(0, color=RULE, linewidth=1, zorder=0)
    if axes.get_legend_handles_labels()[0]:
        shown = axes.legend(
            frameon=False, labelcolor=MUTED, fontsize=12, handlelength=1.8, loc="lower right", ncols=3,
            bbox_to_anchor=(1.0, 0.98), borderaxespad=0.0, columnspacing=1.4,
        )  # fmt: skip
        shown.set_in_layout(False)


PANELS: tuple[tuple[tuple[str, ...], Callable[[Axes, Courses], None]], ...] = (
    (("trans_x", "trans_y", "trans_z"), _translation),
    (("rot_x", "rot_y", "rot_z"), _rotation),
    (("framewise_displacement",), _displacement),
    (("dvars",), _dvars),
)
"""What each panel needs, and how it is drawn, from the top down."""
