"""Regress out what is known of motion, physiology and the scanner, together with the drift, in one projection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from voxtempo.errors import StudyError
from voxtempo.prepare.censoring import Gaps, ScrubOption, censored_volumes
from voxtempo.prepare.compcor import CompCorOption, components
from voxtempo.prepare.confound_courses import Course, MotionModel, defined_courses, motion_courses, named_courses
from voxtempo.prepare.drift import Hertz, Order, drift_columns, refuse_crossed
from voxtempo.prepare.foreground import Within, refuse_not_finite, required_region
from voxtempo.prepare.projection import Matrix, orthonormal, project_out
from voxtempo.prepare.series import require_repetition_time, require_series
from voxtempo.prepare.step import Decision, Step, step
from voxtempo.prepare.temporal_filter import two_projections
from voxtempo.scans import Scan


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


@step("confounds")
@dataclass(frozen=True)
class Confounds(Step):
    """Remove from every voxel's time course what confounds and drift explain together, by least squares.

    Confounds come from the study's table (``cohort.confounds``), from the step ``motion``, and from the series itself.
    All regressors go into one basis with those of the drift and of the frequencies outside a band, so that neither brings
    back what the other removes (Lindquist et al. 2019); this step takes the options of ``temporal_filter`` for that, and
    replaces it. Regressors that others explain are found by rank-revealing QR and left out. A course without a value at
    the first volume (a derivative) takes that of the second there. No volume is ever cut out: scrubbed ones stay in their
    place, without influence on the fit.

    The scan's confounds get the courses that were made here (``global_signal``, ``t_comp_cor_00`` ...), and ``censored``
    (0 or 1) if volumes are scrubbed.

    Parameters
    ----------
    columns : names of the scan's confounds, or patterns such as 'a_comp_cor_0*'.
    motion : 6 parameters; 12, with their change since the volume before; 24, with those of the volume before and the
        squares of all (Friston et al. 1996). None for none.
    compcor : components of noise (Behzadi et al. 2007): a number of them, from the 2 % of the voxels that vary most, or
        {components: 5, share: 0.02} (tCompCor), or {components: 5, mask: FILE, labels: [2, 41], erode: 1} (aCompCor).
    global_signal : the mean over the voxels of ``within``.
    within : where the global signal and the voxels that vary most are sought: "foreground", "mask" (what is not 0 at
        every time) or "all".
    detrend : highest order of the polynomial: 0 mean, 1 line, 2 parabola; None for no polynomial but the mean.
    high_pass : Hz; slower cosines are removed. None for none.
    low_pass : Hz; faster cosines are removed. None for none.
    scrub : volumes to leave out of the fit, such as 0.5 (mm of framewise displacement) or {framewise_displacement: 0.5,
        dvars: 3, std_dvars: 1.5, before: 1, after: 2, fill: interpolate}, where limits may be left out; their residual
        becomes 0 (fill: spike), or is interpolated.
    keep_mean : put every voxel's mean back, so that the series still looks like an image.
    freedom : degrees of freedom (volumes that count, less regressors) that must be left; else the scan is refused.
    """

    main = "columns"

    columns: Annotated[tuple[str, ...], BeforeValidator(_several)] = ()
    motion: MotionModel | None = None
    compcor: CompCorOption = None
    global_signal: bool = False
    within: Within = "foreground"
    detrend: Order = 1
    high_pass: Hertz = None
    low_pass: Hertz = None
    scrub: ScrubOption = None
    keep_mean: bool = True
    freedom: Annotated[int, Field(ge=1)] = 10

    def __post_init__(self) -> None:
        refuse_crossed(self.name, self.high_pass, self.low_pass)
        if not (self.columns or self.motion or self.compcor or self.global_signal or self.scrub):
            raise StudyError(
                "preparation step 'confounds' names nothing to remove: give 'columns', 'motion', 'compcor', 'global_signal' "
                "or 'scrub'. For drifts alone there is 'temporal_filter'."
            )

    def identity(self) -> dict[str, Any]:
        """Return the options with the content of the mask in the place of its path."""
        return {**vars(self), "compcor": None if self.compcor is None else self.compcor.identity()}

    def files(self) -> tuple[str, ...]:
        """Return the mask, where there is one."""
        return (self.compcor.mask,) if self.compcor is not None and self.compcor.mask is not None else ()

    def misplaced(self, earlier: Sequence[Step]) -> str | None:
        """Two projections one after the other undo each other."""
        return two_projections(earlier, "temporal_filter")

    def decide(self, scan: Scan) -> Decision:
        """Return the regressors' names, the courses made here, the volumes left out, and the degrees of freedom left."""
        require_series(scan, self.name)
        refuse_not_finite(scan)
        limit = "high_pass" if self.high_pass is not None else "low_pass"
        if getattr(self, limit) is not None:
            require_repetition_time(scan, self.name, limit)
        censored = censored_volumes(scan, self.scrub, self.name)
        drift = self._drift(scan)[~censored]
        told = self._told(scan)
        self._refuse_scarce(scan, censored, drift.shape[1], 0)  # before anything is sought in the voxels
        made = self._made(scan, orthonormal(drift).columns, ~censored)
        courses = told | made
        basis = orthonormal(drift, defined_courses(scan, courses, ~censored))
        telling = sum(basis.told)
        self._refuse_scarce(scan, censored, basis.size - telling, telling)
        return {
            "regressors": [name for name, new in zip(courses, basis.told, strict=True) if new],
            "collinear": [name for name, new in zip(courses, basis.told, strict=True) if not new],
            "drift": basis.size - telling,
            "censored": np.flatnonzero(censored).tolist(),
            "degrees_of_freedom": int(np.count_nonzero(~censored)) - basis.size,
            "made": {name: course.tolist() for name, course in made.items()},
        }

    def apply(self, scan: Scan, decision: Decision) -> Scan:
        """Return the series without its confounds (float32)."""
        kept = np.ones(scan.volumes, dtype=bool)
        kept[decision["censored"]] = False
        made = {name: np.array(course, dtype=np.float64) for name, course in decision["made"].items()}
        basis = orthonormal(self._drift(scan)[kept], defined_courses(scan, self._told(scan) | made, kept)).columns
        gaps = None if self.scrub is None or kept.all() else Gaps(kept, self.scrub.fill)
        if self.scrub is not None:
            made["censored"] = (~kept).astype(np.float64)
        return scan.with_data(project_out(scan.data, basis, self.keep_mean, gaps), confounds={**scan.confounds, **made})

    def _drift(self, scan: Scan) -> Matrix:
        return drift_columns(scan.volumes, scan.repetition_time or 1.0, self.detrend, self.high_pass, self.low_pass)

    def _told(self, scan: Scan) -> dict[str, Course]:
        """Return the courses that are known of the scan."""
        return named_courses(scan, self.columns) | ({} if self.motion is None else motion_courses(scan, self.motion))

    def _made(self, scan: Scan, drift: Matrix, kept: NDArray[np.bool_]) -> dict[str, Course]:
        """Return the courses that come from the voxels."""
        made: dict[str, Course] = {}
        inside = np.zeros(scan.data.shape[1:], dtype=bool)
        if self.global_signal or (self.compcor is not None and self.compcor.mask is None):
            inside = required_region(scan, self.within, self.name)
        if self.global_signal:
            made["global_signal"] = np.array([volume[inside].mean(dtype=np.float64) for volume in scan.data])
        if self.compcor is not None:
            made |= components(scan, self.compcor, inside, drift, kept)
        return made

    def _refuse_scarce(self, scan: Scan, censored: NDArray[np.bool_], drift: int, confounds: int) -> None:
        """Raise ``StudyError`` if the regressors leave too little of the series."""
        kept = int(np.count_nonzero(~censored))
        left = kept - drift - confounds
        if left < self.freedom:
            lost = f" ({scan.volumes - kept} of {scan.volumes} were scrubbed)" if kept < scan.volumes else ""
            raise StudyError(
                f"{scan.source or 'the scan'}: preparation step 'confounds' would leave {left} degrees of freedom, but "
                f"'freedom' asks for {self.freedom}: {kept} volumes{lost} less {drift} regressors of mean, drift and band and "
                f"{confounds} confounds. Name fewer confounds, widen the band, scrub less, or lower 'freedom'."
            )
