"""A whole volume through a network patch by patch: VoxTempo's predictor against MONAI's ``sliding_window_inference``.

The volume has 160 x 192 x 160 voxels, patches of 80 x 96 x 80 overlap by half (27 of them), weighted by the same Gaussian. The
network is the same small U-Net with the same weights on both sides, written a second time in PyTorch; the probabilities of
both are compared first. Memory is what the process grew by at its peak while it predicted for the first time.

``in the network`` is the part of VoxTempo's time that Keras takes; what is left is reading, decoding and stitching. Every
number of threads has a process of its own.

MONAI needs an environment of its own. Make it once, and name it:

    python -m venv peers && peers/bin/pip install torch==2.13.0 monai torchio
    VOXTEMPO_PEERS=peers python benchmarks/sliding_window.py
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from stopwatch import Call, heading, ratio, row, seconds_in_turns
from stopwatch.memory import peak
from stopwatch.peers import THREADS, start_peers
from stopwatch.weights import save_weights

SHAPE, PATCH, OVERLAP, BATCH = (160, 192, 160), (80, 96, 80), 0.5, 1
LABELS = {1: "a", 2: "b"}
GOAL = 2
WIDTHS = (46, 10, 10, 14, 14)


class Timed:
    """A model that notes how long it takes."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.taken = 0.0

    def predict_on_batch(self, images: np.ndarray) -> np.ndarray:
        """Return the logits."""
        begin = time.perf_counter()
        found = self.model.predict_on_batch(images)
        self.taken += time.perf_counter() - begin
        return found


def measure(threads: int, widths: list[int], residual: bool, pairs: int) -> None:
    """Print the rows of one number of threads, in a process that has no more."""
    from voxtempo.cohort import Study
    from voxtempo.feed import FeedCase, Voxels
    from voxtempo.inference.network import Network
    from voxtempo.inference.predictor import Predictor
    from voxtempo.inference.stitching import gaussian_importance
    from voxtempo.learning.recipe import Recipe
    from voxtempo.learning.tasks import SegmentTask

    rng = np.random.default_rng(0)
    task = SegmentTask(LABELS)
    options = {"widths": widths, "residual": residual}
    recipe = Recipe("unet3d", options, (*PATCH, 1), "volume", task.as_json())
    model = recipe.build()
    model.set_weights([w + 0.1 * rng.standard_normal(w.shape) if w.ndim == 1 else w for w in model.get_weights()])
    study = Study.model_validate(
        {
            "name": "s",
            "task": "segment",
            "cohort": {"table": "t", "scans": {"mr": "mr"}, "target": {"mask": "m", "labels": LABELS}},
            "sample": {"patch": PATCH},
            "train": {"batch": BATCH},
            "evaluate": {"overlap": OVERLAP},
        }
    )
    timed = Timed(model)
    predictor = Predictor([Network(timed, recipe)], study)
    image = rng.standard_normal((1, *SHAPE, 1), dtype=np.float32)
    case = FeedCase("v", Voxels(image), (1.0, 1.0, 1.0))
    count = len(predictor.sampler(case).cover(case))
    timed.predict_on_batch(np.zeros((BATCH, *PATCH, 1), np.float32))
    before = peak()
    found = predictor.answer(case).probabilities
    calls: dict[str, Call] = {"VoxTempo": lambda: predictor.answer(case)}
    memory = {"VoxTempo": (peak(), peak() - before)}
    timed.taken = 0.0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        np.save(folder / "image.npy", image[0, ..., 0])
        np.save(folder / "importance.npy", gaussian_importance(PATCH))
        save_weights(model, folder / "weights.npz")
        shape = (len(LABELS) + 1, int(residual), *widths)
        peers = start_peers(
            "sliding_window", folder, *PATCH, OVERLAP, BATCH, *shape, threads=threads, libraries=("monai",)
        )
        for name in peers.names if peers is not None else ():
            assert peers is not None
            memory[name] = peers.ask(name, str(folder / "found.npy"))
            np.testing.assert_allclose(found, np.load(folder / "found.npy"), atol=1e-4, err_msg=name)
            calls[name] = lambda n=name, p=peers: p.ask(n)  # type: ignore[misc]
        times = seconds_in_turns(calls, pairs, warm=False)
        if peers is not None:
            peers.close()
    title = f"{threads} thread{'s' * (threads > 1)}, {count} patches, medians of {pairs}, in turns"
    row(title, "s", "ratio", "peak, MiB", "grown, MiB", widths=WIDTHS)
    for name, taken in times.items():
        row(
            name,
            f"{statistics.median(taken):.2f}",
            f"{ratio(taken, times['VoxTempo']):.2f}",
            *(f"{size:.0f}" for size in memory[name]),
            widths=WIDTHS,
        )
    row("VoxTempo, in the network (mean)", f"{timed.taken / pairs:.2f}", "", "", "", widths=WIDTHS)
    for name in list(times)[1:]:
        print(f"  goal {GOAL} times {name}: {'reached' if ratio(times[name], times['VoxTempo']) >= GOAL else 'missed'}")


def main() -> None:
    """Print a table for each number of threads."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="numbers of threads (default 1 2)")
    parser.add_argument("--widths", type=int, nargs="+", default=[8, 16, 32], help="channels of each level")
    parser.add_argument("--residual", action="store_true", help="residual units")
    parser.add_argument("--pairs", type=int, default=5, help="how often each side is timed (default 5)")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.here:
        measure(asked.threads[0], asked.widths, asked.residual, asked.pairs)
        return
    heading(
        f"Predicting {' x '.join(map(str, SHAPE))} in patches of {' x '.join(map(str, PATCH))}, "
        f"channels {', '.join(map(str, asked.widths))}{', residual' if asked.residual else ''}",
        "keras",
        "tensorflow_cpu",
        "torch",
        "jax",
    )
    sys.stdout.flush()
    for threads in asked.threads:
        limits = dict.fromkeys((*THREADS, "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), str(threads))
        own = [sys.executable, __file__, *sys.argv[1:], "--here", "--threads", str(threads)]
        subprocess.run(own, check=True, env=os.environ | limits)


if __name__ == "__main__":
    main()
