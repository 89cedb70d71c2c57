"""Courses over time that no static view tells apart: every one has the same mean and variance over the run.

The two patterns, and the two orders, are each other's mirror image in time, so they hold the same volumes in another
order; and with a phase drawn evenly any moment of the cycle is as likely in one volume as in another. Oscillations of
different frequency visit the same values. So a mean, a deviation or a single volume is the same for every truth. Haemodynamic
responses would not do for the orders: they rise faster than they fall and then undershoot, so that one volume could tell
which region was first. The response to blocks does show in a volume at a known time, but people's regions
differ more at rest than by the response (see ``timing``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxtempo.simulate.anatomy import REGIONS
from voxtempo.simulate.design import Block
from voxtempo.simulate.haemodynamics import block_response

SAWTOOTH = 20.0
"""Seconds from one step of a sawtooth to the next."""

PAIR, GAP, EVENT = 40.0, 10.0, 3.0
"""Seconds between pairs of events, between the events of a pair, and of an event (standard deviation of its bell)."""

HERTZ = {"slow": 0.05, "fast": 0.1}
"""Frequency of each group."""

BLOCK = 10.0
"""Seconds of a block that a region responds to, and of the rest before it, as near as whole volumes allow."""

OTHER = 0.13
"""Hertz of what else goes on in such a region."""

Seconds = NDArray[np.float64]
Course = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Activity:
    """What a brain does in a run: a course (t,) for each region, and the blocks it responds to, if there are any."""

    courses: Mapping[str, Course]
    blocks: tuple[Block, ...] = ()


def pattern(rng: np.random.Generator, seconds: Seconds, group: str) -> Activity:
    """Return a sawtooth that climbs slowly and drops at once ("rising"), or climbs at once and drops slowly ("falling")."""
    turns = seconds / SAWTOOTH + rng.uniform()
    return _everywhere((turns if group == "rising" else -turns) % 1.0)


def order(rng: np.random.Generator, seconds: Seconds, group: str) -> Activity:
    """Return pairs of events: the visual region before the motor one ("visual_first"), or after it ("motor_first")."""
    start = rng.uniform(0, PAIR)
    first, second = ("visual", "motor") if group == "visual_first" else ("motor", "visual")
    courses = {first: bells(seconds, start), second: bells(seconds, start + GAP)}
    return Activity({name: level(courses[name]) for name in ("visual", "motor")})


def frequency(rng: np.random.Generator, seconds: Seconds, group: str) -> Activity:
    """Return an oscillation of 0.05 Hz ("slow") or 0.1 Hz ("fast") with a random phase."""
    return rate(rng, seconds, HERTZ[group])


def rate(rng: np.random.Generator, seconds: Seconds, hertz: float) -> Activity:
    """Return an oscillation with a random phase."""
    return _everywhere(np.sin(2 * np.pi * (hertz * seconds + rng.uniform())))


def response(rng: np.random.Generator, seconds: Seconds, share: float) -> Activity:
    """Return the response to blocks that are the same for everyone, among an oscillation that keeps the variance as it is.

    Parameters
    ----------
    share : standard deviation of the response, as a share (0 to 1) of that of the course.
    """
    blocks = rest_and_blocks(seconds)
    answer = level(block_response([b.onset for b in blocks], [b.duration for b in blocks], seconds))
    other = np.sin(2 * np.pi * (OTHER * seconds + rng.uniform()))
    other = level(other - answer * (answer @ (other - other.mean())) / (answer @ answer))
    return Activity(_everywhere(share * answer + np.sqrt(1 - share**2) * other).courses, blocks)


def rest_and_blocks(seconds: Seconds) -> tuple[Block, ...]:
    """Return blocks with as much rest before each, of whole volumes.

    >>> [(block.onset, block.duration) for block in rest_and_blocks(np.arange(30) * 2.0)]
    [(10.0, 10.0), (30.0, 10.0), (50.0, 10.0)]
    """
    repetition_time = float(seconds[1] - seconds[0])
    duration = cycle_volumes(repetition_time) // 2 * repetition_time
    count = int((seconds[-1] / duration + 1) // 2)
    return tuple(Block(round((2 * k + 1) * duration, 3), round(duration, 3), "task") for k in range(count))


def cycle_volumes(repetition_time: float) -> int:
    """Return how many volumes a rest and a block last together.

    >>> cycle_volumes(2.0), cycle_volumes(3.0)
    (10, 6)
    """
    return 2 * round(BLOCK / repetition_time)


def bells(seconds: Seconds, start: float) -> Course:
    """Return a bell of height 1 at ``start`` and at every ``PAIR`` seconds before and after it.

    >>> bells(np.array([5.0, 25.0, 45.0]), 5.0).round(3).tolist()
    [1.0, 0.0, 1.0]
    """
    away = (seconds - start + PAIR / 2) % PAIR - PAIR / 2
    return np.asarray(np.exp(-(away**2) / (2 * EVENT**2)))


def level(course: Course) -> Course:
    """Return the course with a mean of 0 and a standard deviation of 1, whatever part of a period the run ends in."""
    centred = course - course.mean()
    return np.asarray(centred / centred.std())


def _everywhere(course: Course) -> Activity:
    return Activity(dict.fromkeys(REGIONS, level(course)))


@dataclass(frozen=True)
class Truth:
    """What the people of a cohort differ in.

    Parameters
    ----------
    make : from chance, the times of the volumes (s) and a person's truth to what the brain does.
    column : of participants.tsv.
    about : the column in words.
    groups : names of two groups of equal size, or
    span : least and largest of a number, evenly spread.
    """

    make: Callable[[np.random.Generator, Seconds, Any], Activity]
    column: str
    about: str
    groups: tuple[str, ...] = ()
    span: tuple[float, float] = (0.0, 1.0)


TRUTHS: Mapping[str, Truth] = {
    "pattern": Truth(
        pattern, "group", "whether the signal climbs slowly and drops at once, or the other way round", ("rising", "falling")
    ),
    "order": Truth(
        order, "group", "which region's event comes first in every pair of events", ("visual_first", "motor_first")
    ),
    "frequency": Truth(frequency, "group", "oscillation of 0.05 Hz (slow) or 0.1 Hz (fast)", ("slow", "fast")),
    "amplitude": Truth(
        response, "amplitude", "response to the blocks at a region's peak, per cent of the signal at rest "
        "(standard deviation over time)", span=(0.1, 0.95),
    ),
    "rate": Truth(rate, "rate", "frequency of the oscillation, Hz", span=(0.03, 0.12)),
}  # fmt: skip
