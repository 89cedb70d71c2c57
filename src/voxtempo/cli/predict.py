"""``voxtempo predict``: new scans through a finished run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from voxtempo.cli.console import Console


def add(subparsers: Any) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "predict",
        help="native-space label maps, probabilities, values (CSV + JSON)",
        description="Predict new scans. Writes DIR/predictions.csv and .json, for segmentation DIR/<id>.nii.gz on each scan's "
        "own grid, for series DIR/<id>_course.csv and .png with the decision over time. A scan that fails "
        "costs no other: the exit status is then 1, or 2 if none could be predicted. Whether every file is there is looked "
        "at first.",
    )
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="run folder")
    parser.add_argument(
        "scans", metavar="SCAN", nargs="+", help="file or DICOM folder; several channels of one scan joined by commas"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to write")
    parser.add_argument(
        "--series", default=None, metavar="NUMBER", help="which series of a DICOM folder (default: as in the study)"
    )
    parser.add_argument(
        "--probabilities", action="store_true", help="segmentation: write DIR/<id>_p_<label>.nii.gz for each label too"
    )
    known = parser.add_argument_group("what a run that harmonises must know of the scans")
    known.add_argument("--site", metavar="NAME", default=None, help="scanner or hospital of all of them")
    known.add_argument(
        "--value", dest="values", metavar="COLUMN=VALUE", action="append", default=[],
        help="a covariate of all of them, such as age=34 (may be repeated)",
    )  # fmt: skip
    known.add_argument(
        "--table", type=Path, default=None, metavar="FILE", help="CSV or TSV with a row a scan: id, site, covariates"
    )
    parser.add_argument(
        "--uncertainty",
        action="store_true",
        help="segmentation: write DIR/<id>_entropy.nii.gz too, and the outer masks that the run promises",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Predict."""
    from voxtempo.inference import Run
    from voxtempo.workflow import predict_scans
    from voxtempo.workflow.voice import Voice

    console = Console()
    try:
        predictions = predict_scans(
            Run(args.run_folder), args.scans, args.out, Voice(console.say, console.bar), series=args.series,
            probabilities=args.probabilities, site=args.site, values=args.values, table=args.table,
            uncertainty=args.uncertainty,
        )  # fmt: skip
    finally:
        console.close()
    failed = 0
    for prediction in predictions:
        if prediction.row["status"] != "ok":
            failed += 1
            reason = str(prediction.row["status"]).removeprefix(f"{prediction.id}: ")
            print(f"{prediction.id}: FAILED: {reason}", file=sys.stderr)
            continue
        shown = {k: v for k, v in prediction.row.items() if k not in ("id", "status", "note")}
        text = "  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in shown.items())
        print(f"{prediction.id}: {text}")
    print(f"written to {args.out / 'predictions.csv'}")
    return 0 if not failed else 2 if failed == len(predictions) else 1
