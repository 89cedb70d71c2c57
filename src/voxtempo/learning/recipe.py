"""All that is needed to build a run's network again: plain values, the content of ``network.json``."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from voxtempo.cohort.sections.sample import Sample
from voxtempo.errors import RunError
from voxtempo.learning.tasks import LearningTask, restore_task
from voxtempo.networks import Precision, build_network, build_user_network

InputKind = Literal["slice", "volume", "series"]


@dataclass(frozen=True)
class Recipe:
    """A network and what it is for.

    Parameters
    ----------
    name : a registered network, or "file.py:function" when ``python`` is true.
    python : whether ``name`` is a user's function; ``python_sha256`` then guards its file against change.
    options : of the network.
    input_shape : one sample without the batch: (x, y, c), (x, y, z, c) or (t, x, y, z, c).
    kind : which of those three.
    task : what ``LearningTask.as_json`` returned.
    dropout, precision, seed : as the network was built.
    select_voxels : whether the network begins with a mask of voxels.
    repetition_time : seconds between the volumes of the series it was trained on; None for other inputs, where it is not
        known, and where volumes are named by what they show ("end-diastole") and not by when they were taken.
    """

    name: str
    options: dict[str, Any]
    input_shape: tuple[int, ...]
    kind: InputKind
    task: dict[str, Any]
    dropout: float = 0.0
    precision: Precision = "float32"
    seed: int = 0
    python: bool = False
    python_sha256: str = ""
    repetition_time: float | None = None
    select_voxels: bool = False
    version: int = field(default=1)

    @property
    def learning_task(self) -> LearningTask:
        """The task, ready to decode."""
        return restore_task(self.task)

    def build(self, supervised: bool = False) -> Any:
        """Return the network with fresh weights; ``supervised`` for training, see ``build_network``.

        Raises
        ------
        RunError : a user's file is no longer the one that was trained.
        StudyError : the options do not fit the network.
        """
        head = self.learning_task.head
        if not self.python:
            return build_network(
                self.name, self.input_shape, head, self.options,
                dropout=self.dropout, precision=self.precision, seed=self.seed, select_voxels=self.select_voxels,
                supervised=supervised,
            )  # fmt: skip
        if self.python_sha256 != file_sha256(self.name):
            raise RunError(
                f"The network of this run is the function {self.name}, whose file has changed or is gone since training. "
                "Put the old file back; code is never stored in a run folder."
            )
        return build_user_network(
            self.name, self.input_shape, head, self.options, precision=self.precision, seed=self.seed
        )

    def dumps(self) -> str:
        """Return JSON text."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def loads(cls, path: Path) -> Recipe:
        """Return the recipe in a ``network.json``.

        Raises
        ------
        RunError : the file is missing or not what ``dumps`` wrote.
        """
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{**record, "input_shape": tuple(record["input_shape"])})
        except OSError as error:
            raise RunError(f"{path} cannot be read: {error.strerror}. Is this the folder of a finished run?") from None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise RunError(f"{path} is not the description of a network: {error}.") from None


def other_time(trained: float | None, found: float | None) -> bool:
    """Return whether a series has another repetition time (seconds) than a network was trained with, by more than 1 %.

    One that is not known differs from none.

    >>> other_time(2.0, 2.01), other_time(2.0, 2.5), other_time(2.0, None), other_time(None, 2.5)
    (False, True, False, False)
    """
    return trained is not None and found is not None and abs(found - trained) > 0.01 * trained


def file_sha256(spec: str) -> str:
    """Return the sha256 of the file in "path/to/file.py:function", or "" where there is none."""
    path = Path(spec.rpartition(":")[0])
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def input_kind(sample: Sample, flat: bool) -> InputKind:
    """Return what the network is given: series for windows, slices where samples or scans (``flat``) are such, or volumes.

    >>> input_kind(Sample(patch=(64, 1, 48)), flat=False), input_kind(Sample(volume="whole"), flat=False)
    ('slice', 'volume')
    """
    if sample.window is not None:
        return "series"
    return "slice" if flat or sample.across is not None else "volume"
