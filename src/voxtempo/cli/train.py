"""``voxtempo train``: from a study file to a finished run folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from voxtempo.cli.console import (
    Console,
    add_budget_arguments,
    add_leak_argument,
    add_study_arguments,
    count,
    metric_lines,
    overrides,
)


def add(subparsers: Any) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "train",
        help="prepare if needed, train, evaluate; prints the run folder",
        description="Prepare what is not yet prepared, train, evaluate and write the report. An interrupted run continues "
        "when the same command is given again.",
    )
    add_study_arguments(parser)
    add_budget_arguments(parser)
    add_leak_argument(parser)
    parser.add_argument("--fold", default=None, metavar="K|all", help="fold to train (default 0), or all of them")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="run folder (default runs/NAME)")
    parser.add_argument("--cache", type=Path, default=None, metavar="DIR", help="folder of prepared cases")
    parser.add_argument("--workers", type=count, default=2, metavar="N", help="processes that prepare (default 2)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train."""
    from voxtempo.cohort import load_study
    from voxtempo.errors import StudyError
    from voxtempo.learning.fit import Interrupted
    from voxtempo.workflow import train_study
    from voxtempo.workflow.records import COMMAND
    from voxtempo.workflow.voice import Voice

    study = load_study(args.study, overrides(args))
    fold = args.fold
    if fold is not None and fold != "all":
        if not fold.isdigit():
            raise StudyError(f"--fold is '{fold}'; give a number from 0, or 'all'.")
        fold = int(fold)
    out = args.out or Path("runs") / study.name
    console, said = Console(), COMMAND.set(args.command)
    try:
        finished = train_study(
            study,
            out,
            fold,
            cache=args.cache,
            workers=args.workers,
            voice=Voice(console.say, console.bar),
            known_leaks=args.known_leaks,
        )
    except Interrupted:
        console.say(f"stopped, everything is saved in {out}. The same command continues there.")
        return 130
    finally:
        COMMAND.reset(said)
        console.close()
    for line in metric_lines(finished.metrics):
        print(line)
    print(f"run     {out}")
    print(f"report  {out / 'report.html'}")
    return 0
