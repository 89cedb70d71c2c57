"""A comparison as lines for the terminal, Markdown, JSON, or one self-contained HTML file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from voxtempo.assess import as_json
from voxtempo.errors import RunError, ScanError
from voxtempo.metrics import leading
from voxtempo.report.comparison import comparison_page
from voxtempo.report.numbers import digits_for, interval_text, metric_of, number, units_text
from voxtempo.scans.atomic import atomic_file
from voxtempo.workflow.comparing.comparison import Comparison, Pair, Side
from voxtempo.workflow.comparing.metrics import Metric
from voxtempo.workflow.comparing.sentences import title_of

ENDINGS = (".html", ".md", ".json")
TEST_TITLES = {
    "mcnemar_exact": "McNemar, exact",
    "mcnemar_mid_p": "McNemar, mid-p",
    "delong": "DeLong",
    "wilcoxon": "Wilcoxon signed-rank",
}


def write_comparison(comparison: Comparison, path: Path) -> None:
    """Write a comparison as what the file's ending says.

    Raises
    ------
    RunError : the ending is none of .html, .md and .json, or the file cannot be written.
    """
    writers = {".html": _html, ".md": markdown, ".json": _json}
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise RunError(f"{path}: a comparison is written as {', '.join(ENDINGS)}, found '{path.suffix}'.")
    try:
        with atomic_file(path) as file:
            file.write(writer(comparison).encode())
    except ScanError as problem:
        raise RunError(f"{problem}. Check the folder's permissions.") from None


def comparison_lines(comparison: Comparison) -> list[str]:
    """Return the comparison as lines for a terminal."""
    table = rank_table(comparison)
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    return [*lines, "", *(pair.sentence for pair in comparison.pairs), *(f"note: {note}" for note in comparison.notes)]


def rank_table(comparison: Comparison) -> list[list[str]]:
    """Return the sides by rank, the heading first."""
    metric = comparison.metric
    spread = any(side.spread for side in comparison.sides)
    heading = ["rank", "run", title_of(metric), "95 % interval", "leads", "over"]
    rows = []
    for side in comparison.sides:
        value, interval = _cell(side, metric)
        figure = side.figures[metric]
        row = [
            str(side.rank),
            side.name,
            value,
            interval,
            _share(side.leads),
            units_text({"n": figure.n, "over": figure.over}),
        ]
        rows.append([*row, _spread_text(side, metric)] if spread else row)
    return [[*heading, "over seeds: sd (range)"] if spread else heading, *rows]


def _cell(side: Side, metric: Metric) -> tuple[str, str]:
    if metric not in side.figures:
        return "–", ""
    figure = side.figures[metric].as_json()
    digits = digits_for(figure, metric_of(metric[0]).axis)
    return number(figure["value"], digits), interval_text(figure, digits)


def _share(share: float | None) -> str:
    if share is None:
        return "–"
    return (
        f"{100 * share:.0f} %"
        if 0.01 <= share <= 0.99 or share in (0.0, 1.0)
        else ("< 1 %" if share < 0.5 else "> 99 %")
    )


def _spread_text(side: Side, metric: Metric) -> str:
    spread = side.spread.get(metric)
    if spread is None:
        return "one run"
    return f"{number(spread.deviation, 3)} ({number(spread.low, 3)} to {number(spread.high, 3)})"


def pair_table(comparison: Comparison) -> list[list[str]]:
    """Return the pairs with their differences and tests, the heading first."""
    names = [name for name in TEST_TITLES if any(name in pair.tests for pair in comparison.pairs)]
    heading = ["better", "other", "difference", "95 % interval", "p", "p, Holm", *(TEST_TITLES[name] for name in names)]
    return [heading, *(_pair_row(pair, names) for pair in comparison.pairs)]


def _pair_row(pair: Pair, names: Sequence[str]) -> list[str]:
    entry = pair.difference.as_json()
    digits = digits_for(entry, "share")
    found = [pair.difference.p, pair.p, *(pair.tests.get(name) for name in names)]
    return [pair.first, pair.second, number(entry["value"], digits), interval_text(entry, digits), *map(_p_text, found)]


def _p_text(p: float | None) -> str:
    return "–" if p is None else ("< 0.001" if p < 0.001 else number(p, 3))


def figure_table(comparison: Comparison) -> list[list[str]]:
    """Return every figure of every side, the heading first."""
    known = {metric: None for side in comparison.sides for metric in side.figures}
    order = leading(comparison.task)
    shown = sorted(known, key=lambda key: order.index(key[0]) if key[0] in order else len(order))
    rows = [
        [title_of(metric), *(" ".join(_cell(side, metric)).strip() for side in comparison.sides)]
        for metric in shown
        if metric[0] in order
    ]
    return [["metric", *(side.name for side in comparison.sides)], *rows]


def markdown(comparison: Comparison) -> str:
    """Return the comparison as Markdown."""
    parts = [f"# {heading_of(comparison)}", _table(rank_table(comparison))]
    parts += ["\n".join(f"- {pair.sentence}" for pair in comparison.pairs)]
    parts += ["## Differences", _table(pair_table(comparison)), "## All figures", _table(figure_table(comparison))]
    parts += ["## Notes", "\n".join(f"- {note}" for note in comparison.notes)]
    return "\n\n".join(parts) + "\n"


def heading_of(comparison: Comparison) -> str:
    """Return what was compared.

    >>> heading_of(Comparison("regress", ("mae", ""), "case", 80, 0, (), (), ()))
    'Runs by mean absolute error on 80 test cases'
    """
    return f"Runs by {title_of(comparison.metric)} on {comparison.cases} test cases"


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def _json(comparison: Comparison) -> str:
    return json.dumps(as_json(comparison.as_json()), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _html(comparison: Comparison) -> str:
    content: dict[str, Any] = {
        "title": heading_of(comparison),
        "sentences": [pair.sentence for pair in comparison.pairs],
        "ranks": rank_table(comparison),
        "pairs": pair_table(comparison),
        "figures": figure_table(comparison),
        "notes": list(comparison.notes),
    }
    return comparison_page(content)
