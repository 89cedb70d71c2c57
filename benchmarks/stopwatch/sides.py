"""The sides of a comparison of training steps: started, shown to train the same network, and timed in turns."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stopwatch import seconds_in_turns
from stopwatch.peers import Peers
from stopwatch.problem import Problem

TOLERANCE = {"float32": 1e-4, "bfloat16": 0.1}
"""Largest difference of logits, whose standard deviation is about 1; bfloat16 has 8 bits of precision."""
LOSS_TOLERANCE = {"float32": 1e-3, "bfloat16": 3e-2}
"""Relative, over the first steps: the updates before are compared with it too."""
FIRST_STEPS = 3


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
        """Return the process at work."""
        if self.backend is None:
            return Peers(self.python, "torch_step", self.problem.dumps(), self.device, self.special, threads=threads)
        variables = {
            "KERAS_BACKEND": self.backend,
            "TF_NUM_INTRAOP_THREADS": str(threads),
            "TF_CPP_MIN_LOG_LEVEL": "2",
            "NPROC": str(threads),  # JAX's pool of threads on processors
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        }
        return Peers(
            self.python, "voxtempo_step", self.problem.dumps(), self.device, threads=threads, variables=variables
        )


@dataclass(frozen=True)
class Timed:
    """What one side took: seconds a step of each turn, and the peak of its memory (MiB)."""

    side: Side
    versions: str
    parameters: int
    seconds: list[float] = field(default_factory=list)
    memory: float = float("nan")

    @property
    def median(self) -> float:
        """Seconds a step."""
        return statistics.median(self.seconds)

    def ratios(self, reference: Timed) -> list[float]:
        """Return how many times longer the reference took, turn by turn, from low to high."""
        return sorted(r / own for r, own in zip(reference.seconds, self.seconds, strict=True))


def time_steps(sides: Sequence[Side], turns: int, steps: int, threads: int) -> list[Timed]:
    """Return what each side took; what cannot run is left out with a line that says why.

    All sides have the weights of the first, and must then give its logits and the losses of its first steps (save the ones
    that train another network, which take no weights). Those steps compile and warm up, too.

    Parameters
    ----------
    sides : of one problem and precision; the first is VoxTempo's.
    turns : how often each is timed; the sides take turns.
    steps : in a turn.
    threads : of each side.
    """
    running: list[tuple[Side, Peers]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        expected: Mapping[str, np.ndarray] | None = None
        for side in sides:
            try:
                peers = side.start(threads)
                found = _first_steps(peers, folder, save=expected is None)
            except (RuntimeError, BrokenPipeError, OSError) as error:
                print(f"left out: {side.name}: {error}", flush=True)
                continue
            running.append((side, peers))
            if expected is None:
                expected = found
            elif "load" in peers.names:
                _compare(side, found, expected)
    calls = {side.name: lambda peers=peers: peers.ask("steps", steps) for side, peers in running}  # type: ignore[misc]
    times = seconds_in_turns(calls, turns, warm=False)
    done = []
    for side, peers in running:
        spent = [each / steps for each in times[side.name]]
        versions = peers.names["steps"]
        done.append(Timed(side, versions, peers.ask("parameters"), spent, peers.ask("memory")))
        peers.close()
    return done


def _first_steps(peers: Peers, folder: Path, save: bool) -> dict[str, np.ndarray]:
    """Exchange weights and return what must be equal: the number of parameters, logits, the first losses."""
    weights, logits = str(folder / "weights.npz"), str(folder / "logits.npy")
    if save:
        peers.ask("save", weights)
    elif "load" in peers.names:
        peers.ask("load", weights)
    peers.ask("logits", logits)
    losses = peers.ask("steps", FIRST_STEPS)
    return {"parameters": np.array(peers.ask("parameters")), "logits": np.load(logits), "losses": np.array(losses)}


def _compare(side: Side, found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> None:
    precision = side.problem.precision
    np.testing.assert_array_equal(found["parameters"], expected["parameters"], f"{side.name}: parameters")
    np.testing.assert_allclose(
        found["logits"], expected["logits"], rtol=0, atol=TOLERANCE[precision], err_msg=f"{side.name}: logits"
    )
    np.testing.assert_allclose(
        found["losses"], expected["losses"], rtol=LOSS_TOLERANCE[precision], err_msg=f"{side.name}: first losses"
    )


def spread(ratios: Sequence[float]) -> str:
    """Return a median with the range of all: "1.20 (1.10 to 1.31)"."""
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


