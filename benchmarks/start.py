"""How long the command line takes to answer where no network is needed: --help, networks, check.

Wall time of whole processes, Python's own start included. ``check`` looks at six volumes of 32 x 32 x 24: the first time it
decodes them to find copies, later it remembers.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nibabel
import numpy as np
from stopwatch import heading, median_seconds, row

REPEATS = 7
WIDTHS = (34, 10)
STUDY = """
name: tiny
task: classify
cohort:
  table: cohort.csv
  scans: {mr: "{id}.nii.gz"}
  target: {column: group}
split: {folds: 3}
"""


def write_study(folder: Path) -> Path:
    """Write six small volumes of two groups and their study."""
    rng = np.random.default_rng(0)
    for number in range(6):
        values = rng.normal(600, 100, (32, 32, 24)).astype(np.int16)
        nibabel.save(nibabel.Nifti1Image(values, np.diag((2.0, 2.0, 2.0, 1.0))), folder / f"s{number}.nii.gz")
    (folder / "cohort.csv").write_text(
        "id,group\n" + "".join(f"s{n},{'ab'[n % 2]}\n" for n in range(6)), encoding="utf-8"
    )
    study = folder / "study.yaml"
    study.write_text(STUDY, encoding="utf-8")
    return study


def main() -> None:
    """Print a table of wall times in milliseconds."""
    heading(f"Wall time of commands (medians of {REPEATS}, taken in turns, after one unmeasured)")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        study, cache = write_study(folder), folder / "cache"
        environment = {**os.environ, "VOXTEMPO_CACHE": str(cache)}

        def voxtempo(*arguments: str) -> None:
            done = subprocess.run(
                [sys.executable, "-m", "voxtempo.cli", *arguments], env=environment, capture_output=True, text=True
            )
            if done.returncode != 0:
                sys.exit(f"voxtempo {' '.join(arguments)} failed: {done.stderr}{done.stdout}")

        def first_check() -> None:
            shutil.rmtree(cache, ignore_errors=True)
            voxtempo("check", str(study))

        times = median_seconds(
            {
                "python -c pass": lambda: subprocess.run([sys.executable, "-c", "pass"], check=True),
                "voxtempo --help": lambda: voxtempo("--help"),
                "voxtempo networks": lambda: voxtempo("networks"),
                "voxtempo check, first look": first_check,
                "voxtempo check, again": lambda: voxtempo("check", str(study)),
            },
            REPEATS,
        )
    row("command", "ms", widths=WIDTHS)
    for name, taken in times.items():
        row(name, f"{1e3 * taken:.0f}", widths=WIDTHS)


if __name__ == "__main__":
    main()
