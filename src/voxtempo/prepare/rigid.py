"""Rigid motion as six numbers: matrices from them, them from matrices, and which motion a grid can show at all.

Everything is in millimetres about one centre, in the axes of the world (RAS+). The six numbers are three translations
(mm) and three rotations (radians) about x, y and z, as fMRIPrep names them; they say

    a point p of the reference, seen from the centre, lies at  Rz Ry Rx p + translation  in the volume.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxtempo.scans import Geometry

Matrix = NDArray[np.float64]

MOTION_COLUMNS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")

HEAD_RADIUS = 50.0
"""Millimetres at which a rotation counts as a displacement (Power et al., NeuroImage 59:2142, 2012)."""


def rigid_matrix(row: ArrayLike) -> Matrix:
    """Return the (4, 4) matrix of six parameters.

    >>> (rigid_matrix([1, 2, 3, 0, 0, np.pi / 2]) @ [10, 0, 0, 1]).round(6).tolist()
    [1.0, 12.0, 3.0, 1.0]
    """
    values = np.asarray(row, dtype=np.float64)
    (cx, cy, cz), (sx, sy, sz) = np.cos(values[3:]), np.sin(values[3:])
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = about_z @ about_y @ about_x
    matrix[:3, 3] = values[:3]
    return matrix


def rigid_parameters(matrix: Matrix) -> NDArray[np.float64]:
    """Return the six parameters (6,) of a rigid (4, 4) matrix; rotations about y lie within a quarter turn.

    >>> rigid_parameters(rigid_matrix([1, 2, 3, 0.1, -0.2, 0.3])).round(9).tolist()
    [1.0, 2.0, 3.0, 0.1, -0.2, 0.3]
    """
    about_x = np.arctan2(matrix[2, 1], matrix[2, 2])
    about_y = -np.arcsin(np.clip(matrix[2, 0], -1, 1))
    about_z = np.arctan2(matrix[1, 0], matrix[0, 0])
    return np.array([*matrix[:3, 3], about_x, about_y, about_z])


def small_motion(vector: ArrayLike) -> Matrix:
    """Return the (4, 4) matrix of a translation (mm) after one turn about one axis (three radians along it).

    Unlike three turns one after the other, this one stays in the plane of an oblique slice.

    >>> small_motion([0, 0, 0, 0, 0, np.pi / 2])[:2, :2].round(6).tolist()
    [[0.0, -1.0], [1.0, 0.0]]
    """
    values = np.asarray(vector, dtype=np.float64)
    x, y, z = values[3:]
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = float(np.linalg.norm(values[3:]))
    half = np.sinc(angle / (2 * np.pi))  # sin(angle / 2) / (angle / 2)
    matrix = np.eye(4)
    matrix[:3, :3] += np.sinc(angle / np.pi) * cross + half**2 / 2 * (cross @ cross)
    matrix[:3, 3] = values[:3]
    return matrix


def centred_affine(geometry: Geometry) -> Matrix:
    """Return the (4, 4) matrix from voxel indices to millimetres from the middle of the grid, in the world's axes."""
    affine = geometry.affine.copy()
    affine[:3, 3] = -affine[:3, :3] @ ((np.asarray(geometry.shape) - 1) / 2)
    return affine


def voxel_mapping(row: ArrayLike, geometry: Geometry) -> Matrix:
    """Return the (4, 4) matrix from voxels of the reference to the voxels of a volume that moved by six parameters."""
    affine = centred_affine(geometry)
    return np.asarray(np.linalg.inv(affine) @ rigid_matrix(row) @ affine, dtype=np.float64)


def visible_motion(geometry: Geometry, fewest: int) -> NDArray[np.float64]:
    """Return an orthonormal basis (6, k) of the small motions that a grid can show.

    An axis with fewer than ``fewest`` voxels shows no motion along it and no rotation that would need it: a slice has
    two translations and the rotation in its plane (k = 3), a volume has all six.

    >>> visible_motion(Geometry.from_spacing((64, 64, 1)), 4).round(6).T.tolist()
    [[1.0, 0.0, 0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0, 1.0]]
    """
    deep = [axis for axis, size in enumerate(geometry.shape) if size >= fewest]
    if len(deep) == 3:
        return np.eye(6)
    directions = geometry.affine[:3, deep] / np.linalg.norm(geometry.affine[:3, deep], axis=0)
    columns: list[NDArray[np.float64]] = []
    for i in range(len(deep)):
        along = directions[:, i].copy()
        for column in columns:  # sheared axes: keep what is new
            along -= column[:3] * (column[:3] @ along)
        columns.append(np.concatenate([along / np.linalg.norm(along), np.zeros(3)]))
    if len(deep) == 2:
        columns.append(np.concatenate([np.zeros(3), np.cross(columns[0][:3], columns[1][:3])]))
    return np.array(columns).reshape(-1, 6).T


def framewise_displacement(motion: ArrayLike) -> NDArray[np.float64]:
    """Return how far the head moved since the volume before, (t,) in mm; 0 for the first.

    Absolute differences are summed, rotations as arcs on a sphere of 50 mm (Power et al., NeuroImage 59:2142, 2012).

    >>> framewise_displacement([[0, 0, 0, 0, 0, 0], [1, 0, -2, 0, 0, 0.01]]).tolist()
    [0.0, 3.5]
    """
    steps = np.abs(np.diff(np.asarray(motion, dtype=np.float64), axis=0, prepend=np.asarray(motion)[:1]))
    return np.asarray(steps[:, :3].sum(axis=1) + HEAD_RADIUS * steps[:, 3:].sum(axis=1))
