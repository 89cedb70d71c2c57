"""A training step on a GPU in bfloat16: VoxTempo on JAX and PyTorch, the same networks in plain PyTorch, and MONAI's U-Net.

Two networks: ``unet3d`` on patches of 128 x 128 x 128, and ``cnn_lstm`` on series of 64 x 64 x 36 x 20, two in a batch. A
step is that of ``benchmarks/training_step.py``, the hand-over of the batch from memory to the GPU included. Plain PyTorch
computes by autocast, eager in both memory formats and through ``torch.compile``, with cuDNN's search for the quickest
convolutions and the fused AdamW. MONAI's U-Net has the same channels and two residual units a level; it is another
network, so nothing is compared with it. Of the others, numbers of parameters, logits and first losses are.

Everything runs in the environment of the interpreter that runs this, as far as it is there. Peak memory is what tensors
took on the GPU since the start, so the search for quick convolutions is in it. All sides hold their memory at the same time.

Without a GPU it says so and ends well. ``--small`` takes tiny shapes, and a processor where there is no GPU: that shows that it
runs, not what is quick. docs/benchmarks.md has the commands for a machine without a network.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from stopwatch import heading  # noqa: E402
from stopwatch.problem import Problem  # noqa: E402
from stopwatch.sides import Side, Timed, spread, time_steps  # noqa: E402

PROBLEMS = {
    "unet3d": Problem("unet3d", (128, 128, 128, 1), 2, 3, "bfloat16", {"widths": [16, 32, 64, 128]}),
    "cnn_lstm": Problem("cnn_lstm", (20, 64, 64, 36, 1), 2, 2, "bfloat16"),
}
SMALL = {
    "unet3d": replace(PROBLEMS["unet3d"], shape=(16, 16, 16, 1), options={"widths": [4, 8]}),
    "cnn_lstm": replace(PROBLEMS["cnn_lstm"], shape=(3, 16, 16, 9, 1)),
}
BACKENDS = {"JAX": "jax", "PyTorch": "torch"}
PLAIN = {"channels last": "", "channels first": "channels_first", "compiled, channels last": "compiled"}
FIND = {
    "torch": "import torch; torch.cuda.is_available() and print(torch.cuda.get_device_name(0))",
    "jax": "import jax; d = jax.devices()[0]; d.platform == 'gpu' and print(d.device_kind)",
}
COLUMNS = ("side", "ms a step", "PyTorch eager / it", "peak, MiB", "parameters", "same network")
NO_GPU = "no GPU: neither PyTorch nor JAX finds one here, so nothing was measured (--small runs tiny shapes on the processor)"


def there(library: str) -> bool:
    """Return whether a library is installed."""
    return importlib.util.find_spec(library) is not None


def gpu() -> str | None:
    """Return the name of the GPU, asked in another process so that this one takes nothing of it."""
    for library, code in FIND.items():
        if there(library):
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
            if name := done.stdout.strip():
                return name
    return None


def sides_of(problem: Problem, device: str, left_out: list[str]) -> list[Side]:
    """Return the sides that this environment has, and note what is left out."""
    python, found = Path(sys.executable), []
    for name, backend in BACKENDS.items():
        if there("keras") and there(backend):
            found.append(Side(f"VoxTempo, {name}", python, problem, device, backend))
        else:
            left_out.append(f"left out: VoxTempo, {name}: keras and {backend} are not both installed")
    if not there("torch"):
        return [*found, *_note(left_out, "left out: plain PyTorch: torch is not installed")]
    found += [Side(f"PyTorch, {name}", python, problem, device, special=special) for name, special in PLAIN.items()]
    if problem.network != "unet3d":
        return found
    if not there("monai"):
        return [*found, *_note(left_out, "left out: MONAI UNet: monai is not installed")]
    return [*found, Side("MONAI UNet, channels last", python, problem, device, special="monai")]


def _note(lines: list[str], line: str) -> list[Side]:
    lines.append(line)
    return []


def records(timed: list[Timed]) -> list[dict[str, Any]]:
    """Return a row a side, ready for JSON; ratios are against plain PyTorch, eager, channels last."""
    reference = next((each for each in timed if each.side.name == "PyTorch, channels last"), None)
    return [
        {
            "side": each.side.name,
            "versions": each.versions,
            "seconds": each.seconds,
            "ratios": each.ratios(reference) if reference is not None else [],
            "peak_mib": each.memory,
            "parameters": each.parameters,
            "same_network": each.same,
        }
        for each in timed
    ]


def table(title: str, rows: list[dict[str, Any]]) -> str:
    """Return a Markdown table."""
    lines = [f"## {title}", "", "| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    for each in rows:
        cells = (
            each["side"],
            f"{1e3 * sorted(each['seconds'])[len(each['seconds']) // 2]:.1f}",
            spread(each["ratios"]) if each["ratios"] else "",
            f"{each['peak_mib']:.0f}",
            f"{each['parameters']:,}",
            "yes" if each["same_network"] else "no",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Parse the options, measure, print, and write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, default=ROOT / "build" / "bench-gpu", help="folder for the .md and the .json"
    )
    parser.add_argument("--small", action="store_true", help="tiny shapes, on the processor if there is no GPU")
    parser.add_argument("--networks", nargs="+", choices=PROBLEMS, default=list(PROBLEMS), help="default: all")
    parser.add_argument("--batch", type=int, default=2, help="samples in a batch (default 2)")
    parser.add_argument("--widths", type=int, nargs="+", help="channels of the U-Net's levels (default 16 32 64 128)")
    parser.add_argument("--turns", type=int, default=5, help="how often each side is timed (default 5)")
    parser.add_argument("--steps", type=int, default=10, help="steps each time (default 10)")
    options = parser.parse_args()
    name = gpu()
    if name is None and not options.small:
        print(NO_GPU)
        return
    heading(f"A training step in bfloat16 on {name or 'the processor'}", "keras", "jax", "torch", "monai")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT / "src"), os.environ.get("PYTHONPATH"))))
    left_out: list[str] = []
    found: dict[str, Any] = {}
    turns = f"Medians of {options.turns} turns of {options.steps} steps; ratios: median (lowest to highest)."
    text = [f"# A training step in bfloat16 on {name or 'the processor'}", "", turns]
    options.out.mkdir(parents=True, exist_ok=True)
    for network in options.networks:
        problem = replace((SMALL if options.small else PROBLEMS)[network], batch=options.batch)
        if network == "unet3d" and options.widths:
            problem = replace(problem, options={"widths": options.widths})
        sides = sides_of(problem, "gpu" if name else "cpu", left_out)
        timed = time_steps(sides, options.turns, options.steps, os.cpu_count() or 1, left_out.append)
        found[network] = {"problem": json.loads(problem.dumps()), "sides": records(timed)}
        shape = " x ".join(map(str, problem.shape))
        text += ["", table(f"{network}, {shape}, batch {problem.batch}", found[network]["sides"])]
        print(text[-1], flush=True)
        _write(options.out, text, {"device": name or "cpu", "networks": found, "left_out": left_out})
    print("\n".join(["", *left_out, f"written to {options.out}"]))


def _write(folder: Path, text: list[str], record: dict[str, Any]) -> None:
    """Write what there is so far, so that a run that is cut off leaves something."""
    lines = [*text, "", *(f"- {line}" for line in record["left_out"])]
    (folder / "training_step.md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    (folder / "training_step.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
