"""``voxtempo demo``: simulate, train, evaluate, report in a few minutes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(subparsers: Any) -> None:
    """Add the verb."""
    parser = subparsers.add_parser("demo", help="simulate, train, evaluate, report in a few minutes")
    parser.add_argument("--out", type=Path, default=Path("demo"), metavar="DIR", help="where (default demo)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run."""
    return 0
