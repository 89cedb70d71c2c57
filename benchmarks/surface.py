"""Dice, Hausdorff 95, average surface distance and surface Dice of two 256 x 256 x 256 label maps with three labels.

VoxTempo's ``segmentation_case`` (which gives ten figures a label) against the four functions of MONAI, which are handed the
one-hot tensors they need: making those from label maps is not counted, and would take MONAI another second. The figures of
both are compared first. The good pair of maps is what a trained network does, the poor one is off by 12 voxels with a
speck in a corner.

MONAI needs an environment of its own. Make it once, and name it:

    python -m venv peers && peers/bin/pip install torch==2.13.0 monai torchio
    VOXTEMPO_PEERS=peers python benchmarks/surface.py
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from stopwatch import heading, ratio, row, seconds_in_turns
from stopwatch.peers import start_peers

from voxtempo.assess import segmentation_case

SIZE = 256
SPACINGS = ((1.0, 1.0, 1.0), (0.8, 0.8, 1.5))
LABELS = {1: "outer", 2: "middle", 3: "inner"}
FIGURES = ("dice", "hausdorff_95", "average_surface_distance", "surface_dice")
TOLERANCE = 1.0  # mm
REPEATS = 5
GOAL = 10
WIDTHS = (40, 9, 12, 10)
Labels = NDArray[np.uint8]


def onion(rng: np.random.Generator, wobble: float) -> NDArray[np.float32]:
    """Return distances from the middle, of a lumpy head with bumps of another observer."""

    def bumps(knots: int) -> NDArray[np.float32]:
        field = ndimage.zoom(rng.standard_normal((knots,) * 3).astype(np.float32), SIZE / knots, order=1)
        return field / field.std()

    line = np.linspace(-1, 1, SIZE, dtype=np.float32)
    radius = np.sqrt(line[:, None, None] ** 2 + line[:, None] ** 2 + line**2)
    return radius + 0.05 * bumps(8) + wobble * bumps(24)


def layers(radius: NDArray[np.float32]) -> Labels:
    """Return the labels of three shells."""
    return (3 - np.digitize(radius, (0.35, 0.6, 0.75))).astype(np.uint8)


def pairs() -> dict[str, tuple[Labels, Labels]]:
    """Return what was predicted and the truth, by name."""
    truth = layers(onion(np.random.default_rng(0), 0.0))
    good = layers(onion(np.random.default_rng(0), 0.012))
    poor = np.roll(good, 12, axis=(0, 1))
    poor[2, 3, 4] = 1
    return {"good": (good, truth), "poor": (poor, truth)}


def main() -> None:
    """Print a table of times and ratios."""
    heading(f"Judging a pair of {SIZE} x {SIZE} x {SIZE} label maps, {len(LABELS)} labels", "numba", "scipy")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pairs.npz"
        made = pairs()
        np.savez(file, **{f"{name}_{part}": maps[n] for name, maps in made.items() for n, part in enumerate("pt")})
        for threads in (1, 2):
            measure(made, file, threads)


def measure(made: dict[str, tuple[Labels, Labels]], file: Path, threads: int) -> None:
    """Print the rows of one number of threads."""
    peers = start_peers("judge", file, max(LABELS), threads=threads, libraries=("monai",))
    title = f"{threads} thread{'s' * (threads > 1)}, medians of {REPEATS}, taken in turns"
    row(title, "VoxTempo", "MONAI, ms", "ratio", widths=WIDTHS)
    for name, (predicted, truth) in made.items():
        for spacing in SPACINGS:

            def judge(predicted=predicted, truth=truth, spacing=spacing):  # type: ignore[no-untyped-def]
                return segmentation_case(predicted, truth, LABELS, spacing, tolerance=TOLERANCE, threads=threads)

            calls = {"ours": judge}
            if peers is not None:
                calls["theirs"] = lambda name=name, spacing=spacing: peers.ask("monai", name, spacing, TOLERANCE)
                check(judge(), calls["theirs"]())
            times = seconds_in_turns(calls, REPEATS)
            text = f"{name} pair, {' x '.join(map(str, spacing))} mm"
            ours, theirs = times["ours"], times.get("theirs")
            cells = (
                ("", "") if theirs is None else (f"{1e3 * statistics.median(theirs):.0f}", f"{ratio(theirs, ours):.0f}")
            )
            row(text, f"{1e3 * statistics.median(ours):.0f}", *cells, widths=WIDTHS)
            if theirs is not None and threads == 1:
                print(f"  goal {GOAL} times: {'reached' if ratio(theirs, ours) >= GOAL else 'missed'}")
    if peers is not None:
        peers.close()


def check(ours: dict[str, dict[str, float]], theirs: dict[str, list[float]]) -> None:
    """Compare the figures of both."""
    for figure in FIGURES:
        mine = [ours[label][figure] for label in LABELS.values()]
        np.testing.assert_allclose(mine, theirs[figure], rtol=1e-6, err_msg=figure)


if __name__ == "__main__":
    main()
