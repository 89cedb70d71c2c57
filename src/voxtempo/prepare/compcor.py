"""Components of noise (CompCor): what varies together where little else than noise varies.

Behzadi et al., "A component based noise correction method (CompCor) for BOLD and perfusion based fMRI", NeuroImage 37:90,
2007. The components are the leading eigenvectors of the volumes' (t, t) products, summed over blocks of voxels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, ConfigDict, Field
from scipy import ndimage
from scipy.linalg import eigh

from voxtempo.errors import StudyError
from voxtempo.prepare.blocks import courses_of
from voxtempo.prepare.projection import Matrix, residuals
from voxtempo.prepare.regrid import regrid
from voxtempo.prepare.step_files import file_hash
from voxtempo.scans import Scan, read_scan


@dataclass(frozen=True)
class CompCor:
    """Which components of noise are sought, and where.

    Parameters
    ----------
    components : how many.
    share : without a mask, the part of the voxels that varies most and is taken for noise (tCompCor).
    mask : file of a mask or label map in the scan's space, such as white matter and ventricles (aCompCor); there every
        voxel counts alike, however much it varies.
    labels : the mask's values that count; None for all but 0.
    erode : voxels taken off the mask's surface, which holds some grey matter.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    components: Annotated[int, Field(ge=1, le=100)] = 5
    share: Annotated[float, Field(gt=0, le=1)] = 0.02
    mask: str | None = None
    labels: tuple[int, ...] | None = None
    erode: Annotated[int, Field(ge=0, le=10)] = 0

    def __post_init__(self) -> None:
        if self.mask is None and (self.labels is not None or self.erode):
            raise StudyError("'compcor' has 'labels' or 'erode', which say something about a mask, but no 'mask'")
        if self.mask is not None and not Path(self.mask).exists():
            raise StudyError(f"the mask of 'compcor', {self.mask}, does not exist")

    def identity(self) -> dict[str, Any]:
        """Return the options with the content of the mask in the place of its path."""
        return {**vars(self), "mask": None if self.mask is None else file_hash(self.mask)}

    @property
    def prefix(self) -> str:
        """How the components are called, as in fMRIPrep."""
        return "t_comp_cor" if self.mask is None else "a_comp_cor"


def _compcor(value: Any) -> Any:
    return {"components": value} if isinstance(value, int) and not isinstance(value, bool) else value


CompCorOption = Annotated[CompCor | None, BeforeValidator(_compcor)]
"""``CompCor``, or a number of components of the voxels that vary most."""


def components(
    scan: Scan, options: CompCor, inside: NDArray[np.bool_], drift: Matrix, kept: NDArray[np.bool_]
) -> dict[str, NDArray[np.float64]]:
    """Return the components of noise: name -> (t,) of length 1, the strongest first; 0 in volumes that do not count.

    Parameters
    ----------
    scan : the series.
    options : which.
    inside : (x, y, z, c), where the voxels that vary most are sought.
    drift : (k, m), orthonormal over the k volumes that count; removed from the voxels first.
    kept : (t,) which volumes count.

    Raises
    ------
    StudyError : there are too few voxels or volumes for so many components.
    """
    courses = courses_of(scan.data)
    varied = np.zeros(courses.shape[1], dtype=np.float32)
    for part, rest, _ in residuals(courses, drift, kept):
        varied[part] = np.einsum("tv,tv->v", rest, rest)
    if options.mask is None:
        chosen = inside.ravel().copy()
        limit = np.percentile(varied[chosen], 100 * (1 - options.share))
        chosen &= varied > limit if options.share < 1 else varied > 0
    else:
        chosen = np.repeat(_masked(scan, options).ravel(), scan.data.shape[4]) & (varied > 0)
    most = min(int(np.count_nonzero(chosen)), int(np.count_nonzero(kept)) - drift.shape[1])
    if options.components > most:
        raise StudyError(
            f"{scan.source or 'the scan'}: preparation step 'confounds' seeks {options.components} components of noise, but "
            f"{np.count_nonzero(chosen)} voxels and {np.count_nonzero(kept)} volumes have {max(most, 0)} at most. Lower "
            "'components'" + (", or raise 'share'." if options.mask is None else ", or check the mask.")
        )
    products = np.zeros((int(np.count_nonzero(kept)),) * 2)
    for part, rest, _ in residuals(courses, drift, kept):
        noise = rest[:, chosen[part]].astype(np.float64)
        if options.mask is not None:
            noise /= np.sqrt(varied[part][chosen[part]])
        products += noise @ noise.T
    count = len(products)
    found = eigh(products, subset_by_index=(count - options.components, count - 1))[1][:, ::-1]
    whole = np.zeros((scan.volumes, options.components))
    whole[kept] = found * np.sign(found[np.abs(found).argmax(axis=0), np.arange(options.components)])
    return {f"{options.prefix}_{number:02d}": course for number, course in enumerate(whole.T.copy())}


def _masked(scan: Scan, options: CompCor) -> NDArray[np.bool_]:
    """Return the voxels of the mask on the scan's grid, (x, y, z)."""
    assert options.mask is not None
    mask = read_scan(options.mask, kind="label")
    values = mask.data if options.labels is None else np.where(np.isin(mask.data, options.labels), 1, 0)
    inside = regrid(mask.with_data((values != 0).astype(np.uint8)), scan.geometry).volume() != 0
    if options.erode:
        near = ndimage.generate_binary_structure(3, 1)
        if inside.shape[2] == 1:
            near[..., [0, 2]] = False  # a slice has no surface above and below
        inside = ndimage.binary_erosion(inside, near, iterations=options.erode)
    return np.asarray(inside, dtype=bool)
