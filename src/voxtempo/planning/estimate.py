"""What a study will cost before anything is built: arithmetic, memory and time, to a factor of about two.

The arithmetic of convolutional networks is dominated by their 3-wide convolutions, so it can be counted from the shape of
the sample and the widths of the levels. The time follows from a throughput measured with the default networks on a
processor; an accelerator is far faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voxtempo.cohort.study import Study, Window
from voxtempo.planning.machine import Machine, this_machine
from voxtempo.planning.series_cost import series_cost

GFLOPS_PER_CORE = {"segment": 110.0, "classify": 45.0, "regress": 45.0}
"""Sustained training throughput of one processor core with TensorFlow, 10^9 operations a second: U-Nets work on large
maps, classifiers mostly on small ones, where augmentation and overhead weigh more."""

BFLOAT16 = 1.6
"""How much faster a processor trains in bfloat16 if it has instructions for it."""

STEM_VALUES = {"slice": 2**13, "volume": 2**16}
"""The residual networks stride in their first convolution until at most so many voxels are left, if the study does not say."""


@dataclass(frozen=True)
class Estimate:
    """Predicted cost of training once.

    ``gflop`` is the arithmetic of one sample's training step, ``memory_mb`` the training process, ``minutes`` all epochs
    on this machine's processor, ``samples`` the training samples in a pass.
    """

    gflop: float
    memory_mb: float
    minutes: float
    samples: int
    cores: int

    def lines(self) -> list[str]:
        """Return the estimate for a person."""
        return [
            f"cost: about {self.gflop:.2g} GFLOP a training sample, {self.samples} training samples a pass",
            f"cost: about {self.memory_mb / 1024:.1f} GB of memory and {_duration(self.minutes)} of training on "
            f"{self.cores} processor cores (to a factor of two; an accelerator is much faster)",
        ]


def _duration(minutes: float) -> str:
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def estimate(study: Study, shape: Sequence[int], samples: int, machine: Machine | None = None) -> Estimate:
    """Return the predicted cost of a completed study.

    Parameters
    ----------
    study : complete.
    shape : (x, y, z) voxels of the largest prepared scan.
    samples : of one pass over the training cases.
    machine : that trains; this one if not given.
    """
    machine = machine or this_machine()
    assert study.sample is not None
    assert study.train.epochs is not None
    assert study.train.batch is not None
    sample = list(study.sample.patch or shape)
    if study.sample.across is not None:
        sample[study.sample.across] = 1
    flop, values = _sample_cost(study, study.sample.window, sample)
    training_flop = 3 * flop
    memory = 700 + 4 * 2.5 * values * study.train.batch / 2**20
    steps = study.train.steps or -(-samples // study.train.batch)
    seconds = (
        steps
        * study.train.epochs
        * study.train.batch
        * training_flop
        / (
            GFLOPS_PER_CORE[study.task]
            * 1e9
            * machine.cores
            * (BFLOAT16 if study.train.precision == "bfloat16" else 1.0)
        )
    )
    return Estimate(training_flop / 1e9, memory, seconds / 60, samples, machine.cores)


def _sample_cost(study: Study, window: Window | None, shape: Sequence[int]) -> tuple[float, float]:
    """Return the operations of one forward pass and the number of activations kept, for one sample."""
    channels = len(study.cohort.scans)
    if window is None:
        beside = study.sample.beside if study.sample is not None else 0
        return _network_cost(study, shape, channels * (2 * beside + 1))
    channels *= 1 + len(window.derivatives)
    network = study.network
    known = series_cost(str(network.name), network.options, shape, window.volumes, channels)
    if known is not None:
        return known
    flop, values = _network_cost(study, shape, channels)
    return flop * window.volumes, values * window.volumes


def _network_cost(study: Study, shape: Sequence[int], channels: int) -> tuple[float, float]:
    """Return the operations of one forward pass and the number of activations kept, for one slice or volume."""
    options = study.network.options
    segment = study.task == "segment"
    widths = options.get("widths")
    if not widths:
        width = int(options.get("width") or 16)
        widths = [width * 2**i for i in range(4)]
    stem = options.get("stem_stride") or 1
    most = STEM_VALUES["volume" if min(shape) > 1 else "slice"]
    while str(study.network.name).startswith("resnet") and np.prod([n / min(stem, n) for n in shape]) > most:
        stem *= 2
    size = np.array([n / (stem if n > 1 else 1) for n in shape], dtype=np.float64)
    flop = values = 0.0
    previous = channels
    for width in widths:
        taps = 3.0 ** int((size > 1).sum())
        voxels = float(np.prod(size))
        # Encoder: previous -> width -> width; decoder, at all but the coarsest level: 2 width -> width -> width.
        decoder = 3 * width * width if segment and width != widths[-1] else 0
        convolutions = previous * width + (1 if segment else 3) * width * width + decoder
        flop += 2 * taps * voxels * convolutions
        values += voxels * width * (10 if segment else 6)
        size = np.where(size > 1, np.ceil(size / 2), 1)
        previous = width
    return flop, values
