"""``voxtempo demo``: simulate, train, evaluate, report in a few minutes, without any download."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any


def add(subparsers: Any) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "demo",
        help="simulate, train, evaluate, report in a few minutes",
        description="Simulate a small BOLD cohort with known truth, train a 3D CNN + LSTM to tell which of two conditions each "
        "block was, judge it on subjects it has not seen, and write the report. A second call is quick: what is there is kept.",
    )
    parser.add_argument("--out", type=Path, default=Path("demo"), metavar="DIR", help="where (default demo)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the demo."""
    import time

    from voxtempo.cli.console import Console, metric_lines
    from voxtempo.cohort import load_study
    from voxtempo.errors import CohortError
    from voxtempo.learning.fit import Interrupted
    from voxtempo.simulate import simulations
    from voxtempo.workflow import train_study
    from voxtempo.workflow.voice import Voice

    began = time.monotonic()
    cohort, out = args.out / "cohort", args.out / "run"
    study_file = cohort / "conditions.yaml"
    if args.out.exists() and not args.out.is_dir():
        raise CohortError(f"--out {args.out} is a file, expected a folder.")
    console = Console()
    try:
        if not study_file.is_file():
            console.say(f"simulating a BOLD cohort with known truth in {cohort} ...")
            simulations["bold"]().write(cohort, lambda done, total: console.bar("simulate", done, total))
        run_ = train_study(
            load_study(study_file), out, 0, cache=args.out / "cache", voice=Voice(console.say, console.bar)
        )
    except Interrupted:
        console.say("stopped, everything is saved. 'voxtempo demo' with the same --out continues.")
        return 130
    finally:
        console.close()
    print()
    for line in metric_lines(run_.metrics):
        print(line)
    print(f"\nDone in {(time.monotonic() - began) / 60:.1f} minutes. The report: {out / 'report.html'}")
    scan = next(iter(sorted(cohort.glob("sub-*/func/*_bold.nii.gz"))))
    print("Next, for instance:")
    groups, predicted = args.out / "groups", args.out / "predicted"
    for command, why in (
        (["train", cohort / "groups.yaml", "--out", groups], "patients or controls: harder"),
        (["predict", out, scan, "--out", predicted], "the decision over time for one series"),
    ):
        print(f"  {shlex.join(['voxtempo', *map(str, command)])}      {why}")
    print("  voxtempo new FOLDER_OF_YOUR_SCANS      a study file for your own data")
    return 0
