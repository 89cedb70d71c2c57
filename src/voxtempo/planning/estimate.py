"""What a study will cost before anything is built: arithmetic, memory and time, to a factor of about two.

Arithmetic and memory follow from the network and the shape of the sample (``network_cost``, ``series_cost``), time from a
throughput measured with the default networks on a processor; an accelerator is far faster.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from voxtempo.cohort.study import Sample, Study, Window
from voxtempo.planning.machine import Machine, this_machine
from voxtempo.planning.network_cost import network_cost, refuse_options
from voxtempo.planning.series_cost import series_cost

GFLOPS_PER_CORE = {"segment": 115.0, "classify": 52.0, "regress": 52.0}
"""Sustained training throughput of one processor core with TensorFlow, 10^9 operations a second: U-Nets work on large
maps, classifiers mostly on small ones, where augmentation and overhead weigh more."""

BFLOAT16 = 1.6
"""How much faster a processor trains in bfloat16 if it has instructions for it."""

BASE_MB = 800.0
BYTES_A_VALUE = 1.3 * 4
BATCHES = 7
"""Batches in memory at once: five that wait, the one in use, and the framework's copy of it."""


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
    sample = _sample_shape(study.sample, shape)
    flop, values = _sample_cost(study, study.sample.window, sample)
    training_flop = 3 * flop
    memory = memory_mb(values, study.train.batch) + BATCHES * study.train.batch * _sample_mb(study, sample)
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


def memory_mb(values: float, batch: int) -> float:
    """Return the peak memory of training on a processor with TensorFlow in float32, in MB.

    Parameters
    ----------
    values : that one sample leaves behind on the way forward (see ``network_cost``).
    batch : samples of an update.

    Notes
    -----
    Measured as the largest resident memory of a process that made three updates. 800 MB are libraries and compiled
    graphs; each value takes 4 bytes, and temporaries and gradients add 0.3 of all values. For unet3d (16, 48 and 64
    voxels a side, plain and residual, width 16 and 32), unet2d, attention_unet3d, mednext3d, fcn3d and resnet3d, batches
    of 1 to 16, it was off by 13 % at most.

    >>> round(memory_mb(45.6e6, 2))  # unet3d on 48 x 48 x 48; measured: 1219
    1252
    """
    return BASE_MB + BYTES_A_VALUE * values * batch / 2**20


def refuse_network(study: Study, shape: Sequence[int]) -> None:
    """Raise the ``StudyError`` with which a registered network for slices or volumes would refuse the study's samples.

    Parameters
    ----------
    study : with sample and network.
    shape : (x, y, z) voxels of the largest prepared scan.
    """
    assert study.sample is not None
    if study.network.name is None or study.sample.window is not None:
        return
    name, options, sample = study.network.name, study.network.options, _sample_shape(study.sample, shape)
    refuse_options(name, options, sample, _channels(study), _outputs(study), decoded=study.task == "segment")


def _sample_shape(sample: Sample, shape: Sequence[int]) -> list[int]:
    """Return the voxels of a sample along x, y, z; 1 across a slice."""
    voxels = list(sample.patch or shape)
    if sample.across is not None:
        voxels[sample.across] = 1
    return voxels


def _sample_mb(study: Study, shape: Sequence[int]) -> float:
    """Return the MB of a sample as it is fed: float32, with a label map of int32 where there is one."""
    assert study.sample is not None
    window = study.sample.window
    maps = _channels(study) * (window.volumes if window is not None else 1)
    return 4 * math.prod(shape) * (maps + (study.task == "segment")) / 2**20


def _channels(study: Study) -> int:
    """Return the channels that a network is given of a slice, a volume or a frame."""
    assert study.sample is not None
    window = study.sample.window
    derived = 1 + len(window.derivatives) if window is not None else 1
    return len(study.cohort.scans) * derived * (2 * study.sample.beside + 1)


def _sample_cost(study: Study, window: Window | None, shape: Sequence[int]) -> tuple[float, float]:
    """Return the operations of one forward pass and the number of values kept, for one sample."""
    channels = _channels(study)
    if window is None:
        return _frame_cost(study, shape, channels)
    network = study.network
    known = series_cost(str(network.name), network.options, shape, window.volumes, channels)
    if known is not None:
        return known
    flop, values = _frame_cost(study, shape, channels)
    return flop * window.volumes, values * window.volumes


def _frame_cost(study: Study, shape: Sequence[int], channels: int) -> tuple[float, float]:
    """Return the same for one slice or volume."""
    network = study.network
    segment = study.task == "segment"
    return network_cost(network.name, network.options, shape, channels, _outputs(study), decoded=segment)


def _outputs(study: Study) -> int:
    """Return the answers of a voxel, or of a sample."""
    target = study.cohort.target
    return len(target.regions or ["background", *(target.labels or ["label"])]) if study.task == "segment" else 2
