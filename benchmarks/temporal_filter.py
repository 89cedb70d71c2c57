"""Drifts, bands and confounds taken out of a series of 64 x 64 x 36 x 200: VoxTempo's steps against nilearn's cleaning.

Same input and, but for Butterworth's, which is another filter, same answer: how far the results lie apart is printed. Both
start from a float32 array in memory with time first and run on one thread. nilearn is given what it needs for the same
projection: where it has no low-pass of cosines, they are among its confounds.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import nilearn.signal
import numpy as np
from numpy.typing import NDArray
from stopwatch import heading, median_seconds, row, seconds
from threadpoolctl import threadpool_limits

from voxtempo.prepare import build_steps
from voxtempo.prepare.confound_courses import motion_courses
from voxtempo.prepare.drift import drift_columns
from voxtempo.prepare.rigid import MOTION_COLUMNS
from voxtempo.scans import Geometry, Scan

SERIES = (200, 64, 64, 36)
SECONDS = 2.0
LOW, HIGH = 0.01, 0.1  # Hz
REPEATS = 5
WIDTHS = (44, 10, 16, 22)


def series() -> Scan:
    """Return a series of noise about 1000 with drift and motion in it."""
    rng = np.random.default_rng(0)
    motion = np.cumsum(rng.normal(0, 0.02, (SERIES[0], 6)), axis=0)
    data = rng.standard_normal((*SERIES, 1), dtype=np.float32) * 10 + 1000
    effect = rng.standard_normal(SERIES[1:], dtype=np.float32)[..., None]
    for volume, moved, time in zip(data, motion[:, 0], np.arange(SERIES[0]), strict=True):
        volume += np.float32(20 * moved + 0.05 * time) * effect
    confounds = dict(zip(MOTION_COLUMNS, motion.T, strict=True))
    return Scan(data, Geometry.from_spacing(SERIES[1:], (3.0, 3.0, 3.5)), SECONDS, confounds=confounds)


def ours(scan: Scan, item: Mapping[str, Any]) -> Callable[[], NDArray[np.float32]]:
    """Return a step with its decision."""
    (step,) = build_steps([item])
    return lambda: step.apply(scan, step.decide(scan)).data


def theirs(scan: Scan, confounds: NDArray[np.float64] | None = None, **options: Any) -> Callable[[], NDArray[Any]]:
    """Return nilearn's cleaning, its mean taken off as ours is."""
    courses = scan.data.reshape(SERIES[0], -1)

    def clean() -> NDArray[Any]:
        with warnings.catch_warnings(action="ignore"):
            found = nilearn.signal.clean(
                courses, confounds=confounds, detrend=True, standardize=None, t_r=SECONDS, **options
            )
        return found.reshape(scan.data.shape)

    return clean


def race(title: str, mine: Callable[[], NDArray[Any]], name: str, rival: Callable[[], NDArray[Any]]) -> float:
    """Print the times of one task and how far the answers lie apart; return VoxTempo's time in seconds."""
    apart = float(np.abs(rival() - mine()).max())
    times = median_seconds({title: mine, name: rival}, REPEATS, warm=False)
    for one, said in ((title, ""), (name, f"{apart:.0e}")):
        row(one, f"{1e3 * times[one]:.0f}", f"{times[one] / times[title]:.1f}", said, widths=WIDTHS)
    return times[title]


def main() -> None:
    """Print a table of times in milliseconds."""
    heading("Filtering a series of 64 x 64 x 36 x 200", "nilearn", "scipy")
    row("", "ms", "times VoxTempo", "largest difference", widths=WIDTHS)
    scan = series()
    slow = {"detrend": 1, "high_pass": LOW, "keep_mean": False}
    band = {**slow, "low_pass": HIGH}
    outside = drift_columns(SERIES[0], SECONDS, None, LOW, HIGH)[:, 1:]
    motion = np.column_stack(list(motion_courses(scan, 24).values()))
    with threadpool_limits(1):
        race(
            "VoxTempo, line and 0.01 Hz high-pass",
            ours(scan, {"temporal_filter": slow}),
            "  nilearn clean, cosine",
            theirs(scan, filter="cosine", high_pass=LOW),
        )
        taken = race(
            "VoxTempo, line and band 0.01 - 0.1 Hz",
            ours(scan, {"temporal_filter": band}),
            "  nilearn clean, cosines as confounds",
            theirs(scan, outside),
        )
        once = seconds(theirs(scan, filter="butterworth", high_pass=LOW, low_pass=HIGH))
        row("  nilearn clean, Butterworth", f"{1e3 * once:.0f}", f"{once / taken:.1f}", "another filter", widths=WIDTHS)
        race(
            "VoxTempo, band and motion (24)",
            ours(scan, {"confounds": {"motion": 24, **band}}),
            "  nilearn clean, all as confounds",
            theirs(scan, np.hstack([outside, motion])),
        )
    print(
        f"medians of {REPEATS}, taken in turns (Butterworth: once); VoxTempo's times hold the decision and the result's array"
    )


if __name__ == "__main__":
    main()
