"""Cohorts whose truth is in time alone: what each group's brains do differs, what they look like does not.

The scan of a subject is, before noise,

    shading * rest * (1 + drift_t + sum over regions of  head(region) * effect * course_t)

    rest = head(baseline) * product over regions of (1 + tissue * head(region))

where the courses (``courses.py``) have the same mean and variance whatever the truth, and ``tissue`` is another number for
every person and region: more than anything that happens there, so that one volume tells nothing even of a response at a
known time. The head lies still: motion would blur the line between views without and with time, and ``simulate bold`` has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from voxtempo.errors import StudyError
from voxtempo.scans import Scan
from voxtempo.simulate.anatomy import INTENSITY, head_shape, mni_anatomy, sample, scan_grid
from voxtempo.simulate.bids import write_courses, write_dataset, write_each, write_maps, write_series
from voxtempo.simulate.courses import TRUTHS, Activity
from voxtempo.simulate.drift import random_drift
from voxtempo.simulate.noise import rician
from voxtempo.simulate.shading import smooth_field
from voxtempo.simulate.simulation import Progress, Simulation, option, simulation
from voxtempo.simulate.timing_studies import write_timing_study

SHADING = 0.2
TISSUE = 0.1
"""Standard deviation between people of a region's signal at rest, as a share of it."""
TASK = "timing"
SHORTEST = 40.0
"""Seconds a run needs: a pair of events, two steps of a sawtooth."""


@dataclass(frozen=True, eq=False)
class Made:
    """One simulated series (int16), what the brain did, and what it did most of where: a map (x, y, z) a region, per cent."""

    scan: Scan
    activity: Activity
    maps: dict[str, NDArray[np.float32]]


@simulation("timing")
@dataclass(frozen=True, kw_only=True)
class Timing(Simulation):
    """Small series whose truth is in time alone, to see whether a network looks at time.

    Mean image, deviation over time and single volumes tell nothing of it: what recognises the truth has looked at the
    order of the volumes, or at how fast the signal changes.
    """

    truth: Literal["pattern", "order", "frequency", "amplitude", "rate"] = option(
        "pattern",
        "pattern: a sawtooth or its mirror image in time; order: which of two regions is first; frequency: 0.05 or 0.1 Hz; "
        "amplitude: size of the response to blocks, in a signal of constant variance; rate: a frequency of 0.03 to 0.12 Hz",
        tuple(TRUTHS),
    )
    subjects: int = option(80, "number of participants")
    volumes: int = option(40, "volumes of a run")
    repetition_time: float = option(2.0, "seconds between volumes")
    voxel: float = option(14.0, "edge of a voxel, mm")
    effect: float = option(3.0, "standard deviation of the course at a region's peak, per cent of the signal at rest")
    noise: float = option(0.2, "standard deviation of the noise, per cent of the signal of grey matter")
    drift: float = option(0.5, "largest drift, per cent")
    variety: float = option(1.0, "how much heads differ in shape and tissue (0: all alike)")
    seed: int = option(0, "the same seed gives the same files, byte for byte")

    def __post_init__(self) -> None:
        if self.truth not in TRUTHS:
            raise StudyError(f"simulate timing: truth is {', '.join(TRUTHS)}, found '{self.truth}'.")
        for name in ("noise", "drift", "variety", "seed"):
            if not 0 <= getattr(self, name) < np.inf:
                raise StudyError(f"simulate timing: '{name}' must not be negative, found {getattr(self, name)}.")
        for name, low, high in (
            ("subjects", 2, 9999), ("volumes", 2, 9999), ("repetition_time", 0.1, 3), ("voxel", 2, 20), ("effect", 0.01, 50)
        ):  # fmt: skip
            if not low <= getattr(self, name) <= high:
                raise StudyError(
                    f"simulate timing: '{name}' lies between {low} and {high}, found {getattr(self, name)}."
                )
        if self.volumes * self.repetition_time < SHORTEST:
            raise StudyError(
                f"simulate timing: {self.volumes} volumes of {self.repetition_time:g} s are too short for the courses. Give at "
                f"least {int(np.ceil(SHORTEST / self.repetition_time))} volumes."
            )

    def people(self) -> dict[str, str | float]:
        """Return each participant's truth: groups of equal size, or numbers spread evenly over their span."""
        rng = np.random.default_rng([self.seed, 0])
        width = max(2, len(str(self.subjects)))
        names = [f"sub-{n + 1:0{width}d}" for n in range(self.subjects)]
        truth = TRUTHS[self.truth]
        if truth.groups:
            return dict(zip(names, rng.permutation(np.resize(truth.groups, self.subjects)).tolist(), strict=True))
        places = (rng.permutation(self.subjects) + rng.uniform(size=self.subjects)) / self.subjects
        values = truth.span[0] + (truth.span[1] - truth.span[0]) * places
        return dict(zip(names, (values * self.unit).round(4).tolist(), strict=True))

    @property
    def unit(self) -> float:
        """What a number of participants.tsv is counted in: an amplitude is a share of the effect."""
        return self.effect if self.truth == "amplitude" else 1.0

    def simulate(self, truth: str | float, number: int) -> Made:
        """Return the series of the subject ``number`` (from 0), whom ``truth`` is true of."""
        rng = np.random.default_rng([self.seed, 1, number])
        anatomy, grid = mni_anatomy(self.voxel), scan_grid(self.voxel)
        seconds = np.arange(self.volumes, dtype=np.float64) * self.repetition_time
        activity = TRUTHS[self.truth].make(rng, seconds, truth / self.unit if isinstance(truth, float) else truth)
        head = head_shape(rng, self.variety)
        shading = np.exp(SHADING * smooth_field(rng, grid.shape)) * np.float32(rng.uniform(0.85, 1.15))
        rest = sample(anatomy.baseline, anatomy.geometry, grid, head)
        signal = 1 + random_drift(rng, self.volumes, grid.shape, self.drift)
        maps = {}
        for name, course in activity.courses.items():
            region = sample(anatomy.regions[name], anatomy.geometry, grid, head)
            rest *= 1 + np.float32(TISSUE * self.variety * rng.standard_normal()) * region
            maps[name] = np.float32(self.effect) * region
            signal += np.multiply.outer(course.astype(np.float32) / 100, maps[name])
        signal *= rest * shading
        noisy = rician(rng, signal, self.noise / 100 * INTENSITY["grey"])
        data = np.rint(noisy).astype(np.int16)[..., None]
        return Made(Scan(data, grid, self.repetition_time, channels=("bold",)), activity, maps)

    def write(self, folder: Path, progress: Progress | None = None) -> tuple[Path, ...]:
        """Write the BIDS dataset, derivatives/truth and the study file."""
        people, truth = self.people(), TRUTHS[self.truth]
        about = {truth.column: truth.about}
        write_dataset(
            folder, "Simulated timing", self, about, people.items(), "activation maps and the regions' courses"
        )
        mni_anatomy(self.voxel)  # once, before threads ask for it

        def write_subject(number: int) -> None:
            subject = list(people)[number]
            made, name = self.simulate(people[subject], number), f"{subject}_task-{TASK}"
            write_series(folder, name, made.scan, made.activity.blocks)
            write_courses(folder, name, made.activity.courses)
            write_maps(folder, name, made.scan.geometry, made.maps)

        write_each(write_subject, len(people), progress)
        return (write_timing_study(folder, self),)
