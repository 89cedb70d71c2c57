"""Take what some regressors explain out of every voxel's course: one orthonormal basis, two matrix products.

Everything that is to go (drifts, frequencies outside a band, confounds) belongs into one basis. Taken out one after the
other, each projection would bring back part of what the one before it had removed (Lindquist et al., Human Brain Mapping
40:2358, 2019).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr

from voxtempo.prepare.blocks import as_float32, courses_of, voxel_blocks
from voxtempo.prepare.censoring import Gaps
from voxtempo.scans.room import room

ROUNDING = 1e-6  # what remains of a voxel below this share of it is float32 rounding: set to 0
COLLINEAR = 1e-6  # a regressor of which the others leave less than this share says nothing new

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Basis:
    """Orthonormal regressors.

    Parameters
    ----------
    columns : (t, k); the constant course is in their span.
    told : for each of the confounds they were made from, whether it said something new.
    """

    columns: Matrix
    told: tuple[bool, ...] = ()

    @property
    def size(self) -> int:
        """Number of independent regressors."""
        return int(self.columns.shape[1])


def orthonormal(drift: Matrix, confounds: Matrix | None = None) -> Basis:
    """Return an orthonormal basis of regressors by rank-revealing QR: collinear ones are found and left out.

    Parameters
    ----------
    drift : (t, k) regressors that come first, the constant among them.
    confounds : (t, m) further ones, in any units; of collinear ones the most telling are kept.

    Examples
    --------
    >>> line = np.arange(5.0)[:, None]
    >>> basis = orthonormal(np.hstack([np.ones((5, 1)), line]), np.hstack([line**2, 3 * line**2 - line]))
    >>> basis.size, sum(basis.told)
    (3, 1)
    """
    first, _ = _independent(drift / np.linalg.norm(drift, axis=0))
    if confounds is None or confounds.shape[1] == 0:
        return Basis(first)
    centred = confounds - confounds.mean(axis=0)
    size = np.linalg.norm(centred, axis=0)
    level = np.sqrt(confounds.shape[0]) * np.abs(confounds.mean(axis=0))
    varies = size > COLLINEAR * level
    rest = np.divide(centred, size, out=np.zeros_like(centred), where=varies & (size > 0))
    for _ in range(2):  # twice is enough: the second takes off what rounding left
        rest -= first @ (first.T @ rest)
    second, told = _independent(rest)
    second -= first @ (first.T @ second)
    return Basis(np.hstack([first, np.linalg.qr(second)[0]]), tuple(bool(t) for t in told))


def residuals(
    courses: NDArray[Any], basis: Matrix, kept: NDArray[np.bool_] | None = None
) -> Iterator[tuple[slice, NDArray[np.float32], NDArray[np.float64]]]:
    """Yield block by block which voxels, their courses without their projection on ``basis``, and their means.

    Every voxel's mean is taken off first, so that float32 products work on small numbers.

    Parameters
    ----------
    courses : (t, n), any type.
    basis : (k, m) orthonormal over the k volumes that count, the constant in its span.
    kept : (t,) which volumes count; None for all.
    """
    remover = _Remover(basis)
    for part in voxel_blocks(courses):
        level = courses[:, part].mean(axis=0, dtype=np.float32).astype(np.float64)
        rest = as_float32(courses[:, part], level)
        if kept is not None:
            rest = rest[kept]
        shift = rest.mean(axis=0)  # what rounding left in the float32 mean, and the volumes that do not count
        rest -= shift
        mean = level + shift
        energy = np.einsum("tv,tv->v", rest, rest) + rest.shape[0] * mean**2
        remover.remove_from(rest)
        rest[:, np.einsum("tv,tv->v", rest, rest) <= ROUNDING**2 * energy] = 0
        yield part, rest, mean


def project_out(data: NDArray[Any], basis: Matrix, keep_mean: bool, gaps: Gaps | None = None) -> NDArray[np.float32]:
    """Return ``data`` (t, x, y, z, c) without its projection on ``basis``; float32, in ``room``, block by block.

    Parameters
    ----------
    data, basis : as in ``residuals``.
    keep_mean : add every voxel's mean over the volumes that count again.
    gaps : the volumes that do not count, and what they become; None if all count.
    """
    courses = courses_of(data)
    result = room(courses.shape, np.float32)
    for part, rest, mean in residuals(courses, basis, None if gaps is None else gaps.kept):
        whole = rest if gaps is None else gaps.closed(rest)
        if keep_mean:
            whole += mean.astype(np.float32)
        result[:, part] = whole
    return result.reshape(data.shape)


class _Remover:
    """The projection as the cheaper of two forms: on a thin basis, or as one square matrix."""

    def __init__(self, basis: Matrix) -> None:
        volumes, size = basis.shape
        self._square = (np.eye(volumes) - basis @ basis.T).astype(np.float32) if 2 * size > volumes else None
        self._thin = basis.astype(np.float32)

    def remove_from(self, block: NDArray[np.float32]) -> None:
        """Change ``block`` (t, n) in place."""
        if self._square is not None:
            block[...] = self._square @ block
        else:
            block -= self._thin @ (self._thin.T @ block)


def _independent(columns: Matrix) -> tuple[Matrix, NDArray[np.bool_]]:
    """Return an orthonormal basis of (t, k) columns of about unit length, and which of them it needs."""
    basis, triangle, order = qr(columns, mode="economic", pivoting=True)
    rank = int(np.count_nonzero(np.abs(np.diag(triangle)) > COLLINEAR))
    needed = np.zeros(columns.shape[1], dtype=bool)
    needed[order[:rank]] = True
    return np.asarray(basis[:, :rank], dtype=np.float64), needed
