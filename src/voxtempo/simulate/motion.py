"""Head motion: a rigid transform a volume, known exactly.

Parameters are fMRIPrep's six: translations in mm, then rotations in radians about the x, y and z axes through the
world's origin. A point p of the resting head lies at  Rz Ry Rx p + translation  in the volume.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

MOTION_COLUMNS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")

HEAD_RADIUS = 50.0
"""Millimetres at which a rotation counts as a displacement (Power et al., NeuroImage 59:2142, 2012)."""


def displacement(motion: ArrayLike) -> NDArray[np.float64]:
    """Return how far each of the rows (t, 6) lies from rest, mm: translations plus arcs, absolute values summed.

    >>> displacement([[1.0, 0, -2.0, 0, 0, 0.01]]).tolist()
    [3.5]
    """
    size = np.abs(np.asarray(motion, dtype=np.float64))
    return np.asarray(size[:, :3].sum(axis=1) + HEAD_RADIUS * size[:, 3:].sum(axis=1))


def random_motion(rng: np.random.Generator, volumes: int, largest: float) -> NDArray[np.float64]:
    """Return a wandering head (t, 6): it starts at rest and its ``displacement`` reaches ``largest`` mm."""
    walk = np.cumsum(rng.standard_normal((volumes, 6)), axis=0)
    walk -= walk[0]
    walk[:, 3:] /= HEAD_RADIUS
    reached = displacement(walk).max()
    return walk * (largest / reached) if reached > 0 else walk


def rigid_matrix(row: ArrayLike) -> NDArray[np.float64]:
    """Return the (4, 4) world matrix of one row of motion parameters (6,)."""
    values = np.asarray(row, dtype=np.float64)
    (cx, cy, cz), (sx, sy, sz) = np.cos(values[3:]), np.sin(values[3:])
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = about_z @ about_y @ about_x
    matrix[:3, 3] = values[:3]
    return matrix
