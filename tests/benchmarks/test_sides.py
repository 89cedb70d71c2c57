"""What the benchmarks of training steps compare before they time, and how weights get from one side to the other."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from stopwatch.peers import Peers  # noqa: E402
from stopwatch.problem import Problem  # noqa: E402
from stopwatch.sides import First, Side, Timed  # noqa: E402
from stopwatch.weights import load_weights, named_variables, save_weights  # noqa: E402

FIRST = First(7, np.linspace(-1, 1, 9, dtype=np.float32), np.array([2.0, 1.9, 1.8]))
PROBLEM = Problem("unet3d", (8, 8, 8, 1), 2, 3, options={"widths": [2, 4]})


@pytest.mark.parametrize(
    ("changed", "float32", "bfloat16"),
    [
        ({}, True, True),
        ({"parameters": 8}, False, False),
        ({"logits": FIRST.logits * np.float32(1.001)}, False, True),
        ({"logits": FIRST.logits[::-1]}, False, False),
        ({"logits": FIRST.logits * np.nan}, False, False),
        ({"losses": np.array([2.0, 1.9, 1.7])}, False, True),
        ({"losses": np.array([2.2, 1.9, 1.8])}, False, False),
        ({"losses": np.array([2.0, np.nan, np.nan])}, False, False),
    ],
)
def test_another_network_or_another_update_is_noticed(changed, float32, bfloat16):
    other = replace(FIRST, **changed)
    assert (other.differs(FIRST, "float32") == "") is float32
    assert (other.differs(FIRST, "bfloat16") == "") is bfloat16


def test_ratios_are_those_of_one_turn():
    side = Side("a", Path(sys.executable), PROBLEM)
    slow, quick = (Timed(side, "", 1, True, times) for times in ([2.0, 9.0], [1.0, 3.0]))
    assert quick.ratios(slow) == [2.0, 3.0]


def test_a_problem_survives_its_text_and_gives_the_same_batch():
    again = Problem.loads(PROBLEM.dumps())
    assert again == PROBLEM
    for one, other in zip(PROBLEM.make_batch(), again.make_batch(), strict=True):
        assert np.array_equal(one, other)
    assert PROBLEM.make_batch()[1].shape == (2, 8, 8, 8)


def test_weights_are_named_in_the_order_in_which_layers_are_made(tmp_path):
    pytest.importorskip("keras")
    from voxtempo.networks import Segment, build_network

    build_network("unet3d", (8, 8, 8, 1), Segment(3), PROBLEM.options)  # so that numbers do not begin at 0
    model = build_network("unet3d", (8, 8, 8, 1), Segment(3), PROBLEM.options, seed=1)
    found = named_variables(model)
    kernels = [tuple(found[f"Conv3D.{place}.kernel"].shape) for place in range(11)]
    one, three = (1, 1, 1), (3, 3, 3)
    encoder = [(*three, 1, 2), (*three, 2, 2), (*one, 1, 2), (*three, 2, 4), (*three, 4, 4), (*one, 2, 4)]
    decoder = [(*one, 4, 2), (*three, 4, 2), (*three, 2, 2), (*one, 4, 2), (*one, 2, 3)]
    assert kernels == [*encoder, *decoder]
    assert tuple(found["Conv3D.10.bias"].shape) == (3,)
    assert len(found) == len(model.weights)
    save_weights(model, tmp_path / "w.npz")
    other = build_network("unet3d", (8, 8, 8, 1), Segment(3), PROBLEM.options, seed=2)
    load_weights(other, tmp_path / "w.npz")
    for one_side, other_side in zip(model.get_weights(), other.get_weights(), strict=True):
        assert np.array_equal(one_side, other_side)


def test_a_side_that_ends_says_its_last_line():
    with pytest.raises(RuntimeError, match=r"status 1: .*Expecting value"):
        Peers(Path(sys.executable), "voxtempo_step", "not JSON", "cpu")


@pytest.mark.skipif(
    any(importlib.util.find_spec(name) for name in ("torch", "jax")), reason="would look for a GPU, and use one"
)
def test_without_a_gpu_the_benchmark_says_so_and_ends_well(tmp_path):
    script = BENCHMARKS / "gpu" / "training_step.py"
    done = subprocess.run(
        [sys.executable, script, "--out", tmp_path / "out"], capture_output=True, text=True, check=True
    )
    assert "no GPU" in done.stdout
    assert not (tmp_path / "out").exists()
