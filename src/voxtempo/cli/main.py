"""Find the verb, run it, and turn what goes wrong into one paragraph and an exit code."""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import shlex
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from voxtempo import __version__
from voxtempo.cli.terminal import spell_out
from voxtempo.errors import VoxTempoError

VERBS = ("new", "check", "prepare", "train", "evaluate", "compare", "predict", "report", "networks", "simulate", "demo")


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
    """Run the command line and return its exit code.

    0 done, 1 problems found, 2 a mistake to mend, 3 a fault of VoxTempo itself, 130 stopped.
    """
    spell_out()
    given = sys.argv[1:] if arguments is None else arguments
    parsed = build_parser().parse_args(given)
    parsed.command = shlex.join(["voxtempo", *given])
    try:
        with _terminable():
            code = int(parsed.run(parsed))
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("\nvoxtempo: stopped. What was finished is kept: the same command goes on from there.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, such as 'head', has seen enough
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if parsed.debug:
            raise
        code, text = _explain(error)
        print(f"voxtempo: {text}", file=sys.stderr)
        return code


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM, as schedulers send it, end a command in the same order as Ctrl-C."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _explain(error: Exception) -> tuple[int, str]:
    """Return the exit code and the paragraph for what went wrong."""
    if isinstance(error, VoxTempoError):
        return 2, str(error)
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename is not None else ""
        way_out = {errno.ENOSPC: " Make room on that disk", errno.EDQUOT: " Make room within your quota"}.get(
            error.errno or 0, " Check the path, its permissions and the disk"
        )
        return 2, f"{where}{error.strerror}.{way_out}, then give the same command again."
    if isinstance(error, MemoryError):
        return 2, "the memory did not suffice. Use fewer --workers, a smaller 'train.batch' or smaller samples."
    place = traceback.extract_tb(error.__traceback__)[-1]
    said = " ".join(str(error).split())[:300]
    return 3, (
        f"this is a fault of VoxTempo, not yours: {type(error).__name__}: {said} (in {Path(place.filename).name}, line "
        f"{place.lineno}). Please report it with what 'voxtempo --debug' shows for the same command."
    )
