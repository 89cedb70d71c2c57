"""BOLD cohorts: subjects on the MNI152 anatomy whose brains respond, drift, move and are measured with noise.

The scan of a run is, before noise,

    shading * head_t(baseline) * (1 + drift_t)  +  shading * sum over regions of  head_t(region) * amplitude * course_t

where head_t places the template by the subject's own shape and the volume's rigid motion, and amplitude is in per cent
of the signal of grey matter. Each of these is known and written beside the scans.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from voxtempo.errors import StudyError
from voxtempo.scans import Geometry, Scan
from voxtempo.simulate.anatomy import INTENSITY, Anatomy, head_shape, mni_anatomy, sample, scan_grid
from voxtempo.simulate.bids import (
    truth_folder,
    write_courses,
    write_dataset,
    write_each,
    write_maps,
    write_series,
    write_table,
)
from voxtempo.simulate.design import Block, block_volumes, draw_blocks
from voxtempo.simulate.drift import random_drift
from voxtempo.simulate.haemodynamics import block_response
from voxtempo.simulate.motion import MOTION_COLUMNS, random_motion, rigid_matrix
from voxtempo.simulate.noise import rician
from voxtempo.simulate.shading import smooth_field
from voxtempo.simulate.simulation import Progress, Simulation, option, simulation
from voxtempo.simulate.studies import write_studies

GROUPS = ("control", "patient")
SHADING = 0.2
TASK = "blocks"
COLUMNS = {
    "group": "control or patient; they differ in nothing but the frontal region's course (not at all in 'conditions')",
    "age": "years, unrelated to the scans",
    "sex": "F or M, unrelated to the scans",
    "amplitude": "response at a region's peak, per cent of the signal of grey matter",
}


@dataclass(frozen=True)
class Subject:
    """One participant: what participants.tsv says, and how the brain responds.

    ``amplitude`` is the response in per cent signal change; ``lag`` the seconds by which the frontal region is late.
    """

    id: str
    group: str
    age: int
    sex: str
    amplitude: float
    lag: float


@dataclass(frozen=True, eq=False)
class Run:
    """One simulated run: the scan (int16), its blocks, and the truth: motion (t, 6) and regional courses (t,)."""

    scan: Scan
    blocks: tuple[Block, ...]
    motion: NDArray[np.float64]
    courses: Mapping[str, NDArray[np.float64]]


@simulation("bold")
@dataclass(frozen=True, kw_only=True)
class Bold(Simulation):
    """BOLD series of a block experiment, with conditions to decode, groups to tell apart and an amplitude to predict.

    Visual cortex answers blocks of one type, motor cortex blocks of the other. In the frontal region controls answer
    every block at once and patients one block's length later: about the same mean and variance, another course in time.
    """

    design: Literal["both", "conditions", "groups"] = option(
        "both",
        "conditions: two trial types, all subjects alike; groups: one type, two groups, amplitudes; both: all of it",
        ("both", "conditions", "groups"),
    )
    subjects: int = option(20, "number of participants")
    runs: int = option(1, "runs of each participant")
    volumes: int = option(72, "volumes of a run")
    repetition_time: float = option(2.0, "seconds between volumes")
    voxel: float = option(6.0, "edge of a voxel, mm")
    effect: float = option(3.0, "mean response at a region's peak, per cent of the signal of grey matter")
    noise: float = option(1.5, "standard deviation of the noise, per cent of the signal of grey matter")
    drift: float = option(2.0, "largest drift, per cent")
    motion: float = option(0.6, "largest displacement of the head in a run, mm")
    variety: float = option(1.0, "how much heads differ in shape (0: all alike)")
    seed: int = option(0, "the same seed gives the same files, byte for byte")

    def __post_init__(self) -> None:
        for name in ("effect", "noise", "drift", "motion", "variety", "seed"):
            if not 0 <= getattr(self, name) < np.inf:
                raise StudyError(f"simulate bold: '{name}' must not be negative, found {getattr(self, name)}.")
        for name, low, high in (
            ("subjects", 2, 9999), ("runs", 1, 99), ("repetition_time", 0.1, 10), ("voxel", 2, 20)
        ):  # fmt: skip
            if not low <= getattr(self, name) <= high:
                raise StudyError(f"simulate bold: '{name}' lies between {low} and {high}, found {getattr(self, name)}.")
        if self.design not in ("both", "conditions", "groups"):
            raise StudyError(f"simulate bold: design is both, conditions or groups, found '{self.design}'.")
        draw_blocks(np.random.default_rng(0), self.volumes, self.repetition_time, self.trial_types)

    @property
    def trial_types(self) -> tuple[str, ...]:
        """What the blocks are called in the events."""
        return ("task",) if self.design == "groups" else ("visual", "motor")

    def participants(self) -> tuple[Subject, ...]:
        """Return who takes part: groups of equal size with ages and sexes drawn alike."""
        rng = np.random.default_rng([self.seed, 0])
        group = rng.permutation(np.resize(np.arange(2), self.subjects))
        sex = rng.permutation(np.resize(np.array(["F", "M"]), self.subjects))
        age = rng.integers(20, 76, self.subjects)
        factor = rng.uniform(0.6, 1.4, self.subjects) if self.design != "conditions" else np.ones(self.subjects)
        lag = block_volumes(self.repetition_time) * self.repetition_time
        width = max(2, len(str(self.subjects)))
        return tuple(
            Subject(
                f"sub-{n + 1:0{width}d}", GROUPS[group[n]], int(age[n]), str(sex[n]),
                round(float(self.effect * factor[n]), 4), lag if group[n] == 1 and self.design != "conditions" else 0.0,
            )
            for n in range(self.subjects)
        )  # fmt: skip

    def head(self, number: int) -> NDArray[np.float64]:
        """Return the (4, 4) matrix from template to world mm of the subject ``number`` (from 0)."""
        return head_shape(np.random.default_rng([self.seed, 1, number]), self.variety)

    def simulate_run(self, subject: Subject, number: int, run: int) -> Run:
        """Return run ``run`` of a subject (both counted from 0); it does not depend on the other subjects and runs."""
        rng = np.random.default_rng([self.seed, 2, number, run])
        anatomy, grid = mni_anatomy(self.voxel), scan_grid(self.voxel)
        blocks = draw_blocks(rng, self.volumes, self.repetition_time, self.trial_types)
        courses = self.courses(subject, blocks)
        motion = random_motion(rng, self.volumes, self.motion)
        constant = np.random.default_rng([self.seed, 3, number])
        shading = np.exp(SHADING * smooth_field(constant, grid.shape)) * np.float32(constant.uniform(0.85, 1.15))
        signal = np.empty((self.volumes, *grid.shape), np.float32)
        drift = random_drift(rng, self.volumes, grid.shape, self.drift)
        head = self.head(number)
        for t in range(self.volumes):
            place = rigid_matrix(motion[t]) @ head
            rest = sample(anatomy.baseline, anatomy.geometry, grid, place)
            signal[t] = rest * (1 + drift[t])
            for name, course in courses.items():
                if abs(course[t]) > 1e-6:
                    signal[t] += np.float32(course[t]) * sample(anatomy.regions[name], anatomy.geometry, grid, place)
        signal *= shading
        noisy = rician(rng, signal, self.noise / 100 * INTENSITY["grey"])
        data = np.rint(noisy).astype(np.int16)[..., None]
        return Run(Scan(data, grid, self.repetition_time, channels=("bold",)), blocks, motion, courses)

    def courses(self, subject: Subject, blocks: tuple[Block, ...]) -> dict[str, NDArray[np.float64]]:
        """Return what each region adds over time (t,), in units of the signal."""
        times = np.arange(self.volumes, dtype=np.float64) * self.repetition_time
        size = subject.amplitude / 100 * INTENSITY["grey"]

        def course(kinds: tuple[str, ...], lag: float = 0.0) -> NDArray[np.float64]:
            chosen = [block for block in blocks if block.trial_type in kinds]
            return size * block_response([b.onset + lag for b in chosen], [b.duration for b in chosen], times)

        found = {"visual": course(("visual", "task")), "motor": course(("motor", "task"))}
        if self.design != "conditions":
            found["frontal"] = course(self.trial_types, subject.lag)
        return found

    def write(self, folder: Path, progress: Progress | None = None) -> tuple[Path, ...]:
        """Write the BIDS dataset, derivatives/truth and the study files; a run at a time on each core."""
        people = self.participants()
        rows = [(who.id, who.group, who.age, who.sex, who.amplitude) for who in people]
        write_dataset(folder, "Simulated BOLD", self, COLUMNS, rows, "activation maps, amplitude and head motion")
        responses = [(who.id, who.amplitude, who.lag) for who in people]
        write_table(
            folder / "derivatives" / "truth" / "responses.tsv",
            ("participant_id", "amplitude", "frontal_lag"),
            responses,
        )
        anatomy = mni_anatomy(self.voxel)
        write_each(lambda number: self._write_subject(folder, anatomy, people[number], number), len(people), progress)
        return write_studies(folder, self)

    def _write_subject(self, folder: Path, anatomy: Anatomy, subject: Subject, number: int) -> None:
        for run in range(self.runs):
            made = self.simulate_run(subject, number, run)
            name = f"{subject.id}_task-{TASK}_run-{run + 1}"
            write_series(folder, name, made.scan, made.blocks)
            motion = truth_folder(folder, name) / f"{name}_desc-motion_timeseries.tsv"
            write_table(motion, MOTION_COLUMNS, made.motion.tolist())
            write_courses(folder, name, made.courses)
        activation = self.activation(anatomy, subject, number, made)
        write_maps(folder, f"{subject.id}_task-{TASK}", made.scan.geometry, activation)

    def activation(self, anatomy: Anatomy, subject: Subject, number: int, run: Run) -> dict[str, NDArray[np.float32]]:
        """Return each responding region's map (x, y, z) in the resting head: per cent of the signal of grey matter."""
        grid: Geometry = run.scan.geometry
        return {
            name: np.float32(subject.amplitude)
            * sample(anatomy.regions[name], anatomy.geometry, grid, self.head(number))
            for name in run.courses
        }
