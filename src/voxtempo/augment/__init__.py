"""Training-time variation: one random transform a file, drawn apart from applied, all of them in numpy and numba.

``build_transforms`` makes the stack of a study, ``Stack.draw`` decides, ``Stack.apply`` acts; what was drawn is JSON.
"""

from voxtempo.augment.stack import Stack, build_transforms
from voxtempo.augment.transform import Params, Transform, transform, transforms

__all__ = ["Params", "Stack", "Transform", "build_transforms", "transform", "transforms"]
