"""Losses from logits, one file a family; each gives one number a sample, and Keras weights and averages the samples.

Listing them does not load a deep-learning framework; computing one does.
"""

from voxtempo.learning.losses.base import Loss, loss, losses
from voxtempo.learning.losses.build import DEFAULTS, as_keras, build_loss, choose_loss

__all__ = ["DEFAULTS", "Loss", "as_keras", "build_loss", "choose_loss", "loss", "losses"]
