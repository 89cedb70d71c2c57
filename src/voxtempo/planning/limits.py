"""What a plan may cost: the study's budget, or what one workstation can spare for an hour."""

from __future__ import annotations

from dataclasses import dataclass

from voxtempo.cohort.study import Study
from voxtempo.planning.machine import Machine

MEMORY = 4.0
MINUTES = 60.0


@dataclass(frozen=True)
class Limits:
    """What training may cost.

    Parameters
    ----------
    memory : gigabytes of the process.
    minutes : of one network's training.
    asked : whether the study gave the minutes.
    """

    memory: float
    minutes: float
    asked: bool

    def words(self) -> str:
        """Return the limits for a person."""
        return f"{self.memory:.3g} GB and {self.minutes:.3g} minutes"


def limits_of(study: Study, machine: Machine) -> Limits:
    """Return the study's budget; what it leaves open is 4 GB, at most half of the machine's memory, and an hour."""
    budget = study.budget
    memory = budget.memory if budget.memory is not None else min(MEMORY, machine.memory / 2)
    return Limits(memory, budget.minutes if budget.minutes is not None else MINUTES, budget.minutes is not None)
