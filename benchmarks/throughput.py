"""Windows a second, in training and in prediction, and peak memory of every network for series.

Windows are 20 volumes of 32 x 32 x 24 voxels, 4 in a batch, random numbers that are already in memory: what the feed costs is
measured elsewhere (``feed``, ``windows``). Each network runs in a process of its own; times are medians over single batches
after the first, which compiles. Options are the defaults, save for networks around a 2D backbone: VGG19 on every slice
of every volume is not for processors, so the slices are the channels of one picture.

With ``--lengths``, instead, peak memory of training by the command line against the length of the series, for the networks
that ``--networks`` names. Allocated memory should not grow with it (``memory_of_series`` shows preparation too).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from memory_of_series import LENGTHS, SHAPE, WINDOW, peaks, write_study
from stopwatch import heading, row, seconds
from stopwatch.memory import peak

from voxtempo.networks import networks

WINDOWS = (20, 32, 32, 24, 1)
BATCH = 4
REPEATS = 7
ENOUGH = 20.0  # seconds of one kind of measurement after which three repeats will do
OPTIONS: dict[str, dict[str, Any]] = {
    "framewise_2d": {"slices": "channels"},
    "conv3d_2d": {"slices": "channels"},
    "lstm_2d": {"slices": "channels"},
}
WIDTHS = (22, 12, 16, 18, 14, 16)
LENGTH_WIDTHS = (22, 12, 14, 14, 8)


def series_networks() -> list[str]:
    """Return the names of the registered networks for series."""
    return [name for name in networks if networks[name].input == "series"]


def measure(name: str) -> dict[str, float]:
    """Return what one network costs, measured in this process."""
    from voxtempo.cohort.study import Train
    from voxtempo.learning import backend
    from voxtempo.learning.losses import build_loss
    from voxtempo.learning.optimisers import make_optimiser
    from voxtempo.networks import Classify, build_network

    backend.start(0)
    rng = np.random.default_rng(0)
    images = rng.standard_normal((BATCH, *WINDOWS), dtype=np.float32)
    targets = np.arange(BATCH, dtype=np.int32) % 2
    model = build_network(name, WINDOWS, Classify(2), OPTIONS.get(name, {}))
    optimiser = make_optimiser(Train(rate=1e-3, weight_decay=1e-2))
    model.compile(optimiser, build_loss("classify"), jit_compile=backend.compile_whole_graph())
    return {
        "weights": float(model.count_params()),
        "predict": BATCH / median(lambda: np.asarray(model.predict_on_batch(images))),
        "train": BATCH / median(lambda: float(model.train_on_batch(images, targets))),
        "peak": peak(),
    }


def median(call: Callable[[], object]) -> float:
    """Return the median seconds of a call after the first."""
    call()
    times: list[float] = []
    begin = time.perf_counter()
    while len(times) < REPEATS and (len(times) < 3 or time.perf_counter() - begin < ENOUGH):
        times.append(seconds(call))
    return statistics.median(times)


def in_own_process(name: str) -> dict[str, float] | None:
    """Return ``measure`` of a network, from a process of its own; None if it failed."""
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ}
    done = subprocess.run(
        [sys.executable, __file__, "--one", name], capture_output=True, text=True, env=environment, check=False
    )
    lines = done.stdout.splitlines()
    if done.returncode != 0 or not lines:
        print(f"{name}: failed\n{done.stderr[-500:]}", flush=True)
        return None
    return dict(json.loads(lines[-1]))


def throughput(names: list[str]) -> None:
    """Print a row a network."""
    heading(
        f"Windows a second: {' x '.join(map(str, WINDOWS[1:4]))} x {WINDOWS[0]} volumes, batches of {BATCH}",
        "keras",
        "tensorflow-cpu",
    )
    print(f"medians of up to {REPEATS} batches; peak: resident memory of the process, Python and framework included")
    row("network", "weights", "train, win/s", "predict, win/s", "ms a batch", "peak, MiB", widths=WIDTHS)
    for name in names:
        found = in_own_process(name)
        if found is not None:
            row(
                name, f"{found['weights']:,.0f}", f"{found['train']:.2f}", f"{found['predict']:.2f}",
                f"{1e3 * BATCH / found['train']:.0f}", f"{found['peak']:.0f}", widths=WIDTHS,
            )  # fmt: skip


def lengths(names: list[str]) -> None:
    """Print the peak memory of training each network on series of different length."""
    heading(f"Peak memory (MiB) of training: series of {' x '.join(map(str, SHAPE))} x t, windows of {WINDOW}", "keras")
    row("network", "volumes", "anonymous", "resident", "s", widths=LENGTH_WIDTHS)
    with tempfile.TemporaryDirectory() as temporary:
        for volumes in LENGTHS:
            folder = Path(temporary) / str(volumes)
            write_study(folder, volumes)
            study, cache = str(folder / "z-score.yaml"), folder / "cache"
            peaks(["prepare", study, "--workers", "1"], cache, folder / "prepare.log")
            for name in names:
                network = "network=" + json.dumps({"name": name, **OPTIONS.get(name, {})})
                arguments = ["train", study, "--out", str(folder / name), "--set", network]
                anonymous, resident, spent = peaks(arguments, cache, folder / f"{name}.log")
                row(name, volumes, f"{anonymous:.0f}", f"{resident:.0f}", f"{spent:.0f}", widths=LENGTH_WIDTHS)


def main() -> None:
    """Parse the options and print one of the two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", help=f"names between commas, of {', '.join(series_networks())}")
    parser.add_argument("--lengths", action="store_true", help="memory against the length of the series instead")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one)))
        return
    names = options.networks.split(",") if options.networks else ["cnn_lstm"] if options.lengths else series_networks()
    if unknown := set(names) - set(series_networks()):
        parser.error(f"--networks: {', '.join(sorted(unknown))} unknown; there are {', '.join(series_networks())}")
    (lengths if options.lengths else throughput)(names)


if __name__ == "__main__":
    main()
