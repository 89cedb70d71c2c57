"""One network ready to be asked about samples: its weights, and all that belongs to it alone among several."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxtempo.inference.calibration import Calibration
from voxtempo.inference.lens import Lens
from voxtempo.inference.monte_carlo import MonteCarlo
from voxtempo.learning.attention_pooling import AttentionPooling, describer
from voxtempo.learning.fit import predict_full
from voxtempo.learning.recipe import Recipe
from voxtempo.learning.tasks import LearningTask


@dataclass(frozen=True)
class Look:
    """One way to ask a network: about the mirror image along an axis, under one draw of dropout's masks, or plainly."""

    axis: str | None = None
    sample: int | None = None


@dataclass(frozen=True, eq=False)
class Network:
    """A network and what its answers need.

    Parameters
    ----------
    model : Keras model that gives logits.
    recipe : of the model.
    pooling : how it weighs windows, where the study joins them by learned weights.
    lens : how its fold sees a prepared case, where the study harmonises. Networks of one fold share it.
    calibration : what the common answer of its fold goes through, where the run is calibrated. Networks of one fold share it.
    made : graphs over the same weights, made when they are first needed; copies of a network share them.
    """

    model: Any
    recipe: Recipe
    pooling: AttentionPooling | None = None
    lens: Lens | None = None
    calibration: Calibration | None = None
    made: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def task(self) -> LearningTask:
        """The task, a regression's with the unit that the network was trained in."""
        return self.recipe.learning_task

    def ask(
        self, images: NDArray[np.float32], batch: int, look: Look | None = None, number: int = 0
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Return the decoded answers to samples (n, k) or (n, ..., k), and the scores of learned weights (n,), else 0.

        Parameters
        ----------
        images : (n, ...).
        batch : samples that the network sees at once.
        look : in which way it is asked. What it says of a mirror image is turned back.
        number : of the batch within its case.
        """
        look, task = look or Look(), self.task
        axis = None if look.axis is None else 1 + "xyz".index(look.axis)
        shown = images if axis is None else np.ascontiguousarray(np.flip(images, axis))
        model, scores = self._drawn(look, number), np.zeros(len(images))
        if self.pooling is not None:
            key = "describer", look.sample is not None
            if key not in self.made:
                self.made[key] = describer(model)
            features, logits = self.made[key](shown, batch)
            scores = self.pooling.scores(features)
        else:
            logits = predict_full(model, shown, batch)
        said = task.decode(logits)
        if task.name == "regress":
            return said[:, None], scores
        return (np.flip(said, axis) if axis is not None and said.ndim == images.ndim else said), scores

    def _drawn(self, look: Look, number: int) -> Any:
        """Return the model, with dropout drawn anew where the look wants it left on."""
        if look.sample is None:
            return self.model
        if "monte carlo" not in self.made:
            self.made["monte carlo"] = MonteCarlo(self.model, self.recipe.seed)
        return self.made["monte carlo"].drawn(look.sample, number)
