"""Take slow drifts out of a series: one projection for all voxels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray
from pydantic import Field

from voxtempo.errors import StudyError
from voxtempo.prepare.series import require_repetition_time, require_series
from voxtempo.prepare.step import Decision, Step, step
from voxtempo.scans import Scan

ROUNDING = 1e-6  # what remains of a voxel below this share of it is float32 rounding: set to 0
BLOCK = 1 << 21  # values filtered together, so that the work needs little beside the result


@step("temporal_filter")
@dataclass(frozen=True)
class TemporalFilter(Step):
    """Remove from every voxel's time course what a drift explains, by least squares.

    The drift is spanned by polynomials and cosines (the discrete cosine basis of SPM and nilearn). It is made
    orthonormal once (QR) and projected out of all voxels in two matrix products.

    Parameters
    ----------
    detrend : highest order of the polynomial: 0 mean, 1 line, 2 parabola; None for no polynomial but the mean.
    high_pass : Hz; slower cosines are removed. None for none.
    keep_mean : put every voxel's mean back, so that the series still looks like an image.
    """

    detrend: Annotated[int, Field(ge=0, le=10)] | None = 1
    high_pass: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    keep_mean: bool = True

    def decide(self, scan: Scan) -> Decision:
        """Return how many regressors the drift has, the mean among them."""
        require_series(scan, self.name)
        time = 1.0 if self.high_pass is None else require_repetition_time(scan, self.name, "high_pass")
        count = drift_basis(scan.volumes, time, self.detrend, self.high_pass).shape[1]
        if count >= scan.volumes:
            raise StudyError(
                f"{scan.source or 'the scan'}: {scan.volumes} volumes are too few for a drift of {count} regressors: "
                "nothing would be left. Lower 'detrend' or 'high_pass' of temporal_filter."
            )
        return {"regressors": count}

    def apply(self, scan: Scan, decision: Decision) -> Scan:
        """Return the filtered series (float32)."""
        basis = drift_basis(scan.volumes, scan.repetition_time or 1.0, self.detrend, self.high_pass)
        return scan.with_data(project_out(scan.data, basis, self.keep_mean))


def drift_basis(
    volumes: int, repetition_time: float, detrend: int | None, high_pass: float | None
) -> NDArray[np.float64]:
    """Return orthonormal drift regressors (t, k), the first of them constant.

    Parameters
    ----------
    volumes : t.
    repetition_time : seconds.
    detrend : highest order of the polynomial, or None for the mean only.
    high_pass : Hz, or None. Cosines up to ``floor(2 * t * repetition_time * high_pass)`` half periods are removed.

    Examples
    --------
    >>> drift_basis(100, 2.0, 1, 0.01).shape  # mean, line, 4 cosines
    (100, 6)
    """
    columns: NDArray[np.float64] = legendre.legvander(np.linspace(-1, 1, volumes), detrend or 0).astype(np.float64)
    if high_pass is not None:
        count = min(volumes - 1, int(np.floor(2 * volumes * repetition_time * high_pass + 1e-9)))
        phase = np.pi * (np.arange(volumes) + 0.5) / volumes
        columns = np.hstack([columns, np.cos(phase[:, None] * np.arange(1, count + 1))])
    if columns.shape[1] >= volumes:  # spans everything; the caller refuses it
        return columns
    return np.asarray(np.linalg.qr(columns)[0], dtype=np.float64)


def project_out(data: NDArray[Any], basis: NDArray[np.float64], keep_mean: bool) -> NDArray[np.float32]:
    """Return ``data`` (t, ...) without its projection on ``basis`` (t, k), orthonormal; float32.

    The mean is taken off in double precision first, so that float32 products work on small numbers.
    """
    courses = data.reshape(data.shape[0], -1)
    result = np.empty(courses.shape, dtype=np.float32)
    narrow = basis.astype(np.float32)
    width = max(1, BLOCK // data.shape[0])
    for begin in range(0, courses.shape[1], width):
        block = courses[:, begin : begin + width]
        mean = block.mean(axis=0, dtype=np.float64)
        rest = np.subtract(block, mean, dtype=np.float64).astype(np.float32)
        size = np.sqrt(np.einsum("tv,tv->v", rest, rest) + data.shape[0] * mean.astype(np.float32) ** 2)
        rest -= narrow @ (narrow.T @ rest)
        rest[:, np.sqrt(np.einsum("tv,tv->v", rest, rest)) <= ROUNDING * size] = 0
        if keep_mean:
            rest += mean.astype(np.float32)
        result[:, begin : begin + width] = rest
    return result.reshape(data.shape)
