"""The contract of a simulation: one frozen dataclass whose fields are the options, and one method that writes it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from voxtempo.registry import Registry

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Simulation(ABC):
    """A cohort that can be made at will. Subclasses are frozen dataclasses; ``option`` documents each field.

    Class attributes
    ----------------
    name : as on the command line (set by the ``simulation`` decorator).
    """

    name: ClassVar[str] = ""

    @abstractmethod
    def write(self, folder: Path, progress: Progress | None = None) -> tuple[Path, ...]:
        """Write the cohort into ``folder`` and return its study files, the recommended one first.

        ``progress`` is called with (subjects done, subjects in all). The same options give the same bytes.
        """


def option(default: Any, text: str, choices: tuple[str, ...] = ()) -> Any:
    """Return a dataclass field with what the command line says about it."""
    return field(default=default, metadata={"help": text, "choices": choices})


simulations: Registry[type[Simulation]] = Registry("simulation", "voxtempo.simulate")
simulation = simulations.named
"""Registers a simulation under the name the command line uses."""
