"""``voxtempo simulate KIND --out DIR``: a cohort with known truth, as BIDS, with study files that are ready to run."""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voxtempo.simulate import Simulation


def add(subparsers: Any) -> None:
    """Register the verb. The kinds' own options are read from the registry only when the verb runs."""
    parser = subparsers.add_parser(
        "simulate",
        help="write a cohort with known truth, as BIDS",
        description="Write a cohort with known truth as a BIDS dataset, with study files that are ready to run.",
        usage="voxtempo simulate KIND --out DIR [options]",
        epilog="'voxtempo simulate KIND --help' lists the options of a kind, such as 'voxtempo simulate bold --help'.",
    )
    parser.add_argument("kind", metavar="KIND", help="what to simulate: bold or timing")
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS).required = False
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Simulate, and print what was written and what to do next."""
    from voxtempo.simulate import simulations

    kind = simulations[args.kind]
    given = vars(_parser(kind).parse_args(args.rest))
    args.debug = given.pop("debug") or getattr(args, "debug", False)
    folder, force = Path(given.pop("out")), given.pop("force")
    made = kind(**given)
    _make_room(folder, force)
    try:
        studies = made.write(folder, _show_progress if sys.stderr.isatty() else None)
    except KeyboardInterrupt:
        print(
            f"\nvoxtempo: stopped. {folder} holds a part of the cohort: the same command with --force makes it anew.",
            file=sys.stderr,
        )
        return 130
    size = sum(path.stat().st_size for path in folder.rglob("*.nii.gz")) / 1e6
    people = len(list(folder.glob("sub-*")))
    print(
        f"Simulated {people} subjects, {size:.0f} MB, in {folder} (the truth is in {folder / 'derivatives' / 'truth'})."
    )
    print("Study files: " + ", ".join(str(path) for path in studies))
    print("Next:")
    for verb, study in (("check", studies[0]), *(("train", path) for path in studies)):
        print(f"  voxtempo {verb} {shlex.quote(str(study))}")
    return 0


def _parser(kind: type[Simulation]) -> argparse.ArgumentParser:
    """Return the parser of one kind's options, which are its dataclass's fields."""
    from dataclasses import fields

    parser = argparse.ArgumentParser(prog=f"voxtempo simulate {kind.name}", description=kind.__doc__)
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--force", action="store_true", help="replace an earlier simulation in DIR")
    parser.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
    for option in fields(kind):
        flag = f"--{option.name.replace('_', '-')}"
        choices = option.metadata["choices"] or None
        text = f"{option.metadata['help']} (default {option.default})"
        placeholder = None if choices else type(option.default).__name__.upper()
        parser.add_argument(
            flag, type=type(option.default), default=option.default, choices=choices, metavar=placeholder, help=text
        )
    return parser


def _make_room(folder: Path, force: bool) -> None:
    """Refuse to write among someone's files; with ``force``, remove an earlier simulation and nothing else."""
    from voxtempo.errors import CohortError
    from voxtempo.simulate.bids import is_simulation

    if folder.exists() and not folder.is_dir():
        raise CohortError(f"--out {folder} is a file, expected a folder to write to.")
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not force:
        raise CohortError(f"--out {folder} is not empty. Choose another folder, or replace a simulation with --force.")
    if not is_simulation(folder):
        raise CohortError(
            f"--out {folder} holds files that no simulation wrote, so --force will not touch it. Choose another folder."
        )
    for old in [*folder.glob("sub-*"), folder / "derivatives" / "truth"]:
        shutil.rmtree(old, ignore_errors=True)
    for study in folder.glob("*.yaml"):
        if study.read_text(encoding="utf-8").startswith("# simulated:"):
            study.unlink()


def _show_progress(done: int, total: int) -> None:
    end = "\n" if done == total else ""
    print(f"\rSimulating: {done} of {total} subjects", end=end, file=sys.stderr, flush=True)
