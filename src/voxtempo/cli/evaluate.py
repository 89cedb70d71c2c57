"""``voxtempo evaluate``: judge a finished run again, or on another cohort."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from voxtempo.cli.console import Console, count, metric_lines


def add(subparsers: Any) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "evaluate",
        help="test-set metrics with intervals; another cohort for external validation",
        description="Judge a finished run on its own test cases, or with --on on the whole cohort of another study.",
    )
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="run folder")
    parser.add_argument("--on", type=Path, default=None, metavar="STUDY", help="study file of an external cohort")
    parser.add_argument("--cache", type=Path, default=None, metavar="DIR", help="folder of prepared cases")
    parser.add_argument("--workers", type=count, default=2, metavar="N", help="processes that prepare (default 2)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Judge."""
    from voxtempo.cohort import load_study
    from voxtempo.workflow import evaluate_run
    from voxtempo.workflow.voice import Voice

    console = Console()
    on = load_study(args.on) if args.on is not None else None
    try:
        metrics, path = evaluate_run(
            args.run_folder, on, cache=args.cache, workers=args.workers, voice=Voice(console.say, console.bar)
        )
    finally:
        console.close()
    for line in metric_lines(metrics):
        print(line)
    print(f"metrics {path}")
    return 0
