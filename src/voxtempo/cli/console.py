"""How long work is shown on a terminal: lines, and a bar with the time to finish."""

from __future__ import annotations

import argparse
import math
import sys
from typing import Any

from voxtempo.metrics import TASKS, used


class Console:
    """Prints lines to stdout and draws one progress bar at a time on stderr (none where stderr is no terminal)."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._what = ""

    def say(self, line: str) -> None:
        """Print a line below the bar's place."""
        self.close()
        print(line, flush=True)

    def bar(self, what: str, done: int, total: int, more: str = "") -> None:
        """Move the bar of ``what``; a new ``what`` starts a new bar."""
        from tqdm import tqdm

        if self._bar is None or self._what != what or self._bar.n > done:
            self.close()
            self._bar = tqdm(total=total, desc=what, leave=False, disable=not sys.stderr.isatty(), initial=min(done, 0))
            self._what = what
        self._bar.set_postfix_str(more, refresh=False)
        self._bar.update(done - self._bar.n)
        if done >= total:
            self.close()

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def count(text: str) -> int:
    """Return a number of processes, threads or classes as argparse reads it: 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more, found '{text}'")
    return int(text)


def add_study_arguments(parser: Any) -> None:
    """Add STUDY and ``--set`` to a verb's parser."""
    parser.add_argument("study", metavar="STUDY", help="study file (YAML)")
    add_override_argument(parser)


def add_override_argument(parser: Any) -> None:
    """Add ``--set``."""
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="A.B=C",
        help="override a value of the study, such as train.epochs=5; repeatable",
    )


def add_leak_argument(parser: Any) -> None:
    """Add ``--i-know-this-leaks``."""
    parser.add_argument(
        "--i-know-this-leaks",
        dest="known_leaks",
        action="store_true",
        help="let the split leak (by: case, published folders with copies on both sides) to show what that does; the run tells",
    )


def add_budget_arguments(parser: Any) -> None:
    """Add ``--budget`` and ``--minutes``."""
    parser.add_argument(
        "--budget", default=None, metavar="MEMORY", help="memory that training may take, such as 4GB (budget.memory)"
    )
    parser.add_argument(
        "--minutes", default=None, metavar="N", help="minutes that training a network may take (budget.minutes)"
    )


def overrides(args: Any) -> list[str]:
    """Return what the command line says over the study file."""
    said = {"budget.memory": args.budget, "budget.minutes": args.minutes}
    return [*args.overrides, *(f"{key}={value}" for key, value in said.items() if value is not None)]


def metric_lines(metrics: dict[str, Any]) -> list[str]:
    """Return the headline figures of a ``metrics.json`` as lines."""
    names = [name for task in TASKS for name in used("short", task)]
    lines = []
    for role in ("test", "test_by_case", "validation"):
        figures = metrics.get(role) or {}
        for name in names:
            if name not in figures:
                continue
            entry = figures[name]
            parts = {"": entry} if "value" in entry else entry
            lines += [
                f"{role:<12} {(name + ' ' + label).strip():<28} {_figure(figure)}" for label, figure in parts.items()
            ]
    for name, figure in (metrics.get("baseline") or {}).items():
        if name in names and figure.get("value") is not None:
            lines.append(f"{'baseline':<12} {name:<28} {_figure(figure)}")
    return lines


def _figure(figure: dict[str, Any]) -> str:
    if figure["value"] is None:
        return f"undefined over {figure['n']} {figure['over']}"
    ends = [figure["low"], figure["high"]] if figure.get("low") is not None else []
    size = max(abs(end) for end in (figure["value"], *ends))
    digits = 3 if size >= 0.1 or size == 0 else min(9, 2 - math.floor(math.log10(size)))  # three figures in small units
    interval = f" [{ends[0]:.{digits}f}, {ends[1]:.{digits}f}]" if ends else ""
    return f"{figure['value']:.{digits}f}{interval} over {figure['n']} {figure['over']}"
