"""The course of an experiment: blocks of a task with rest between them, locked to whole volumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voxtempo.errors import StudyError

BLOCK = 12.0
"""Seconds of a block, and of the rest after it, as near as whole volumes allow."""

DELAY = 5.0
"""Seconds from a block's onset to the window that shows its response."""


@dataclass(frozen=True)
class Block:
    """One stretch of activity: onset and duration in seconds from the first volume."""

    onset: float
    duration: float
    trial_type: str


def block_volumes(repetition_time: float) -> int:
    """Return how many volumes a block lasts; a cycle of block and rest lasts twice as many.

    >>> block_volumes(2.0), block_volumes(2.5)
    (6, 5)
    """
    return max(1, round(BLOCK / repetition_time))


def draw_blocks(
    rng: np.random.Generator, volumes: int, repetition_time: float, trial_types: Sequence[str]
) -> tuple[Block, ...]:
    """Return one block a cycle, the types balanced and in random order; the window of the last block still fits.

    Raises
    ------
    StudyError : the run is too short for one block of every type.
    """
    length = block_volumes(repetition_time)
    window = length + int(np.ceil(DELAY / repetition_time)) + 1
    count = (volumes - window) // (2 * length) + 1 if volumes >= window else 0
    if count < len(trial_types):
        need = 2 * length * (len(trial_types) - 1) + window
        raise StudyError(
            f"simulate: {volumes} volumes of {repetition_time:g} s hold {count} blocks, but {len(trial_types)} are "
            f"needed. Give at least {need} volumes."
        )
    order = rng.permutation(np.resize(np.arange(len(trial_types)), count))
    duration = length * repetition_time
    return tuple(Block(2 * k * duration, duration, trial_types[int(n)]) for k, n in enumerate(order))
