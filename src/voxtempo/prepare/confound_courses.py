"""Which courses are to be regressed out: columns of a scan's confounds, and what motion makes of its six numbers."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from voxtempo.cohort.problem import few
from voxtempo.errors import StudyError, did_you_mean
from voxtempo.prepare.rigid import MOTION_COLUMNS
from voxtempo.scans import Scan

Course = NDArray[np.float64]
MotionModel = Literal[6, 12, 24]


def named_courses(scan: Scan, patterns: Iterable[str]) -> dict[str, Course]:
    """Return the confounds that some names or patterns (``a_comp_cor_0*``) mean, each once.

    Raises
    ------
    StudyError : a pattern means none of the scan's confounds.
    """
    found: dict[str, Course] = {}
    for pattern in patterns:
        names = [name for name in scan.confounds if fnmatchcase(name, pattern)]
        if not names:
            hint = did_you_mean(pattern, scan.confounds) if scan.confounds else _HOW
            raise StudyError(_where(scan) + f"means a course '{pattern}', but the scan has none of that name. {hint}")
        found |= {name: scan.confounds[name] for name in names}
    return found


def motion_courses(scan: Scan, model: MotionModel) -> dict[str, Course]:
    """Return the regressors that head motion makes: name -> (t,).

    Parameters
    ----------
    scan : with the six courses that the step ``motion`` or a table gives.
    model : 6, the translations and rotations; 12, and their change since the volume before; 24, Friston's: they, those of
        the volume before, and the squares of both (Friston et al., Magnetic Resonance in Medicine 35:346, 1996). The first
        volume counts as if it had followed one like itself.

    Raises
    ------
    StudyError : the scan has no motion.
    """
    missing = [name for name in MOTION_COLUMNS if name not in scan.confounds]
    if missing:
        raise StudyError(_where(scan) + f"has 'motion: {model}', but the scan has no course {missing[0]}. {_HOW}")
    found = {name: scan.confounds[name] for name in MOTION_COLUMNS}
    before = {name: np.concatenate([course[:1], course[:-1]]) for name, course in found.items()}
    if model == 12:
        found |= {f"{name}_derivative1": found[name] - before[name] for name in MOTION_COLUMNS}
    if model == 24:
        found |= {f"{name}_previous": course for name, course in before.items()}
        found |= {f"{name}_power2": course**2 for name, course in found.items()}
    return found


def defined_courses(scan: Scan, courses: dict[str, Course], kept: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the courses as columns (k, m) over the volumes that count, with a value everywhere.

    A derivative has no value at the first volume; as in nilearn, it takes that of the second there.

    Raises
    ------
    StudyError : a value is missing elsewhere.
    """
    columns = np.empty((scan.volumes, len(courses)))
    for column, (name, course) in zip(columns.T, courses.items(), strict=True):
        column[:] = course
        if scan.volumes > 1 and not np.isfinite(column[0]):
            column[0] = column[1]
        gone = np.flatnonzero(~np.isfinite(column) & kept)
        if gone.size:
            raise StudyError(
                _where(scan)
                + f"regresses '{name}' out, but the course has no value at {gone.size} volumes (counted from 0: "
                f"{few([str(volume) for volume in gone])}). Leave it out, correct the table, or scrub these volumes."
            )
    return columns[kept]


_HOW = "Put the step 'motion' before 'confounds', or give the study a table by 'cohort.confounds'."


def _where(scan: Scan) -> str:
    return f"{scan.source or 'the scan'}: preparation step 'confounds' "
