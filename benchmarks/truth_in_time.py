"""Which networks see what happens in time? Every network for series on simulated cohorts whose truth is in time alone.

The cohorts are those of ``voxtempo simulate timing`` with the study files that it writes; only the network changes, and
what ``SETTINGS`` says of it. Beside them stand views without time, which must be at chance: a network of volumes on the
mean image and on the signal-to-noise ratio over time. Every training is a process of its own.

Without arguments, one small network and the mean image learn one truth, in a few minutes and in a temporary folder. The whole
table takes hours:

    python benchmarks/truth_in_time.py --out DIR

It can be stopped at any time; the same command goes on with what is missing. Accuracies come with Wilson's interval, which
has a width at a perfect score too, R2 with the bootstrap of the run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from stopwatch import heading

from voxtempo.networks import networks
from voxtempo.simulate.courses import TRUTHS
from voxtempo.simulate.timing import Timing

SEED = 0
QUICK = (("cnn_lstm", "mean image"), ("pattern",))
SMALL_2D = (
    "backbone: lightweight_cnn, backbone_options: {widths: [8, 16], units: 16, grid: 1, norm: none}, slices: channels"
)
STATIC = {
    "mean image": (
        "prepare=[temporal_mean, {normalise: zscore}]",
        "sample=volume",
        "network={name: resnet3d, widths: [8, 16, 32]}",
    ),
    "tSNR image": (
        "prepare=[temporal_snr, {normalise: zscore}]",
        "sample=volume",
        "network={name: resnet3d, widths: [8, 16, 32]}",
    ),
}
"""Views without time: what is set in the study."""
SETTINGS: Mapping[str, tuple[str, ...]] = {
    **{name: (f"network={{name: {name}, {SMALL_2D}}}",) for name in ("framewise_2d", "conv3d_2d", "lstm_2d")},
    "resnet4d": ("network={name: resnet4d, widths: [8, 16]}",),
}
"""What is set in the study, where it is more than the network's name: small ones will do for small volumes."""


def chosen_networks() -> tuple[str, ...]:
    """Return the views without time and every registered network for series."""
    return (*STATIC, *(name for name in networks if networks[name].input == "series"))


def settings_of(network: str) -> tuple[str, ...]:
    """Return what is set in the study for a network or a view."""
    return STATIC.get(network) or SETTINGS.get(network) or (f"network={network}",)


def voxtempo(*arguments: str, log: Path, cache: Path) -> bool:
    """Run a command in a process of its own, its output in ``log``; return whether it succeeded."""
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ, "VOXTEMPO_CACHE": str(cache)}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as output:
        done = subprocess.run(
            [sys.executable, "-m", "voxtempo.cli", *arguments],
            stdout=output,
            stderr=output,
            env=environment,
            check=False,
        )
    return done.returncode == 0


def cohort(folder: Path, truth: str) -> Path:
    """Return the study file of a truth; its cohort is simulated where it is not there yet."""
    study = folder / f"{truth}.yaml"
    if not study.is_file():  # written last, so what stopped in the middle is made anew
        folder.mkdir(parents=True, exist_ok=True)
        Timing(truth=truth, seed=SEED).write(folder)  # type: ignore[arg-type]
    return study


def trained(out: Path, truth: str, network: str) -> Path | None:
    """Return the finished run of a network on a truth, trained where it is missing; None if that failed."""
    run = out / "runs" / truth / network.replace(" ", "_")
    if not (run / "manifest.json").is_file():
        study = cohort(out / "cohorts" / truth, truth)
        overrides = [word for setting in settings_of(network) for word in ("--set", setting)]
        log = run.with_suffix(".log")
        if not voxtempo("train", str(study), "--out", str(run), *overrides, log=log, cache=out / "cache"):
            print(f"{truth}, {network}: failed, see {log}\n{log.read_text(encoding='utf-8')[-500:]}", flush=True)
            return None
    return run


def wilson(share: float, count: int, z: float = 1.96) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share of ``count`` answers.

    >>> [round(bound, 3) for bound in wilson(1.0, 24)]
    [0.862, 1.0]
    """
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * (share * (1 - share) / count + z**2 / (4 * count**2)) ** 0.5
    return middle - half, min(1.0, middle + half)


def cell(run: Path | None) -> str:
    """Return accuracy or R2 of a run with its interval, for the table."""
    if run is None:
        return "failed"
    test: dict[str, Any] = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["test"]
    if "accuracy" in test:
        value = test["accuracy"]["value"]
        low, high = wilson(value, test["cases"])
    else:
        value, low, high = (test["r2"][key] for key in ("value", "low", "high"))
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


def cost(run: Path | None) -> tuple[float, int]:
    """Return the seconds of training and the number of weights of a run."""
    if run is None:
        return float("nan"), 0
    record: dict[str, Any] = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    return record["seconds"]["train"], record["network"]["parameters"]


def table(out: Path, names: Sequence[str], truths: Sequence[str]) -> Iterator[str]:
    """Train what is missing, and yield the lines of a Markdown table."""
    figures = [f"{truth} ({'accuracy' if TRUTHS[truth].groups else 'R2'})" for truth in truths]
    yield "| network | " + " | ".join(figures) + " | weights | s a training |"
    yield "|---" * (len(truths) + 3) + "|"
    for name in names:
        runs = [trained(out, truth, name) for truth in truths]
        costs = [cost(run) for run in runs]
        seconds = sorted(second for second, _ in costs)[len(costs) // 2]
        yield f"| {name} | " + " | ".join(map(cell, runs)) + f" | {max(n for _, n in costs):,} | {seconds:.0f} |"


def main() -> None:
    """Parse the options and print the table, a line as soon as its network is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, help="folder of cohorts and runs; with it, everything is trained by default"
    )
    parser.add_argument("--networks", help=f"names between commas: {', '.join(chosen_networks())}")
    parser.add_argument("--truths", help=f"names between commas: {', '.join(TRUTHS)}")
    options = parser.parse_args()
    known = (chosen_networks(), tuple(TRUTHS))
    names, truths = known if options.out else QUICK
    names = tuple(options.networks.split(",")) if options.networks else names
    truths = tuple(options.truths.split(",")) if options.truths else truths
    for what, given, all_of_them in (("networks", names, known[0]), ("truths", truths, known[1])):
        if unknown := set(given) - set(all_of_them):
            parser.error(f"--{what}: {', '.join(sorted(unknown))} unknown; there are {', '.join(all_of_them)}")
    heading(
        "Truth in time: test accuracy or R2 of networks for series, and of views without time",
        "keras",
        "tensorflow-cpu",
    )
    with contextlib.ExitStack() as stack:
        out = options.out or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for line in table(out, names, truths):
            print(line, flush=True)


if __name__ == "__main__":
    main()
