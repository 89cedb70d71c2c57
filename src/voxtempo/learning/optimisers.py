"""The optimiser a study asks for. The rate is set from outside at every update (see ``schedules``)."""

from __future__ import annotations

from typing import Any

from voxtempo.cohort.sections.train import Train


def make_optimiser(train: Train) -> Any:
    """Return a Keras optimiser with decoupled weight decay and clipping by the gradient's global norm.

    Weights of normalisation layers and biases are not decayed.
    """
    import keras

    assert train.rate is not None
    shared: dict[str, Any] = {
        "learning_rate": train.rate,
        "weight_decay": train.weight_decay or None,
        "global_clipnorm": train.clip,
    }
    if train.optimiser == "sgd":
        optimiser = keras.optimizers.SGD(momentum=train.momentum, nesterov=True, **shared)
    else:
        optimiser = keras.optimizers.AdamW(**{**shared, "weight_decay": train.weight_decay or 0.0})
    optimiser.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "scale", "offset"])
    return optimiser
