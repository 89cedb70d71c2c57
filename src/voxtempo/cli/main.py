"""Find the verb, run it, and turn what goes wrong into one paragraph and an exit code."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from voxtempo import __version__
from voxtempo.errors import VoxTempoError

VERBS = ("new", "check", "prepare", "train", "evaluate", "predict", "report", "networks", "simulate", "demo")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all verbs."""
    parser = argparse.ArgumentParser(
        prog="voxtempo",
        description="Deep learning for MRI in space and time: from scan files to an honestly evaluated model.",
        epilog="Start with 'voxtempo demo', or 'voxtempo new FOLDER' for your own data.",
    )
    parser.add_argument("--version", action="version", version=f"voxtempo {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    subparsers = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for verb in VERBS:
        importlib.import_module(f"voxtempo.cli.{verb}").add(subparsers)
    for each in subparsers.choices.values():
        each.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 problems found, 2 a mistake to mend, 130 stopped."""
    parsed = build_parser().parse_args(arguments)
    try:
        return int(parsed.run(parsed))
    except VoxTempoError as error:
        if parsed.debug:
            raise
        print(f"voxtempo: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("voxtempo: stopped. The same command continues where it was.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
