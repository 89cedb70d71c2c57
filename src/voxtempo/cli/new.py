"""``voxtempo new``: writes a first study file from a BIDS folder, a table or a folder of scans."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any


def add(subparsers: Any) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "new", help="write a study file from a BIDS folder, a table or a folder of scans",
        description="Writes a commented study file and says what was guessed. Existing files are kept unless --force.",
    )  # fmt: skip
    parser.add_argument("path", metavar="PATH", help="a BIDS folder, a CSV or TSV table, or a folder of scans")
    parser.add_argument(
        "--out", default="study.yaml", metavar="FILE", help="the study file to write (default: study.yaml)"
    )
    parser.add_argument(
        "--task", choices=("classify", "regress", "segment"), help="guessed from the data when left out"
    )
    parser.add_argument("--force", action="store_true", help="replace existing study files and tables")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the study file (and the table, where the folder had none), then read them back."""
    from dataclasses import replace

    from voxtempo.cohort import build_cohort, load_study, propose_study
    from voxtempo.scans.atomic import atomic_file

    out = Path(args.out)
    proposal = propose_study(Path(args.path), args.task)
    written = [out]
    if proposal.table_text is not None:
        proposal = replace(proposal, path=(out.parent / f"{out.stem}_cohort.csv").resolve())
        written.append(proposal.path)
    _refuse_existing(written, args.force)
    for path, text in zip(written, (proposal.as_yaml(out.parent), proposal.table_text), strict=False):
        with atomic_file(path) as file:
            file.write((text or "").encode())
    for path in written:
        print(f"Wrote {path}")
    for guess in proposal.guesses:
        print(f"  guessed: {guess}")
    cohort = build_cohort(load_study(out))
    print(f"It reads as {len(cohort)} cases of {len(cohort.subjects)} subjects.")
    print(f"Next: voxtempo check {shlex.quote(str(out))}")
    return 0


def _refuse_existing(paths: list[Path], force: bool) -> None:
    from voxtempo.errors import StudyError

    present = [str(path) for path in paths if path.exists()]
    if present and not force:
        verb = "exists" if len(present) == 1 else "exist"
        raise StudyError(f"{' and '.join(present)} {verb} already. Give another --out, or --force to replace them.")
