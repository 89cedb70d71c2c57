"""What operations chosen on eight validation subjects do to forty others: simulated label maps with known faults.

Each subject is a ball with a core, found with a ragged edge. Beside it: false lumps for some of the subjects; true second
lumps for some of the people, found by the network; rims of which the network says 0.35; or nothing wrong. Thirty-two
training subjects are drawn too.

    python benchmarks/postprocess.py
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from stopwatch import heading, row

from voxtempo.inference.postprocess import Operation, Pair, choose_operations, find_doubt, mean_dice, thresholds_of
from voxtempo.learning.tasks import SegmentTask

TASK = SegmentTask({1: "ball", 3: "core"})
SHAPE, UNIT = (24, 20, 20), (1.0, 1.0, 1.0)
REPEATS, TRAINING, VALIDATION, OTHERS = 40, 32, 8, 40
WIDTHS = (44, 10, 10, 10, 40)


@dataclass(frozen=True)
class Fault:
    """Shares of the subjects with a false lump, with a true second one, and with a rim that the network doubts."""

    false_lumps: float = 0.0
    true_lumps: float = 0.0
    doubted_rims: float = 0.0


FAULTS = {
    "nothing wrong": Fault(),
    "false lump in half": Fault(false_lumps=0.5),
    "false lump in all": Fault(false_lumps=1.0),
    "false lump in half, true one in a fifth": Fault(false_lumps=0.5, true_lumps=0.2),
    "false lump in half, true one in a twentieth": Fault(false_lumps=0.5, true_lumps=0.05),
    "rim at 0.35 in half": Fault(doubted_rims=0.5),
    "rim at 0.35 in all": Fault(doubted_rims=1.0),
}


def ball(centre: NDArray[np.float64], radius: float) -> NDArray[np.bool_]:
    """Return the voxels within so many voxels of a point."""
    grid = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    return np.asarray(np.linalg.norm(grid - centre, axis=-1) <= radius)


def subject(rng: np.random.Generator, name: str, fault: Fault) -> Pair:
    """Return what a network makes of one subject, and the truth."""
    centre = rng.uniform(8, 11, 3)
    truth = np.where(ball(centre, 3), 3, np.where(ball(centre, 6), 1, 0))
    chance = np.full((*SHAPE, 3), 0.02)
    rim, core = ball(centre + rng.normal(0, 0.4, 3), rng.normal(6, 0.3)), ball(centre + rng.normal(0, 0.4, 3), 3)
    chance[rim, 1] = 0.9
    if rng.random() < fault.doubted_rims:
        chance[rim & ~ball(centre, 5), 1] = 0.35
    chance[core] = (0.02, 0.05, 0.95)
    for share, drawn in ((fault.false_lumps, False), (fault.true_lumps, True)):
        lump = ball(np.array([21, *rng.uniform(3, 16, 2)]), 2)
        if rng.random() < share:
            chance[lump, 1] = 0.9
            truth[lump] = np.where(drawn, 1, truth[lump])
    chance[..., 0] = np.clip(1 - chance[..., 1:].sum(-1), 0, 1)
    said = chance.astype(np.float32)
    predicted = TASK.values[TASK.judged(said)].astype(np.uint8)
    return Pair(predicted, truth.astype(np.uint8), UNIT, name, find_doubt(said, TASK))


def done(chosen: Sequence[Operation], pairs: Sequence[Pair]) -> float:
    """Return how much the chosen operations raise the mean Dice of some subjects."""
    maps = []
    for pair in pairs:
        assert pair.doubt is not None
        labels = pair.doubt.relabelled(pair.predicted, TASK, thresholds_of(chosen, TASK))
        for each in chosen:
            labels = each.apply(labels, TASK, pair.spacing)
        maps.append(labels)
    return float((mean_dice(maps, pairs, TASK) - mean_dice([pair.predicted for pair in pairs], pairs, TASK)).mean())


def main() -> None:
    """Print a line for each fault."""
    heading("Post-processing chosen on validation subjects")
    row("fault", "mean", "worst", "best", f"chosen in {REPEATS}", widths=WIDTHS)
    for title, fault in FAULTS.items():
        rng, changes, kept = np.random.default_rng(0), [], Counter[str]()
        for _ in range(REPEATS):
            training, validation, others = (
                [subject(rng, f"{side}{number}", fault) for number in range(count)]
                for side, count in (("t", TRAINING), ("v", VALIDATION), ("o", OTHERS))
            )
            chosen, _ = choose_operations(validation, TASK, [(pair.truth, UNIT) for pair in training])
            changes.append(done(chosen, others))
            kept.update({each.name for each in chosen})
        told = ", ".join(f"{name} {count}" for name, count in kept.most_common()) or "nothing"
        row(title, *(f"{value:+.4f}" for value in (np.mean(changes), min(changes), max(changes))), told, widths=WIDTHS)


if __name__ == "__main__":
    main()
