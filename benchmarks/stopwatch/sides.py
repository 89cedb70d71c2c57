"""The sides of a comparison of training steps: started, shown to train the same network, and timed in turns."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stopwatch import seconds
from stopwatch.peers import Peers
from stopwatch.problem import Problem

LOGITS_TOLERANCE = {"float32": 1e-4, "bfloat16": 0.1}
"""The size of the difference of two sides' logits over the size of the logits (root of the sum of squares)."""
LOSS_TOLERANCE = {"float32": 1e-3, "bfloat16": 3e-2}
"""Relative. In float32 all of the first steps are compared, and with them the updates; in bfloat16 the first alone, since
AdamW makes as much of gradients that are mere rounding as of others."""
FIRST_STEPS = 3
KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(10**11)}
"""Variables with which glibc gives no memory back; else every large tensor on a processor is paged in anew."""


@dataclass(frozen=True)
class Side:
    """One way to take the same training step.

    Parameters
    ----------
    name : in the table.
    python : interpreter of its environment.
    problem : what is trained.
    device : "cpu" or "gpu".
    backend : of VoxTempo; None: plain PyTorch.
    special : for plain PyTorch, see ``peers/torch_step.py``.
    """

    name: str
    python: Path
    problem: Problem
    device: str = "cpu"
    backend: str | None = None
    special: str = ""

    def start(self, threads: int) -> Peers:
        """Return the process at work.

        Raises
        ------
        RuntimeError : it ended before it was ready.
        """
        if self.backend is None:
            kept = KEEP_MEMORY if "keep_memory" in self.special else {}
            return Peers(
                self.python,
                "torch_step",
                self.problem.dumps(),
                self.device,
                self.special,
                threads=threads,
                variables=kept,
            )
        variables = {
            "KERAS_BACKEND": self.backend,
            "TF_NUM_INTRAOP_THREADS": str(threads),
            "TF_CPP_MIN_LOG_LEVEL": "2",
            "NPROC": str(threads),  # JAX's pool of threads on processors
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # else JAX takes three quarters of a GPU that others need too
        }
        return Peers(
            self.python, "voxtempo_step", self.problem.dumps(), self.device, threads=threads, variables=variables
        )


@dataclass(frozen=True)
class First:
    """What a side answers before it is timed: logits of the batch, then the losses of the first steps."""

    parameters: int
    logits: NDArray[np.float32]
    losses: NDArray[np.float64]

    def differs(self, other: First, precision: str) -> str:
        """Return what says that another side trains another network, or nothing."""
        if self.parameters != other.parameters:
            return f"{self.parameters} parameters instead of {other.parameters}"
        found = np.linalg.norm(self.logits - other.logits) / np.linalg.norm(other.logits)
        if not found <= LOGITS_TOLERANCE[precision]:
            return f"its logits differ by {found:.2g}, more than {LOGITS_TOLERANCE[precision]:g}"
        compared = slice(None) if precision == "float32" else slice(1)
        near = np.allclose(self.losses[compared], other.losses[compared], rtol=LOSS_TOLERANCE[precision], atol=0)
        if not near or not np.isfinite(self.losses).all():
            return f"its first losses are {self.losses.round(4).tolist()} instead of {other.losses.round(4).tolist()}"
        return ""


@dataclass(frozen=True)
class Timed:
    """What one side took: seconds a step of each turn, and the peak of its memory (MiB).

    ``same`` says whether its logits and first losses were found equal to the first side's; ``processor`` is the mean of the
    processor's seconds a step, which says more than the clock where others use the machine.
    """

    side: Side
    versions: str
    parameters: int
    same: bool
    seconds: list[float] = field(default_factory=list)
    processor: float = float("nan")
    memory: float = float("nan")

    @property
    def median(self) -> float:
        """Seconds a step."""
        return statistics.median(self.seconds)

    def ratios(self, reference: Timed) -> list[float]:
        """Return how many times longer a reference took, turn by turn."""
        return [other / own for other, own in zip(reference.seconds, self.seconds, strict=True)]


@dataclass
class _Running:
    """A side at work, what it took so far, and the processor's seconds when it began."""

    peers: Peers
    timed: Timed
    began: float


def time_steps(
    sides: Sequence[Side], turns: int, steps: int, threads: int, left_out: Callable[[str], object] = print
) -> list[Timed]:
    """Return what each side took; what cannot run, or trains another network, is left out with a line that says why.

    All begin with the weights of the first and must give its logits and the losses of its first steps (save MONAI's network,
    which takes no weights). Those steps compile and warm up, too.

    Parameters
    ----------
    sides : of one problem and precision; those of VoxTempo come first.
    turns : how often each is timed; the sides take turns.
    steps : in a turn.
    threads : of each side.
    left_out : gets those lines.
    """
    running: list[_Running] = []
    expected: First | None = None
    with tempfile.TemporaryDirectory() as temporary:
        for side in sides:
            try:
                peers = side.start(threads)
                found = _first(peers, Path(temporary), expected is not None)
            except (RuntimeError, BrokenPipeError) as error:
                left_out(f"left out: {side.name}: {error}")
                continue
            same = expected is not None and "load" in peers.names
            if expected is not None and same and (reason := found.differs(expected, side.problem.precision)):
                left_out(f"left out: {side.name}: {reason}")
                peers.close()
                continue
            if side.backend is not None and expected is None:
                expected, same = found, True
            running.append(
                _Running(peers, Timed(side, peers.names["steps"], found.parameters, same), peers.ask("processor"))
            )
    for _ in range(turns):
        for each in list(running):
            try:
                each.timed.seconds.append(seconds(lambda each=each: each.peers.ask("steps", steps)) / steps)  # type: ignore[misc]
            except (RuntimeError, BrokenPipeError) as error:
                left_out(f"left out: {each.timed.side.name}: {error}")
                running.remove(each)
    return [_finish(each, turns * steps) for each in running]


def _first(peers: Peers, folder: Path, there_are_weights: bool) -> First:
    """Write the weights of the first side, or take them, and let the side take its first steps."""
    weights, logits = str(folder / "weights.npz"), str(folder / "logits.npy")
    if not there_are_weights and "save" in peers.names:
        peers.ask("save", weights)
    elif there_are_weights and "load" in peers.names:
        peers.ask("load", weights)
    peers.ask("logits", logits)
    losses = np.array(peers.ask("steps", FIRST_STEPS))
    return First(peers.ask("parameters"), np.load(logits), losses)


def _finish(running: _Running, steps: int) -> Timed:
    """Ask for processor time and memory and end the process."""
    processor = (running.peers.ask("processor") - running.began) / steps
    finished = replace(running.timed, processor=processor, memory=running.peers.ask("memory"))
    running.peers.close()
    return finished


def spread(ratios: Sequence[float]) -> str:
    """Return a median with the range of all.

    >>> spread([1.1, 1.3, 1.2])
    '1.20 (1.10 to 1.30)'
    """
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
