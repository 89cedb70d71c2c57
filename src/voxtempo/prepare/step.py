"""The contract of a preparation step: one file, one frozen dataclass, two pure methods.

A step first looks (``decide``: everything that depends on the scan, as plain JSON) and then acts (``apply``: pure,
given what was decided). What was decided is stored with the case, so a step can be explained, drawn and repeated. A
label map goes through the geometric steps with the decision taken on the image, so both always stay on one grid.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from voxtempo.registry import Registry
from voxtempo.scans import Geometry, Scan

Decision = dict[str, Any]


class Step(ABC):
    """One step from scanner to model-ready. Subclasses are frozen dataclasses whose fields are the options.

    Class attributes
    ----------------
    name : as in the study file (set by the ``step`` decorator).
    main : the option that a bare value stands for (``- orient: RAS``), or None.
    version : raise it when the same options give other voxels; cached results of older versions are then redone.
    geometric : whether the grid changes. Geometric steps are applied to label maps too.
    uneven : whether the shape follows the voxels, so that ``foresee`` tells the largest it can be.
    costly : whether the result is worth storing on its own, so that a change further on does not redo it.
    """

    name: ClassVar[str] = ""
    main: ClassVar[str | None] = None
    version: ClassVar[int] = 1
    geometric: ClassVar[bool] = False
    uneven: ClassVar[bool] = False
    costly: ClassVar[bool] = False

    def decide(self, scan: Scan) -> Decision:
        """Return what depends on the scan, as JSON values (empty for steps that depend on nothing)."""
        return {}

    @abstractmethod
    def apply(self, scan: Scan, decision: Decision) -> Scan:
        """Return the changed scan; never modifies ``scan``."""

    def identity(self) -> dict[str, Any]:
        """Return the options as they decide the result, for the cache's key: a file counts by its content, not its path."""
        return dict(vars(self))

    def files(self) -> tuple[str, ...]:
        """Return the paths of the files this step needs beside the scan."""
        return ()

    def misplaced(self, earlier: Sequence[Step]) -> str | None:
        """Return why this step makes no sense after the ``earlier`` ones of a study, and the way out; None if it does."""
        return None

    def foresee_time(self, volumes: int, repetition_time: float | None) -> tuple[int, float | None]:
        """Return how many volumes this step will give, and the seconds between them, without reading voxels."""
        return volumes, repetition_time

    def foresee(self, geometry: Geometry) -> Geometry:
        """Return the grid this step will give, or the largest it can give, without reading voxels."""
        return geometry


steps: Registry[type[Step]] = Registry("preparation step", "voxtempo.prepare")
step = steps.named
"""Registers a step under the name that study files use."""
