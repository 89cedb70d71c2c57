"""Peak memory of predicting the label map of volumes of up to 512 x 512 x 300: does it grow with their size?

A small U-Net is trained for a few updates on volumes of 64 x 64 x 48 and then predicts larger ones, each in a process of its
own. *Anonymous* memory is what the process allocated; resident memory also counts pages of mapped files (the prepared
scan, the scratch file on which patches are stitched), which the system may take back at any moment.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nibabel
import numpy as np
from stopwatch import heading, row
from stopwatch.memory import peaks, told

SIZES = ((128, 128, 75), (256, 256, 150), (512, 512, 300))
SMALL = (64, 64, 48)
COLUMNS = ("voxels", "MiB as float32", "anon", "rss", "s")
WIDTHS = (18, 16, 10, 10, 8)
STUDY = """
name: memory
task: segment
cohort:
  table: cohort.csv
  id: id
  scans: {mr: "{id}.nii.gz"}
  target: {mask: "{id}_label.nii.gz", labels: {1: shell, 2: core}}
prepare: [{orient: RAS}, {normalise: {method: zscore}}]
sample: {patch: [64, 64, 64]}
split: {folds: 3, seed: 1}
augment: none
network: {name: unet3d, width: 8}
train: {epochs: 1, steps: 10, batch: 2, precision: float32}
evaluate: {intervals: 200, mirror: none, overlap: 0.25}
"""


def write_volume(path: Path, shape: tuple[int, int, int], seed: int, label: Path | None = None) -> None:
    """Write a ball with a core in noise as int16, and its label map."""
    rng = np.random.default_rng(seed)
    x, y, z = (np.linspace(-1, 1, n, dtype=np.float32) for n in shape)
    distance = np.sqrt(x[:, None, None] ** 2 + y[:, None] ** 2 + z**2)
    truth = (distance < 0.6).astype(np.uint8) + (distance < 0.3).astype(np.uint8)
    image = (rng.integers(0, 120, shape, dtype=np.int16) + 200 * truth).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(image, np.diag((0.5, 0.5, 0.6, 1))), path)
    if label is not None:
        nibabel.save(nibabel.Nifti1Image(truth, np.diag((0.5, 0.5, 0.6, 1))), label)


def main() -> None:
    """Print a table of peaks in MiB."""
    if not told():
        print("memory_of_volumes: skipped, only Linux tells how much of a process's memory is anonymous")
        return
    heading(
        "Peak memory (MiB) of predicting one volume by patches of 64 x 64 x 64", "keras", "tensorflow", "tensorflow-cpu"
    )
    print("anon: allocated by the process; rss: with the mapped files' pages, which the system may take back")
    row(*COLUMNS, widths=WIDTHS)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        names = [f"s{number}" for number in range(6)]
        for number, name in enumerate(names):
            write_volume(folder / f"{name}.nii.gz", SMALL, number, folder / f"{name}_label.nii.gz")
        (folder / "cohort.csv").write_text("id\n" + "\n".join(names) + "\n", encoding="utf-8")
        (folder / "study.yaml").write_text(STUDY, encoding="utf-8")
        peaks(
            ["train", str(folder / "study.yaml"), "--out", str(folder / "run")], folder / "cache", folder / "train.log"
        )
        found = []
        for shape in SIZES:
            scan = folder / "large.nii.gz"
            write_volume(scan, shape, 9)
            command = ["predict", str(folder / "run"), str(scan), "--out", str(folder / "out")]
            anonymous, resident, seconds = peaks(command, folder / "cache", folder / "predict.log")
            found.append(anonymous)
            voxels = int(np.prod(shape))
            sizes = (" x ".join(map(str, shape)), f"{voxels * 4 / 2**20:.0f}")
            row(*sizes, f"{anonymous:.0f}", f"{resident:.0f}", f"{seconds:.0f}", widths=WIDTHS)
    print(f"largest over smallest: {max(found) / min(found):.2f} times the anonymous memory")


if __name__ == "__main__":
    sys.exit(main())
