"""Take slow drifts, and what lies outside a band of frequencies, out of a series: one projection for all voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voxtempo.errors import StudyError
from voxtempo.prepare.censoring import Gaps, ScrubOption, censored_volumes
from voxtempo.prepare.drift import Hertz, Order, drift_columns, refuse_crossed
from voxtempo.prepare.projection import Matrix, orthonormal, project_out
from voxtempo.prepare.series import require_repetition_time, require_series
from voxtempo.prepare.step import Decision, Step, step
from voxtempo.scans import Scan


@step("temporal_filter")
@dataclass(frozen=True)
class TemporalFilter(Step):
    """Remove from every voxel's time course what a drift explains, by least squares.

    What is removed is spanned by polynomials and cosines (the discrete cosine basis of SPM and nilearn): slow ones below
    ``high_pass`` and fast ones above ``low_pass``, made orthonormal once (QR) and projected out of all voxels together.
    Where confounds are to be removed as well, give the same options to the step ``confounds`` instead: two projections
    one after the other would bring back part of what the first removed (Lindquist et al. 2019), so a study that names
    both steps is refused.

    Parameters
    ----------
    detrend : highest order of the polynomial: 0 mean, 1 line, 2 parabola; None for no polynomial but the mean.
    high_pass : Hz; slower cosines are removed. None for none.
    low_pass : Hz; faster cosines are removed. None for none.
    keep_mean : put every voxel's mean back, so that the series still looks like an image.
    scrub : volumes to leave out of the fit, such as 0.5 (mm of framewise displacement) or {framewise_displacement: 0.5,
        dvars: 3, std_dvars: 1.5, before: 1, after: 2, fill: interpolate}, where limits may be left out; their residual
        becomes 0 (fill: spike), or is interpolated.
    """

    detrend: Order = 1
    high_pass: Hertz = None
    low_pass: Hertz = None
    keep_mean: bool = True
    scrub: ScrubOption = None

    def __post_init__(self) -> None:
        refuse_crossed(self.name, self.high_pass, self.low_pass)

    def misplaced(self, earlier: Sequence[Step]) -> str | None:
        """Two projections one after the other undo each other."""
        return two_projections(earlier, "confounds")

    def decide(self, scan: Scan) -> Decision:
        """Return how many independent regressors are removed, the mean among them, and which volumes do not count."""
        require_series(scan, self.name)
        limit = "high_pass" if self.high_pass is not None else "low_pass"
        if getattr(self, limit) is not None:
            require_repetition_time(scan, self.name, limit)
        censored = censored_volumes(scan, self.scrub, self.name)
        left = scan.volumes - int(censored.sum())
        columns = self._columns(scan)
        if columns.shape[1] >= left:
            lost = f" ({scan.volumes - left} of {scan.volumes} were scrubbed)" if censored.any() else ""
            raise StudyError(
                f"{scan.source or 'the scan'}: {left} volumes{lost} are too few for a drift of {columns.shape[1]} "
                "regressors: nothing would be left. Lower 'detrend' or 'high_pass' of temporal_filter, or raise "
                "'low_pass'."
            )
        decision: Decision = {"regressors": orthonormal(columns[~censored]).size}
        return decision | ({} if self.scrub is None else {"censored": np.flatnonzero(censored).tolist()})

    def apply(self, scan: Scan, decision: Decision) -> Scan:
        """Return the filtered series (float32)."""
        kept = np.ones(scan.volumes, dtype=bool)
        kept[decision.get("censored", [])] = False
        basis = orthonormal(self._columns(scan)[kept]).columns
        gaps = None if self.scrub is None or kept.all() else Gaps(kept, self.scrub.fill)
        return scan.with_data(project_out(scan.data, basis, self.keep_mean, gaps))

    def _columns(self, scan: Scan) -> Matrix:
        return drift_columns(scan.volumes, scan.repetition_time or 1.0, self.detrend, self.high_pass, self.low_pass)


def two_projections(earlier: Sequence[Step], other: str) -> str | None:
    """Return why no projection may follow that of the step called ``other``; None if there is no such step."""
    if all(one.name != other for one in earlier):
        return None
    return (
        f"comes after '{other}'. One after the other, each would bring back part of what the other removes. Give "
        "'detrend', 'high_pass', 'low_pass' and 'scrub' to 'confounds', which removes everything at once, and leave "
        "temporal_filter out."
    )
