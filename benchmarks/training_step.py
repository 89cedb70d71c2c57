"""A training step of a U-Net on every backend, against the same network in plain PyTorch.

``unet3d`` with 16 to 128 channels (residual units, instance normalisation) on two volumes of 64 x 64 x 64: forward, Dice and
cross-entropy, backward, clipping by the global norm, AdamW. On VoxTempo's side a step is what its training does with a
batch in memory: ``train_on_batch``, the rate set before and the loss read after. On PyTorch's side it is the usual loop,
from ``zero_grad`` to ``loss.item()``, with the fused AdamW; eager in the memory format channels-last and in PyTorch's
default, through ``torch.compile`` (which needs a C++ compiler), and with channels last where glibc is told to keep what
memory it has ("memory kept"), as TensorFlow does by itself. All sides begin with the same weights; numbers of parameters,
logits and the losses of the first three steps are compared before anything is timed.

Every side is a process of its own, and the sides take turns. VoxTempo runs in ``.venv`` (TensorFlow), ``.venv-jax`` and
``.venv-torch`` of the repository, as far as they exist (``make test test-backends`` makes them); PyTorch in the
environment that VOXTEMPO_PEERS names, else in ``.venv-torch``. bfloat16 is measured for TensorFlow and for PyTorch (its
autocast); it pays on processors that compute in it. The processor's seconds are means, all threads and their waiting
for each other included.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

from stopwatch import heading, row
from stopwatch.problem import Problem
from stopwatch.sides import Side, Timed, spread, time_steps

ROOT = Path(__file__).parents[1]
BIN = Path("Scripts/python.exe" if os.name == "nt" else "bin/python")
BACKENDS = {"TensorFlow": ".venv", "JAX": ".venv-jax", "PyTorch": ".venv-torch"}
PLAIN = {"channels last": "", "channels first": "channels_first", "compiled": "compiled", "memory kept": "keep_memory"}
PLANS = {"float32": tuple(BACKENDS), "bfloat16": ("TensorFlow",)}
REFERENCE = "PyTorch, channels last"
PROBLEM = Problem("unet3d", (64, 64, 64, 1), batch=2, outputs=3, options={"widths": [16, 32, 64, 128]})
SMALL = replace(PROBLEM, shape=(16, 16, 16, 1), options={"widths": [4, 8]})
WIDTHS = (26, 9, 14, 22, 28, 11)


def sides_of(problem: Problem, backends: tuple[str, ...]) -> list[Side]:
    """Return the sides that have an environment; what is left out is said."""
    found = []
    for name in backends:
        python = ROOT / BACKENDS[name] / BIN
        if python.is_file():
            found.append(Side(f"VoxTempo, {name}", python, problem, backend=name.lower().replace("pytorch", "torch")))
        else:
            print(f"left out: VoxTempo, {name}: there is no {python}")
    python = Path(os.environ.get("VOXTEMPO_PEERS", ROOT / ".venv-torch")) / BIN
    if not python.is_file():
        print(f"left out: plain PyTorch: there is no {python} (VOXTEMPO_PEERS names its environment)")
        return found
    return found + [Side(f"PyTorch, {name}", python, problem, special=special) for name, special in PLAIN.items()]


def print_table(title: str, timed: list[Timed]) -> None:
    """Print what every side took, and how many times longer PyTorch did: eager with channels last, and the quickest."""
    plain = [each for each in timed if each.side.backend is None]
    reference = next((each for each in plain if each.side.name == REFERENCE), None)
    quickest = min(plain, key=lambda each: each.median) if plain else None
    last = f"/ {quickest.side.name.removeprefix('PyTorch, ')} (quickest)" if quickest else ""
    row(title, "s", "processor, s", "PyTorch eager / it", last, "peak, MiB", widths=WIDTHS)
    for each in timed:
        cells = [spread(each.ratios(other)) if other and other is not each else "1" for other in (reference, quickest)]
        row(each.side.name, f"{each.median:.3f}", f"{each.processor:.3f}", *cells, f"{each.memory:.0f}", widths=WIDTHS)


def main() -> None:
    """Parse the options and print a table for each precision and number of threads."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5, help="how often each side is timed (default 5)")
    parser.add_argument("--precision", choices=PLANS, nargs="+", default=list(PLANS), help="default: both")
    parser.add_argument("--steps", type=int, default=2, help="steps each time (default 2)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="numbers of threads (default 1 2)")
    parser.add_argument("--small", action="store_true", help="tiny shapes, to see that it runs")
    options = parser.parse_args()
    problem = SMALL if options.small else PROBLEM
    shape = " x ".join(map(str, problem.shape[:3]))
    heading(f"A training step of {problem.network}, {problem.batch} volumes of {shape}")
    print(f"medians of {options.pairs} turns of {options.steps} steps; ratios: median (lowest to highest)")
    for threads in options.threads:
        for precision in options.precision:
            sides = sides_of(replace(problem, precision=precision), PLANS[precision])
            timed = time_steps(sides, options.pairs, options.steps, threads)
            print_table(f"{precision}, {threads} thread{'s' * (threads > 1)}", timed)
            print(
                f"  {timed[0].parameters if timed else 0:,} parameters; "
                + "; ".join(sorted({t.versions for t in timed}))
            )


if __name__ == "__main__":
    main()
