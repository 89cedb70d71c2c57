"""Two generations of everything that training needs to go on as if nothing had happened."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from voxtempo.errors import RunError
from voxtempo.learning.weights import (
    assign_variables,
    load_arrays,
    read_variables,
    read_weights,
    save_arrays,
    write_weights,
)
from voxtempo.scans.atomic import atomic_file


@dataclass
class Progress:
    """How far training has come. ``epoch`` and ``step`` are the next to be done.

    ``history`` holds one row an epoch; ``best`` the best monitored value and its epoch; ``stale`` the epochs since;
    ``reduction`` what the plateau schedule multiplied the rate by; ``seconds`` the training time so far.
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    best: float | None = None
    best_epoch: int | None = None
    stale: int = 0
    reduction: float = 1.0
    seconds: float = 0.0
    epoch_seconds: float = 0.0
    finished: bool = False
    history: list[dict[str, float]] = field(default_factory=list)


class Checkpoints:
    """The ``checkpoints`` folder of a run.

    Each generation is a safetensors file and a JSON file with its checksum, written after it. A crash between the two,
    or in the middle of either, leaves the other generation whole.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._generation = 0

    def save(self, model: Any, progress: Progress) -> None:
        """Write the older generation anew."""
        self._generation += 1
        name = "ab"[self._generation % 2]
        arrays = {f"model/{k}": v for k, v in read_variables(model.variables).items()}
        arrays |= {f"optimiser/{k}": v for k, v in read_variables(model.optimizer.variables).items()}
        checksum = save_arrays(self.folder / f"{name}.safetensors", arrays)
        record = {"generation": self._generation, "sha256": checksum, "progress": asdict(progress)}
        with atomic_file(self.folder / f"{name}.json") as file:
            file.write(json.dumps(record, indent=1).encode())

    def restore(self, model: Any) -> Progress | None:
        """Bring model and optimiser back to the newest whole generation; None where there is none.

        Raises
        ------
        RunError : a generation is whole but belongs to another network.
        """
        for record, name in sorted(self._records(), key=lambda found: -found[0]["generation"]):
            try:
                arrays = load_arrays(self.folder / f"{name}.safetensors", record["sha256"])
            except RunError:
                continue
            source = str(self.folder / name)
            for part, variables in (("model/", model.variables), ("optimiser/", model.optimizer.variables)):
                assign_variables(variables, {k: v for k, v in arrays.items() if k.startswith(part)}, source)
            self._generation = int(record["generation"])
            return Progress(**record["progress"])
        return None

    def _records(self) -> list[tuple[dict[str, Any], str]]:
        found = []
        for name in "ab":
            try:
                record = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
                Progress(**record["progress"])
                found.append(({**record, "generation": int(record["generation"])}, name))
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return found

    def save_best(self, model: Any) -> None:
        """Write the model's weights as the best so far."""
        write_weights(model, self.folder / "best.safetensors")

    def load_best(self, model: Any) -> None:
        """Give the model its best weights."""
        read_weights(model, self.folder / "best.safetensors")
