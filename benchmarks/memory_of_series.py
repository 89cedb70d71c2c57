"""Peak memory of preparing and training on series of 100, 400 and 1,600 volumes: does it grow with their length?

Each command runs in a process of its own that is looked at every 10 ms. The figure is *anonymous* memory, what the
process allocated. Resident memory stands beside it: it also counts pages of the mapped cache, which grow with the length
of the series until the machine wants them back, and which it may drop at any moment. Peaks of one run each.

Preparation works on blocks of volumes or of voxels, and what is larger than 64 MiB lies in an unlinked scratch file, whose
pages count as resident but not as anonymous. One worker holds one series at a time, however many there are.
"""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import nibabel
import numpy as np
from stopwatch import heading, row
from stopwatch.memory import peaks, told

LENGTHS = (100, 400, 1600)
SERIES = 4
SHAPE = (48, 48, 24)
WINDOW = 8
MB = 2**20
STEPS = {"z-score": "", "filter + z-score": "  - temporal_filter: {detrend: 2}\n"}
COLUMNS = ("preparation", "volumes", "MiB a series", "prep. anon", "prep. rss", "train anon", "train rss", "s")
WIDTHS = (19, 10, 14, 12, 12, 12, 12, 8)
STUDY = """
name: memory
task: regress
cohort:
  table: cohort.csv
  id: id
  scans: {{bold: "{{id}}.nii.gz"}}
  target: {{column: age}}
prepare:
{steps}  - normalise: {{method: zscore}}
sample: {{window: {{length: {window}}}}}
split: {{test: 0.25, folds: 3}}
augment: none
network: {{name: cnn_lstm, widths: [4, 8], features: 16, units: 16}}
train: {{epochs: 2, steps: 10, batch: 2}}
evaluate: {{intervals: 200}}
"""


def write_series(path: Path, volumes: int, rng: np.random.Generator) -> None:
    """Write an int16 series volume by volume, as gzip members one after the other; 16 different volumes take turns."""
    head = nibabel.Nifti1Header()
    head.set_data_dtype(np.int16)
    head.set_data_shape((*SHAPE, volumes))
    head.set_zooms((3.0, 3.0, 3.0, 2.0))
    head.set_xyzt_units("mm", "sec")
    head.set_sform(np.diag((3.0, 3.0, 3.0, 1.0)), 1)
    head["vox_offset"], head["magic"] = 352, b"n+1"
    tissue = rng.uniform(400, 1200, SHAPE) * (rng.random(SHAPE) < 0.5)
    members = [
        gzip.compress((tissue * rng.normal(1, 0.02, SHAPE)).astype(np.int16).tobytes(order="F"), 1) for _ in range(16)
    ]
    with path.open("wb") as file:
        file.write(gzip.compress(head.binaryblock + bytes(4)))
        for volume in range(volumes):
            file.write(members[volume % len(members)])


def write_study(folder: Path, volumes: int) -> None:
    """Write a cohort of four series and a study for each way to prepare it."""
    folder.mkdir()
    for number in range(SERIES):
        write_series(folder / f"s{number}.nii.gz", volumes, np.random.default_rng(number))
    rows = "".join(f"s{number},{30 + 10 * number}\n" for number in range(SERIES))
    (folder / "cohort.csv").write_text("id,age\n" + rows, encoding="utf-8")
    for name, steps in STEPS.items():
        (folder / f"{name}.yaml").write_text(STUDY.format(steps=steps, window=WINDOW), encoding="utf-8")


def main() -> None:
    """Print a table of peaks in MiB."""
    if not told():
        print("memory_of_series: skipped, only Linux tells how much of a process's memory is anonymous")
        return
    shape = " x ".join(map(str, SHAPE))
    heading(
        f"Peak memory (MiB): {SERIES} series of {shape} x t, windows of {WINDOW}",
        "keras",
        "tensorflow",
        "tensorflow-cpu",
    )
    print("anon: allocated by the process; rss: with the mapped files' pages, which the system may take back")
    row(*COLUMNS, widths=WIDTHS)
    trained: dict[str, list[float]] = {name: [] for name in STEPS}
    with tempfile.TemporaryDirectory() as temporary:
        for volumes in LENGTHS:
            folder = Path(temporary) / str(volumes)
            write_study(folder, volumes)
            for name in STEPS:
                cache, study = folder / "cache" / name, str(folder / f"{name}.yaml")
                prepared = peaks(["prepare", study, "--workers", "1"], cache, folder / "prepare.log")
                train = peaks(["train", study, "--out", str(folder / name)], cache, folder / "train.log")
                trained[name].append(train[0])
                row(
                    name, volumes, f"{np.prod(SHAPE) * volumes * 4 / MB:.0f}",
                    *(f"{mib:.0f}" for mib in (*prepared[:2], *train[:2])), f"{prepared[2] + train[2]:.0f}", widths=WIDTHS,
                )  # fmt: skip
    print("MiB a series: as float32. prep.: voxtempo prepare --workers 1. train: voxtempo train, evaluation included.")
    for name, found in trained.items():
        print(
            f"training after {name}: {found[-1] - found[0]:+.0f} MiB of anonymous memory from {LENGTHS[0]} to "
            f"{LENGTHS[-1]} volumes, while each series grew by {(LENGTHS[-1] - LENGTHS[0]) * np.prod(SHAPE) * 4 / MB:.0f} MiB"
        )


if __name__ == "__main__":
    main()
