"""A run folder opened: what was studied, and the network(s) ready to be asked."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from voxtempo.cohort import load_study
from voxtempo.cohort.study import Study
from voxtempo.errors import RunError
from voxtempo.inference.predictor import Predictor
from voxtempo.learning import backend
from voxtempo.learning.recipe import Recipe
from voxtempo.learning.tasks import LearningTask
from voxtempo.learning.weights import read_weights
from voxtempo.prepare import Step, build_steps

STUDY, NETWORK, WEIGHTS, PREPARE = "study.yaml", "network.json", "weights.safetensors", "prepare.json"


class Run:
    """A finished run.

    Parameters
    ----------
    folder : a run folder, or one of all folds (``fold-0``, ``fold-1``, ...), whose networks then answer together.

    Raises
    ------
    RunError : the folder is not a finished run.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise RunError(f"There is no run folder {self.folder}.")
        if not (self.folder / STUDY).is_file():
            raise RunError(f"{self.folder} is no run folder: it has no {STUDY}.")
        self.members = tuple(sorted(self.folder.glob("fold-*"), key=lambda p: int(p.name[5:]))) or (self.folder,)
        for member in self.members:
            for name in (NETWORK, WEIGHTS):
                if not (member / name).is_file():
                    raise RunError(
                        f"{member} is not a finished run: it has no {name}. Start the same 'voxtempo train' again to go on."
                    )

    @cached_property
    def study(self) -> Study:
        """The study as it was run, nothing left open."""
        return load_study(self.folder / STUDY)

    @cached_property
    def recipes(self) -> tuple[Recipe, ...]:
        """How each network is built."""
        return tuple(Recipe.loads(member / NETWORK) for member in self.members)

    @property
    def task(self) -> LearningTask:
        """The task, with its classes or labels."""
        return self.recipes[0].learning_task

    @property
    def steps(self) -> tuple[Step, ...]:
        """The preparation that the networks expect."""
        return build_steps(self.study.prepare or [])

    @property
    def metrics(self) -> dict[str, Any]:
        """The content of ``metrics.json``."""
        path = self.folder / "metrics.json"
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise RunError(f"{path} cannot be read: {error}.") from None

    @cached_property
    def predictor(self) -> Predictor:
        """The network(s) with their weights (the framework is loaded now)."""
        backend.start(self.study.train.seed)
        models = []
        for member, recipe in zip(self.members, self.recipes, strict=True):
            model = recipe.build()
            read_weights(model, member / WEIGHTS)
            models.append(model)
        return Predictor(models, self.recipes, self.study)
